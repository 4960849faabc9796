"""The client's end of the wrapper: a `Transport` over TCP or UDP (specification chapters 0.3 and 2.1)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from metergate.errors import BadValue, NoAnswer
from metergate.wire.base import MORE, Ask, Dialogue, More, Problem
from metergate.wire.dlms.wrapper.frame import Wpdu, framer

_KEPT = 16
"""Most APDUs that are kept until they are asked for."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the line behaves. `timeout`: seconds until an answer is there; `datagrams`: it is UDP, where one that is
    lost is no loss of the way."""

    timeout: float = 5.0
    datagrams: bool = False


class Link:
    """The way from a client's wrapper port to a logical device's.

    The wrapper has no numbers of its own: TCP keeps the order; over UDP what is lost is an error, never asked twice.
    An answer that comes too late looks like the next one's: tell them apart by what is in the APDU.
    """

    def __init__(self, client: int = 16, server: int = 1, settings: Settings | None = None) -> None:
        self.client, self.server = client, server
        self.settings = settings or Settings()
        self.connected = False
        self._framer = framer()
        self.unasked: deque[bytes] = deque(maxlen=_KEPT)
        self._inbox: deque[bytes] = deque(maxlen=_KEPT)

    def connect(self) -> Dialogue[None]:
        """The line is the connection: nothing is sent."""
        self._framer = framer()
        self._inbox.clear()
        self.connected = True
        return
        yield

    def exchange(self, *apdus: bytes) -> Dialogue[bytes]:
        """Send APDUs, wait for one. NoAnswer; BadValue if what comes is no wrapper: then open the line anew."""
        self._framer = framer()
        self.unasked += self._inbox
        self._inbox.clear()
        sent = b"".join(self._wpdu(apdu) for apdu in apdus)
        return (yield from self._converse(Ask(sent, self.settings.timeout)))

    def receive(self) -> Dialogue[bytes]:
        """Wait for one more APDU. As `exchange`."""
        return (yield from self._converse(Ask(b"", self.settings.timeout)))

    def send(self, apdu: bytes) -> Dialogue[None]:
        """Send an APDU that nobody answers."""
        yield Ask(self._wpdu(apdu), 0)

    def disconnect(self) -> Dialogue[None]:
        """Nothing is sent: whoever owns the line closes it."""
        self.connected = False
        return
        yield

    def _wpdu(self, apdu: bytes) -> bytes:
        if not self.connected:
            raise NoAnswer("there is no connection: connect first")
        return Wpdu(self.client, self.server, apdu).octets

    def _converse(self, step: Ask | More) -> Dialogue[bytes]:
        while not self._inbox:
            chunk = yield step
            if not chunk:
                self.connected = self.settings.datagrams
                raise NoAnswer(f"wrapper port {self.server} does not answer")
            self._take(chunk)
            step = MORE
        return self._inbox.popleft()

    def _take(self, chunk: bytes) -> None:
        for catch in self._framer.feed(chunk):
            if isinstance(catch, Problem):
                self.connected = False
                raise BadValue(f"what comes is no wrapper: {catch.message}")
            found = Wpdu.of(catch[1])
            if (found.source, found.destination) == (self.server, self.client):
                self._inbox.append(found.apdu)
