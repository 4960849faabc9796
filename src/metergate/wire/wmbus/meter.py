"""The meter's end of radio in both directions: it sends by itself, and listens for a moment afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from metergate.wire.base import Telegram
from metergate.wire.mbus.records import RawRecord
from metergate.wire.wmbus.decode import Decoder
from metergate.wire.wmbus.keys import Keyring
from metergate.wire.wmbus.layers import SHORT, Tpl
from metergate.wire.wmbus.link import Address, Link, seal
from metergate.wire.wmbus.peel import Context
from metergate.wire.wmbus.receiver import Receiver
from metergate.wire.wmbus.sender import Sender
from metergate.wire.wmbus.twoway import (
    ACC_DMD,
    ACCESSIBLE,
    ACK,
    BIDIRECTIONAL,
    CNF_IR,
    FCB,
    FROM_METER,
    REQ_UD2,
    RSP_UD,
    SND_IR,
    SND_NKE,
    SND_NR,
    SND_UD,
    control,
    requests,
)

Content = Callable[[datetime], Iterable[RawRecord]]
"""What the meter measures at an instant."""


class RadioMeter:
    """A `wire.base.Responder` that answers only while its access window is open.

    `sender` says who it is and how it secures what it sends; it takes orders only if they are secured with its key,
    where it has one. `written` collects their CI and data, `station` is whose installation it confirmed.
    """

    def __init__(self, sender: Sender, content: Content, window: timedelta = timedelta(seconds=2)) -> None:
        sender.flags |= BIDIRECTIONAL | ACCESSIBLE
        self.sender, self.content, self.window = sender, content, window
        self.written: list[tuple[str, bytes]] = []
        self.station: Address | None = None
        keys = Keyring(common=sender.key)
        self._receiver = Receiver(Decoder(Context(keys, accept_clear=sender.mode == 0)).decode, sender.form)
        self._open_until: datetime | None = None
        self._last: tuple[Telegram, list[bytes]] | None = None

    def push(self, now: datetime, kind: int = SND_NR) -> list[bytes]:
        """What it sends by itself; the window opens. `kind`: SND_NR, SND_IR or (without data) ACC_DMD."""
        self._open_until = now + self.window
        if self._last is not None and control(self._last[0]) & ~FCB == REQ_UD2:
            self._last = None  # values of then; an order, though, is not done twice
        if kind == ACC_DMD:
            return [self._empty(ACC_DMD)]
        return self.sender.frames(self.content(now), control=kind)

    def install(self, now: datetime) -> list[bytes]:
        """An installation request."""
        return self.push(now, SND_IR)

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """Take in bytes; yield the answers, if the window is open and the meter is meant."""
        for request in requests(iter([*self._receiver.receive(data)])):
            if self._open_until is not None and now <= self._open_until and self._meant(request):
                yield from self._act(request, now)

    def silence(self) -> None:
        """The line went quiet: an unfinished request is dropped."""
        for _ in self._receiver.silence():
            pass

    def _meant(self, request: Telegram) -> bool:
        mine = self.sender.address
        who = request.meter
        return who is not None and (who.id, who.manufacturer) == (mine.id, mine.manufacturer)

    def _act(self, request: Telegram, now: datetime) -> Iterator[bytes]:
        asked = control(request)
        if asked == SND_NKE:
            self._open_until = self._last = None
        elif asked == CNF_IR:
            self.station = Address.of(bytes.fromhex(str(request.frame["sender"])))
        elif self._last is not None and self._last[0].data == request.data:
            yield from self._last[1]  # the same, with its access number, again: the answer was lost
        elif answer := self._answer(asked & ~FCB, request, now):
            self._last = (request, answer)
            yield from answer

    def _answer(self, asked: int, request: Telegram, now: datetime) -> list[bytes]:
        if asked == REQ_UD2:
            return self.sender.frames(self.content(now), control=RSP_UD)
        if asked != SND_UD or request.problems:
            return []
        self.written.append((str(request.frame["ci"]), bytes.fromhex(str(request.frame.get("payload", "")))))
        return [self._empty(ACK)]

    def _empty(self, kind: int) -> bytes:
        """A telegram without data."""
        sender = self.sender
        sender.access = (sender.access + 1) & 0xFF
        tpl = Tpl(FROM_METER, None, sender.access, 0, sender.flags)
        if sender.header != SHORT:
            tpl = Tpl(FROM_METER + 1, sender.address, sender.access, 0, sender.flags)
        return seal(Link(kind, sender.radio).octets + tpl.octets, sender.form)
