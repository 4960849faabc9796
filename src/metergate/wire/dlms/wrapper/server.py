"""The meter's end of the wrapper: a `wire.base.Responder` for one TCP connection or one UDP port (chapter 2.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from metergate.wire.base import Problem
from metergate.wire.dlms.transport import OnApdu, OnClose, OnMore
from metergate.wire.dlms.wrapper.frame import Wpdu, framer

_PEERS = 64
"""Most (client, logical device) pairs that are remembered."""


class Station:
    """Hands the APDUs of its logical devices to `on_apdu`, and answers to where they came from.

    Call `close` when the TCP connection ends, so that its associations end with it.
    """

    def __init__(
        self,
        on_apdu: OnApdu,
        logical: Collection[int] = (1,),
        on_close: OnClose | None = None,
        more: OnMore | None = None,
    ) -> None:
        self.logical = frozenset(logical)
        self._on_apdu, self._on_close, self._more = on_apdu, on_close, more
        self._framer = framer()
        self._peers: dict[tuple[int, int], None] = {}

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """Take in bytes of any chunking; yield the answers. Wrappers for other devices are passed over."""
        for catch in self._framer.feed(data):
            if isinstance(catch, Problem):
                continue
            found = Wpdu.of(catch[1])
            if found.destination in self.logical:
                self._remember((found.source, found.destination))
                answer = self._on_apdu(found.source, found.destination, found.apdu, now)
                if answer:
                    yield Wpdu(found.destination, found.source, answer).octets
                for apdu in self._more(found.source, found.destination) if self._more else ():
                    yield Wpdu(found.destination, found.source, apdu).octets

    def silence(self) -> None:
        """The line went quiet: a wrapper that was begun is dropped."""
        for _ in self._framer.silence():
            pass

    def send(self, client: int, server: int, apdu: bytes) -> bytes:
        """An APDU that nobody asked for, for the wire."""
        return Wpdu(server, client, apdu).octets

    def close(self) -> None:
        """The connection is gone: so is every association on it."""
        peers, self._peers = self._peers, {}
        for client, server in peers:
            if self._on_close is not None:
                self._on_close(client, server)

    def _remember(self, peer: tuple[int, int]) -> None:
        if peer not in self._peers and len(self._peers) >= _PEERS:
            oldest = next(iter(self._peers))
            del self._peers[oldest]
            if self._on_close is not None:
                self._on_close(*oldest)
        self._peers[peer] = None
