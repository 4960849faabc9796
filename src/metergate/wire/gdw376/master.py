"""The station's end of Q/GDW 376.1: questions to a terminal as generators (`wire.base.Dialogue`), and who is there.

A question is repeated with its own number, so that the terminal answers it again without carrying it out again. What
the terminal begins by itself - login, heartbeat, events - is confirmed in passing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from metergate.errors import ApplicationError, DecodeError, NoAnswer, Refused
from metergate.model import Reading
from metergate.model.command import Outcome
from metergate.wire.base import MORE, Ask, Dialogue, Problem
from metergate.wire.gdw376.decode import ALLOW_CLOSE, CLOCK, SET_CLOCK, TRIP, Event, events, units
from metergate.wire.gdw376.formats import clock_octets
from metergate.wire.gdw376.frame import (
    ACKNOWLEDGE,
    CLASS_1,
    CLASS_2,
    CLASS_3,
    CONFIRM,
    CONTROL,
    FIRST,
    FORWARD,
    LAST,
    LINK,
    SECRET,
    STARTED,
    Frame,
    Joiner,
    hunter,
    items,
    unit,
)
from metergate.wire.gdw376.items import DENSITIES
from metergate.wire.signon import Heard

T = TypeVar("T")
WHOLE = FIRST | LAST
LINK_CONFIRM = 0x0B
"""Function of the frame that confirms login and heartbeat, as captured; other confirmations have 0."""
STATES = 6
"""Item of class 1 whose first octet shows the rounds that are tripped (to be checked per terminal)."""


@dataclass(frozen=True, slots=True)
class Line:
    """How to speak: seconds to wait, how often to ask, PW as sent (b"" none), functions of reading and of ordering."""

    timeout: float = 10.0
    tries: int = 3
    password: bytes = field(default=b"\0" * 16, repr=False)
    reads: int = 0x0B
    orders: int = 0x0A
    station: int = 2
    utc_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """Where a terminal forwards to: port, its line settings (octet), seconds to wait, tens of ms between octets."""

    number: int = 0x1F
    control: int = 0x6B
    wait_s: int = 5
    gap: int = 50


LINE, PORT = Line(), Port()


def confirm(frame: Frame) -> Frame:
    """The confirmation of all of `frame`, from the other side."""
    function = LINK_CONFIRM if frame.afn == LINK and frame.from_terminal else 0
    control = function if frame.from_terminal else 0x80 | function
    return Frame(frame.address, ACKNOWLEDGE, WHOLE | frame.number, unit(0, 1), control, frame.station)


def unasked(frame: Frame) -> bool:
    """Whether the terminal began this by itself."""
    return frame.from_terminal and bool(frame.control & STARTED)


@dataclass
class Master:
    """One terminal as its station sees it. `reports`: what it told unasked while it was being asked."""

    address: str
    line: Line = LINE
    reports: list[Frame] = field(default_factory=list)
    _number: int = 0

    # --- question and answer -----------------------------------------------------------------------------------------
    def ask(self, afn: int, body: bytes, order: bool = False) -> Dialogue[Frame]:
        """The whole answer to a question. NoAnswer; Refused where the terminal denies."""
        self._number = self._number + 1 & 0x0F
        function = self.line.orders if order else self.line.reads
        password = self.line.password if afn in SECRET else b""
        seq = WHOLE | self._number | (CONFIRM if order else 0)
        request = Frame(self.address, afn, seq, body, STARTED | function, self.line.station, password)
        for _ in range(self.line.tries):
            reply = yield from self._exchange(request)
            if reply is not None:
                if reply.afn == ACKNOWLEDGE and 1 not in items(reply.body[2:4]):
                    raise Refused(f"terminal {self.address} denies function {afn:02x}")
                return reply
        raise NoAnswer(f"terminal {self.address} is silent")

    def _exchange(self, request: Frame) -> Dialogue[Frame | None]:
        hunt, joiner = hunter(), Joiner()
        data = yield Ask(request.encode(), self.line.timeout)
        while data:
            back, found = b"", None
            for catch in hunt.feed(data):
                if isinstance(catch, Problem):
                    continue
                reply, answer = self._take(catch[1], request, joiner)
                back, found = back + answer, found or reply
            if found is not None:
                if back:
                    yield Ask(back, 0)
                return found
            data = (yield Ask(back, self.line.timeout)) if back else (yield MORE)
        return None

    def _take(self, octets: bytes, request: Frame, joiner: Joiner) -> tuple[Frame | None, bytes]:
        try:
            frame = Frame.of(octets)
            if frame.address != self.address or not frame.from_terminal:
                return None, b""
            back = confirm(frame).encode() if frame.seq & CONFIRM else b""
            if unasked(frame):
                self.reports.append(frame)
                return None, back
            if frame.afn not in (request.afn, ACKNOWLEDGE):
                return None, b""
            if frame.seq & FIRST and frame.number != request.number:
                return None, b""
            return joiner.add(frame), back
        except DecodeError:
            return None, b""

    # --- reading -----------------------------------------------------------------------------------------------------
    def values(self, afn: int, wanted: Iterable[bytes]) -> Dialogue[tuple[Reading, ...]]:
        """The readings of class 1 or 2 data, asked for by these data units. DecodeError."""
        reply = yield from self.ask(afn, b"".join(wanted))
        return tuple(reading for one in units(reply, self.line.utc_offset) for reading in one.readings)

    def present(self, point: int, numbers: Sequence[int] = (25, 129, 131)) -> Dialogue[tuple[Reading, ...]]:
        """Present data of a measuring point: powers, voltages, currents (F25), energies (F129, F131)."""
        return (yield from self.values(CLASS_1, [unit(point, number) for number in numbers]))

    def frozen(self, point: int, day: datetime, numbers: Sequence[int] = (161, 163)) -> Dialogue[tuple[Reading, ...]]:
        """What stood in the registers at the end of a day (F161...) or, F177..., of its month."""
        asked = [
            unit(point, item, bytes.fromhex(f"{day:%m%y}" if item >= 177 else f"{day:%d%m%y}")) for item in numbers
        ]
        return (yield from self.values(CLASS_2, asked))

    def curve(
        self, point: int, item: int, begin: datetime, count: int, density: int = 1
    ) -> Dialogue[tuple[Reading, ...]]:
        """`count` points of a curve (F81...) from `begin` on; `density` 1 15 min, 2 30 min, 3 an hour."""
        asked = bytes.fromhex(f"{begin:%M%H%d%m%y}") + bytes((density, count))
        return (yield from self.values(CLASS_2, [unit(point, item, asked)]))

    def clock(self) -> Dialogue[datetime]:
        """The terminal's clock, naive. DecodeError if it shows none."""
        reply = yield from self.ask(CLASS_1, unit(0, CLOCK))
        told = {name: value for one in units(reply) for name, value in one.told}
        if not isinstance(told.get("time"), str):
            raise DecodeError(f"terminal {self.address} shows no date and time")
        return datetime.fromisoformat(str(told["time"]))

    def events(self, begin: int, end: int, important: bool = True) -> Dialogue[list[Event]]:
        """The events from counter `begin` to before `end`, by the terminal's event counters."""
        body = unit(0, 1 if important else 2) + bytes((begin & 0xFF, end & 0xFF))
        reply = yield from self.ask(CLASS_3, body)
        return events(reply.body)[1]

    def event_counters(self) -> Dialogue[tuple[int, int]]:
        """How many important and normal events the terminal counted, modulo 256."""
        reply = yield from self.ask(CLASS_3, unit(0, 1) + b"\0\0")
        return events(reply.body)[0]

    # --- orders ------------------------------------------------------------------------------------------------------
    def set_clock(self, local: datetime) -> Dialogue[None]:
        """Set the terminal's clock. Refused."""
        yield from self.ask(CONTROL, unit(0, SET_CLOCK, clock_octets(local)), order=True)

    def write(self, afn: int, content: bytes) -> Dialogue[None]:
        """Send data units as they are (parameters, tasks, resets) and have them confirmed. Refused."""
        yield from self.ask(afn, content, order=True)

    def round_is_tripped(self, number: int, item: int = STATES) -> Dialogue[bool]:
        """Whether a round of the terminal's own relays is tripped."""
        reply = yield from self.ask(CLASS_1, unit(0, item))
        if len(reply.body) < 5:
            raise DecodeError("no state of the rounds")
        return bool(reply.body[4] >> number - 1 & 1)

    def switch(self, number: int, trip: bool) -> Dialogue[Outcome]:
        """Trip a round, or allow it to close; DONE only when the terminal, read back, shows it."""
        body = unit(number, TRIP, b"\0") if trip else unit(number, ALLOW_CLOSE)
        heard = True
        try:
            yield from self.ask(CONTROL, body, order=True)
        except Refused:
            return Outcome.REFUSED
        except NoAnswer:
            heard = False
        try:
            state = yield from self.round_is_tripped(number)
        except (NoAnswer, DecodeError, Refused):
            return Outcome.UNSURE if heard else Outcome.NO_ANSWER
        return Outcome.DONE if state is trip else Outcome.UNSURE if heard else Outcome.NO_ANSWER

    # --- forwarding --------------------------------------------------------------------------------------------------
    def forward(self, octets: bytes, port: Port = PORT) -> Dialogue[bytes]:
        """What a meter behind the terminal answers to `octets`. ApplicationError if it answers nothing."""
        head = bytes((port.number, port.control, port.wait_s, port.gap)) + len(octets).to_bytes(2, "little")
        reply = yield from self.ask(FORWARD, unit(0, 1, head + octets))
        told: dict[str, Any] = {name: value for one in units(reply) for name, value in one.told}
        found = bytes.fromhex(str(told.get("forwarded", "")))
        if not found:
            raise ApplicationError(f"terminal {self.address} got no answer from the meter")
        return found

    def through(self, inner: Dialogue[T], port: Port = PORT) -> Dialogue[T]:
        """Hold a dialogue with a meter behind the terminal, each of its questions forwarded."""
        try:
            step = next(inner)
            while True:
                data = b""
                if isinstance(step, Ask):
                    try:
                        data = yield from self.forward(step.data.lstrip(b"\xfe"), port)
                    except (ApplicationError, Refused):
                        data = b""
                step = inner.send(data)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def density_of(step: timedelta) -> int | None:
    """The density of curves with this step."""
    found = [density for density, seconds in DENSITIES.items() if seconds == step.total_seconds()]
    return found[0] if found else None


@dataclass
class Presence(Heard):
    """See `Heard`; the heartbeat is the one that was set."""

    heartbeat: int = 300

    def hear(self, frame: Frame, now: datetime) -> Frame | None:
        """Take note of a frame; its confirmation if it is one that the terminal began and wants confirmed."""
        if not frame.from_terminal:
            return None
        self.heard = now
        if frame.afn == LINK:
            self.terminal = None if 2 in items(frame.body[2:4]) else frame.address
        return confirm(frame) if unasked(frame) and frame.seq & CONFIRM else None
