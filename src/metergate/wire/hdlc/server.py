"""The meter's (secondary) end of HDLC connections: a `wire.base.Responder` (IEC 62056-46; specification chapter 2.1).

One station hears one line. It keeps one connection for each client and logical device, answers only when it is given
the turn (poll bit), and hands whole APDUs to `on_apdu`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from metergate.errors import BadValue, DecodeError
from metergate.wire.base import Problem
from metergate.wire.hdlc.address import Address
from metergate.wire.hdlc.frame import POLL, REQUEST, RESPONSE, Frame, Kind, kind_of
from metergate.wire.hdlc.framer import Framer
from metergate.wire.hdlc.parameters import DEFAULT, Parameters
from metergate.wire.hdlc.window import Receiving, Sending

OnApdu = Callable[[int, int, bytes, datetime], bytes | None]
"""`on_apdu(client, logical device, apdu, now)`: the answer, or None."""
OnMore = Callable[[int, int], Iterable[bytes]]
"""`more(client, logical device)`: APDUs that follow the answer, or that nobody asked for."""
OnClose = Callable[[int, int], None]
"""`on_close(client, logical device)`: the connection is gone."""
_CONNECTIONS = 16
"""Most connections at a time; further clients are refused."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`parameters`: what the station can do. `inactivity`: seconds after which an idle connection is gone."""

    parameters: Parameters = DEFAULT
    inactivity: float = 120.0


@dataclass(slots=True)
class _Connection:
    """`limit`: most bytes of information that the client may send in one frame."""

    client: Address
    server: Address
    sending: Sending
    limit: int
    heard: datetime
    receiving: Receiving = field(default_factory=Receiving)
    ready: bool = True
    """Whether the client takes I frames."""


class Station:
    """One meter on a line. `logical` are its logical devices, `physical` its physical address (None: any).

    `busy` True makes it answer RNR: it takes nothing and tells nothing until it is False again.
    """

    def __init__(
        self,
        on_apdu: OnApdu,
        logical: Collection[int] = (1,),
        physical: int | None = None,
        settings: Settings | None = None,
        on_close: OnClose | None = None,
        more: OnMore | None = None,
    ) -> None:
        self.logical, self.physical = frozenset(logical), physical
        self.settings = settings or Settings()
        self.busy = False
        self._on_apdu, self._on_close, self._more = on_apdu, on_close, more
        self._framer = Framer()
        self._connections: dict[tuple[int, int], _Connection] = {}

    # --- the line ----------------------------------------------------------------------------------------------------
    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """Take in bytes of any chunking; yield the answers. Frames of other stations are passed over."""
        for catch in self._framer.feed(data):
            if not isinstance(catch, Problem):
                yield from self._answers(Frame.of(catch[1]), now)

    def silence(self) -> None:
        """The line went quiet: a frame that was begun is dropped."""
        for _ in self._framer.silence():
            pass

    def send(self, client: int, server: int, apdu: bytes) -> bool:
        """Queue an APDU for when the client polls next; False if there is no connection."""
        connection = self._connections.get((client, server))
        if connection is not None:
            connection.sending.put(RESPONSE + apdu)
        return connection is not None

    def connected(self, client: int, server: int) -> bool:
        """Whether there is a connection."""
        return (client, server) in self._connections

    # --- frames ------------------------------------------------------------------------------------------------------
    def _answers(self, frame: Frame, now: datetime) -> Iterator[bytes]:
        if not self._meant(frame.destination):
            return
        try:
            kind = kind_of(frame.control)
        except DecodeError:
            kind = Kind.FRMR
        answers = list(self._act(kind, frame, now))
        if not frame.destination.broadcast:
            yield from (answer.octets for answer in answers)

    def _meant(self, address: Address) -> bool:
        if address.broadcast:
            return True
        return address.logical in self.logical and (
            self.physical is None or address.physical is None or address.physical == self.physical
        )

    def _act(self, kind: Kind, frame: Frame, now: datetime) -> Iterator[Frame]:
        key = (frame.source.logical, frame.destination.logical)
        connection = self._alive(key, now)
        if kind is Kind.SNRM:
            yield from self._open(key, frame, now)
        elif kind is Kind.DISC:
            self._close(key)
            yield _answer(frame, Kind.DM if connection is None else Kind.UA)
        elif kind is Kind.UI:
            yield from self._unnumbered(frame, now)
        elif connection is None:
            if frame.final:
                yield _answer(frame, Kind.DM)
        elif kind in (Kind.I, Kind.RR, Kind.RNR):
            yield from self._numbered(connection, kind, frame, now)
        elif kind is Kind.FRMR:
            self._close(key)
            yield _answer(frame, Kind.FRMR)

    def _alive(self, key: tuple[int, int], now: datetime) -> _Connection | None:
        """The connection, unless it was idle too long."""
        connection = self._connections.get(key)
        if connection is None:
            return None
        if self._idle(connection, now):
            self._close(key)
            return None
        connection.heard = now
        return connection

    def _idle(self, connection: _Connection, now: datetime) -> bool:
        return now - connection.heard > timedelta(seconds=self.settings.inactivity)

    def _close(self, key: tuple[int, int]) -> None:
        if self._connections.pop(key, None) is not None and self._on_close is not None:
            self._on_close(*key)

    def _open(self, key: tuple[int, int], frame: Frame, now: datetime) -> Iterator[Frame]:
        self._close(key)
        try:
            agreed = self.settings.parameters.answered(Parameters.of(frame.information))
        except DecodeError:
            yield _answer(frame, Kind.DM)
            return
        for other in [other for other, connection in self._connections.items() if self._idle(connection, now)]:
            self._close(other)
        if len(self._connections) >= _CONNECTIONS:
            yield _answer(frame, Kind.DM)
            return
        sending = Sending(agreed.transmit, agreed.transmit_window)
        self._connections[key] = _Connection(frame.source, frame.destination, sending, agreed.receive, now)
        yield _answer(frame, Kind.UA, agreed.octets)

    def _unnumbered(self, frame: Frame, now: datetime) -> Iterator[Frame]:
        """An APDU in a UI frame: outside of every connection's numbering."""
        if frame.information.startswith(REQUEST):
            apdu = frame.information[len(REQUEST) :]
            answer = self._on_apdu(frame.source.logical, frame.destination.logical, apdu, now)
            if answer is not None and frame.final:
                yield _answer(frame, Kind.UI, RESPONSE + answer)

    def _numbered(self, connection: _Connection, kind: Kind, frame: Frame, now: datetime) -> Iterator[Frame]:
        acknowledged = connection.sending.acknowledge(frame.receive)
        try:
            if acknowledged is None:
                raise BadValue("an acknowledgement of what was never sent")
            if kind is Kind.I and not self.busy:
                self._take(connection, frame, now)
        except BadValue:
            self._close((frame.source.logical, frame.destination.logical))
            yield _answer(frame, Kind.FRMR)
            return
        connection.ready = kind is not Kind.RNR
        if frame.final:
            yield from self._turn(connection)

    def _take(self, connection: _Connection, frame: Frame, now: datetime) -> None:
        if len(frame.information) > connection.limit:
            raise BadValue(f"{len(frame.information)} bytes of information, {connection.limit} agreed")
        message = connection.receiving.take(frame.send, frame.information, frame.segmented)
        if message is None:
            return
        if not message.startswith(REQUEST):
            raise BadValue("no LLC header")
        answer = self._on_apdu(frame.source.logical, frame.destination.logical, message[len(REQUEST) :], now)
        if answer is not None:
            connection.sending.put(RESPONSE + answer)

    def _turn(self, connection: _Connection) -> Iterator[Frame]:
        """What is to be sent, the final bit in the last frame, which gives the turn back."""
        for apdu in self._more(connection.client.logical, connection.server.logical) if self._more else ():
            connection.sending.put(RESPONSE + apdu)
        expected = connection.receiving.expected << 5
        segments = connection.sending.batch() if connection.ready and not self.busy else []
        for number, information, more in segments:
            last = number == segments[-1][0]
            control = expected | last * POLL | number << 1
            yield Frame(connection.client, connection.server, control, information, more)
        if not segments:
            kind = Kind.RNR if self.busy else Kind.RR
            yield Frame(connection.client, connection.server, expected | POLL | kind)


def _answer(frame: Frame, kind: Kind, information: bytes = b"") -> Frame:
    return Frame(frame.source, frame.destination, kind | POLL, information)
