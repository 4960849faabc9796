"""The terminal's end of Q/GDW 376.1: a concentrator that logs in, shows its measuring points and forwards to meters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from metergate.bits import Cursor
from metergate.errors import DecodeError, Refused
from metergate.wire.base import Problem, Responder
from metergate.wire.dlt645.core import RegisterSource
from metergate.wire.gdw376.decode import ALLOW_CLOSE, CLOCK, SET_CLOCK, TRIP, head_time
from metergate.wire.gdw376.formats import clock, clock_octets, form, moment
from metergate.wire.gdw376.frame import (
    ACKNOWLEDGE,
    CLASS_1,
    CLASS_2,
    CLASS_3,
    CONFIRM,
    CONTROL,
    EVENT,
    FIRST,
    FORWARD,
    LAST,
    LINK,
    SECRET,
    STARTED,
    UP,
    Frame,
    hunter,
    items,
    points,
    unit,
)
from metergate.wire.gdw376.items import ASKED, DENSITIES, ITEMS, Layout, Part, obis
from metergate.wire.signon import SignOn

WHOLE = FIRST | LAST
LOGIN, LOGOUT, HEARTBEAT = 1, 2, 3
CONFIRM_WITHIN, REPEATS = timedelta(seconds=10), 3
STATES = 6
KEPT = 256


@dataclass(slots=True)
class State:
    """What a terminal keeps through a loss of power. `events`: `(ERC, local time, contents)`, the latest last."""

    clock_error: timedelta = timedelta(0)
    tripped: int = 0
    settings: list[bytes] = field(default_factory=list)
    events: list[tuple[int, datetime, bytes]] = field(default_factory=list)
    counted: int = 0


class Terminal(SignOn):
    """One terminal; a `wire.base.Responder`. `sources`: what the meter of each measuring point shows; `meters`: those
    on its own line, for forwarding; `password`: the PW that orders have to carry (None: any).

    `open`, `due` and `close` give what it begins itself: login, heartbeats, events until they are confirmed.
    """

    LOGIN, LOGOUT, HEARTBEAT = LOGIN, LOGOUT, HEARTBEAT

    def __init__(
        self,
        address: str,
        sources: Mapping[int, RegisterSource],
        meters: Sequence[Responder] = (),
        utc_offset: timedelta = timedelta(hours=8),
        tariffs: int = 4,
        heartbeat: int = 300,
        password: bytes | None = None,
        most: int = 1024,
        state: State | None = None,
    ) -> None:
        super().__init__(heartbeat)
        self.address, self.sources, self.meters = address, sources, meters
        self.tariffs, self.password, self.most = tariffs, password, most
        self.zone = timezone(utc_offset)
        self.state = state or State()
        self._hunter = hunter()
        self._number = 0
        self._waiting: tuple[Frame, datetime, int] | None = None
        self._done: tuple[bytes, list[bytes]] | None = None

    def local(self, now: datetime) -> datetime:
        """What the terminal's own clock shows, without zone."""
        return (now + self.state.clock_error).astimezone(self.zone).replace(tzinfo=None)

    def instant(self, local: datetime) -> datetime:
        """The true instant at which the terminal's clock shows `local`."""
        return local.replace(tzinfo=self.zone) - self.state.clock_error

    # --- what it begins itself ---------------------------------------------------------------------------------------
    def due(self, now: datetime) -> Iterator[bytes]:
        """What it is time for: login or heartbeat; an event report that was not confirmed within 10 s, again."""
        yield from super().due(now)
        if self._waiting and now - self._waiting[1] >= CONFIRM_WITHIN:
            frame, _, left = self._waiting
            self._waiting = (frame, now, left - 1) if left > 1 else None
            yield frame.encode()

    def report(self, code: int, now: datetime, content: bytes = b"") -> bytes:
        """Keep an event and tell the station, which has to confirm it."""
        shown = self.local(now)
        self.state.events = [*self.state.events[1 - KEPT :], (code, shown, content)]
        self.state.counted += 1
        body = self._events_body(self.state.counted - 1 & 0xFF, self.state.counted & 0xFF)
        frame = self._own(CLASS_3, body, CONFIRM)
        self._waiting = frame, now, REPEATS
        return frame.encode()

    def _link(self, kind: int, now: datetime) -> bytes:
        return self._own(LINK, unit(0, kind), CONFIRM).encode()

    def _own(self, afn: int, body: bytes, more: int) -> Frame:
        self._number = self._number + 1 & 0x0F
        return Frame(self.address, afn, WHOLE | more | self._number, body, UP | STARTED | 9)

    # --- what it answers ---------------------------------------------------------------------------------------------
    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """See `wire.base.Responder`. An order with the number and octets of the one before is only answered again."""
        for catch in self._hunter.feed(data):
            if not isinstance(catch, Problem):
                yield from self._frame(catch[1], now)

    def silence(self) -> None:
        """See `wire.base.Responder`."""
        for _ in self._hunter.silence():
            pass

    def _frame(self, octets: bytes, now: datetime) -> Iterator[bytes]:
        try:
            frame = Frame.of(octets)
        except DecodeError:
            return
        everybody = frame.address.endswith("ffff")
        if frame.from_terminal or not (everybody or frame.address == self.address):
            return
        if frame.afn == ACKNOWLEDGE:
            self._confirmed(frame)
            return
        if frame.afn not in SECRET or self._done is None or self._done[0] != octets:
            self._done = octets, [each.encode() for each in self._answer(frame, now)]
        if not everybody:
            yield from self._done[1]

    def _confirmed(self, frame: Frame) -> None:
        if self._waiting and frame.number == self._waiting[0].number:
            self._waiting = None
        elif frame.number == self._number:
            self.online, self.unanswered = True, 0

    def _answer(self, frame: Frame, now: datetime) -> list[Frame]:
        perform = PERFORM.get(frame.afn)
        try:
            if perform is None:
                raise Refused("unknown function")
            if frame.password and self.password is not None and frame.password != self.password:
                raise Refused("wrong password")
            bodies = perform(self, frame, now)
        except (Refused, DecodeError, ValueError):
            return [self._reply(frame, ACKNOWLEDGE, unit(0, 2), 0)]
        if bodies is None:
            return [self._reply(frame, ACKNOWLEDGE, unit(0, 1), 0)]
        return self._split(frame, bodies)

    def _reply(self, frame: Frame, afn: int, body: bytes, function: int) -> Frame:
        control = UP | function | (EVENT if self.state.counted else 0)
        counters = bytes((self.state.counted & 0xFF, 0)) if self.state.counted else b""
        return Frame(self.address, afn, WHOLE | frame.number, body, control, frame.station, b"", counters)

    def _split(self, frame: Frame, bodies: list[bytes]) -> list[Frame]:
        """One frame, or several if the data units do not fit one."""
        pages: list[bytes] = []
        for body in bodies:
            if pages and len(pages[-1]) + len(body) <= self.most:
                pages[-1] += body
            else:
                pages.append(body)
        whole = self._reply(frame, frame.afn, b"", 8)
        found = []
        for number, page in enumerate(pages):
            mark = (FIRST if number == 0 else 0) | (LAST if number + 1 == len(pages) else 0)
            found.append(replace(whole, body=page, seq=mark | frame.number + number & 0x0F))
        return found

    # --- functions ---------------------------------------------------------------------------------------------------
    def _present(self, frame: Frame, now: datetime) -> list[bytes]:
        return [self._item(CLASS_1, point, item, b"", now) for point, item, _ in asked(frame, {})]

    def _frozen(self, frame: Frame, now: datetime) -> list[bytes]:
        sizes = {item: ASKED[layout.asked] for (afn, item), layout in ITEMS.items() if afn == CLASS_2}
        return [self._item(CLASS_2, point, item, when, now) for point, item, when in asked(frame, sizes)]

    def _item(self, afn: int, point: int, item: int, when: bytes, now: datetime) -> bytes:
        if (afn, item) == (CLASS_1, CLOCK):
            return unit(0, item, clock_octets(self.local(now)))
        if (afn, item) == (CLASS_1, STATES):
            return unit(0, item, bytes((self.state.tripped, 0)))
        layout, source = ITEMS.get((afn, item)), self.sources.get(point)
        if layout is None or source is None:
            raise Refused("no such data")
        return unit(point, item, when + self._values(layout, source, when, now))

    def _values(self, layout: Layout, source: RegisterSource, when: bytes, now: datetime) -> bytes:
        if layout.asked == "curve":
            local, seconds = moment(when[4::-1].hex()), DENSITIES.get(when[5])
            if local is None or seconds is None:
                raise Refused("no such curve")
            begin, step = self.instant(local), timedelta(seconds=seconds)
            times = (begin + number * step for number in range(when[6]))
            return b"".join(self._field(layout.parts[0], 0, source, at if at <= now else None) for at in times)
        local = head_time(layout, when)
        at = now if local is None else self.instant(local)
        head = form(15).encode(self.local(now)) if layout.head else b""
        found = [head, bytes((self.tariffs,)) if layout.tariffs else b""]
        for part in layout.parts:
            count = self.tariffs + 1 if part.per == "tariff" else part.count
            found += [self._field(part, place, source, at if at <= now else None) for place in range(count)]
        return b"".join(found)

    def _field(self, part: Part, place: int, source: RegisterSource, at: datetime | None) -> bytes:
        code, layout = obis(part, place), form(part.form)
        answer = source(code, at) if code and at else None
        amount = answer[0] if isinstance(answer, tuple) else answer
        if amount is None:
            return b"\xee" * layout.size
        if not layout.signed:
            amount %= Decimal(10) ** (2 * layout.size - layout.decimals)
        return layout.encode(amount)

    def _logged(self, frame: Frame, now: datetime) -> list[bytes]:
        begin, end = frame.body[4:6] if len(frame.body) >= 6 else (0, 0)
        return [self._events_body(begin, end)]

    def _events_body(self, begin: int, end: int) -> bytes:
        counted = self.state.counted
        head = unit(0, 1) + bytes((counted & 0xFF, 0, begin, end))
        first = counted - len(self.state.events)
        wanted = [
            event
            for number, event in enumerate(self.state.events, first)
            if (number - begin & 0xFF) < (end - begin & 0xFF)
        ]
        found = [form(15).encode(at) + content for _, at, content in wanted]
        codes = [code for code, _, _ in wanted]
        return head + b"".join(bytes((code, len(one))) + one for code, one in zip(codes, found, strict=True))

    def _control(self, frame: Frame, now: datetime) -> None:
        cursor = Cursor(frame.body)
        where, what = points(cursor.take(2)), items(cursor.take(2))
        for item in what:
            if item == SET_CLOCK:
                told = clock(cursor.take(6))
                if told is None:
                    raise Refused("no time")
                self.state.clock_error += told - self.local(now).replace(microsecond=0)
            elif item in (TRIP, ALLOW_CLOSE):
                rounds = sum(1 << number - 1 for number in where if 0 < number <= 8)
                self.state.tripped = self.state.tripped | rounds if item == TRIP else self.state.tripped & ~rounds
                cursor.take(item == TRIP)
            else:
                raise Refused("unknown order")

    def _set(self, frame: Frame, now: datetime) -> None:
        self.state.settings = [*self.state.settings[1 - KEPT :], frame.body]

    def _forward(self, frame: Frame, now: datetime) -> list[bytes]:
        cursor = Cursor(frame.body)
        cursor.take(4)
        port = cursor.byte()
        cursor.take(3)
        question = cursor.take(cursor.uint(2))
        answers = [answer for meter in self.meters for answer in meter.receive(question, now)]
        found = b"".join(answers)
        return [unit(0, 1, bytes((port,)) + len(found).to_bytes(2, "little") + found)]


def asked(frame: Frame, sizes: Mapping[int, int]) -> Iterator[tuple[int, int, bytes]]:
    """`(point, item, what follows)` of every data unit of a question; `sizes`: octets that follow an item."""
    cursor = Cursor(frame.body)
    while cursor.left:
        where, what = points(cursor.take(2)), items(cursor.take(2))
        for point in where:
            for item in what:
                yield point, item, cursor.take(sizes.get(item, 0))


PERFORM: dict[int, Callable[[Terminal, Frame, datetime], list[bytes] | None]] = {
    0x01: Terminal._set,
    0x04: Terminal._set,
    CONTROL: Terminal._control,
    CLASS_1: Terminal._present,
    CLASS_2: Terminal._frozen,
    CLASS_3: Terminal._logged,
    FORWARD: Terminal._forward,
}
