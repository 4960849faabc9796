"""UDP lines: one read is one datagram."""

from __future__ import annotations

import asyncio

from metergate.errors import LinkError
from metergate.links.address import Address
from metergate.links.buffered import LIMIT, BufferedLink

SETTINGS = ("bind",)


class UdpLink(BufferedLink, asyncio.DatagramProtocol):
    """Calls one address, or listens and answers whoever spoke last. Datagrams that nobody reads are dropped, oldest
    first, and counted in `lost`."""

    whole_datagrams = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: tuple[str, int] | None = None
        self._called = False

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """The socket is open."""
        self._transport = transport
        self._called = transport.get_extra_info("peername") is not None
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        """A datagram arrived."""
        self._peer = peer
        while self._chunks and self._size + len(data) > LIMIT:
            self._size -= len(self._chunks.popleft())
            self.lost += 1
        if data:
            self._arrived(data)

    def error_received(self, error: Exception) -> None:
        """The other side is not there (now): a datagram was lost, no more."""
        self.lost += 1

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed."""
        self._ended(f"{self.name}: {error}" if error else None)

    async def write(self, data: bytes) -> None:
        """Send one datagram. LinkError if it is closed, or listening and nobody spoke yet."""
        self._check_open()
        if not self._called and self._peer is None:
            raise LinkError(f"{self.name}: nobody called yet, so there is nobody to answer")
        if self._transport is not None:
            self._transport.sendto(data, None if self._called else self._peer)

    async def close(self) -> None:
        """Let go of the socket."""
        self._ended()
        if self._transport is not None:
            self._transport.close()


async def open_udp(address: Address) -> UdpLink:
    """Call `udp://host:port`, or listen at `udp://:port` (on the address `bind` only, where given)."""
    address.needs(port=True, example="udp://host:port or udp://:port")
    local = (address.settings.get("bind", "0.0.0.0"), address.port or 0)  # noqa: S104
    try:
        _, link = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: UdpLink(address.name),
            local_addr=None if address.host else local,
            remote_addr=(address.host, address.port or 0) if address.host else None,
        )
    except OSError as error:
        raise LinkError(f"{address.name}: {error.strerror or error}") from error
    return link
