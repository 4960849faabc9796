"""Links on a stream transport of the event loop: TCP, TLS, and serial ports without a descriptor."""

from __future__ import annotations

import asyncio

from metergate.errors import LinkError
from metergate.links.buffered import BufferedLink


class TransportLink(BufferedLink, asyncio.Protocol):
    """A `Link` that is its transport's protocol."""

    def __init__(self, name: str, byte_time: float = 0.0) -> None:
        super().__init__(name, byte_time)
        self._transport: asyncio.Transport | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{self.name}: {type(transport).__name__} is no stream transport")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        self._arrived(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The line is closed, or broke with `error`."""
        self._gone.set()
        self._room.set()
        self._ended(f"{self.name}: {error}" if error else None)

    def pause_writing(self) -> None:
        """The other side is slow."""
        self._room.clear()

    def resume_writing(self) -> None:
        """The other side has caught up."""
        self._room.set()

    def _pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None and not self._over:
            self._transport.resume_reading()

    async def write(self, data: bytes) -> None:
        """Hand `data` to the line and wait while it is full. LinkError if it is closed."""
        self._check_open()
        if self._transport is None or self._transport.is_closing():
            raise LinkError(f"{self.name}: the line is closed")
        self._transport.write(data)
        await self._room.wait()

    async def close(self) -> None:
        """Send what is left, then let go of the line."""
        self._ended()
        if self._transport is not None:
            self._transport.close()
            await self._gone.wait()
