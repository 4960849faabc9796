"""The reader's end of CJ/T 188: questions as generators (`wire.base.Dialogue`).

`NoAnswer`, `ApplicationError` (the meter reports an error to a question), `Refused` (to an order) or another
`DecodeError` where it fails. A valve order is sent again only when the state, read back, shows that it had no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from metergate.errors import ApplicationError, BadChecksum, DecodeError, NoAnswer, Refused
from metergate.model import Reading
from metergate.model.command import Outcome
from metergate.wire.base import MORE, Ask, Dialogue, Problem
from metergate.wire.cjt188.frame import (
    ADDRESS,
    ANY_TYPE,
    ANYBODY,
    COUNTERS,
    NEW_ADDRESS,
    READ,
    READ_ADDRESS,
    SET_ADDRESS,
    VALVE,
    WRITE,
    WRITE_VARIANT,
    Frame,
    address_octets,
    hunter,
    identifier,
    matches,
)
from metergate.wire.cjt188.receiver import readings, status_of, status_word
from metergate.wire.cjt188.values import STATUS, StatusMap

OPEN, CLOSE, READ_STATE = 0x55, 0x99, 0x00


@dataclass(frozen=True, slots=True)
class Line:
    """How to speak on a line: seconds to wait, how often to ask, octets FE before a frame.

    `swapped`: the order of the identifier's octets that this meter wants: False 90 1F, True 1F 90, None: find out.
    """

    timeout: float = 2.0
    tries: int = 3
    wake: int = 4
    swapped: bool | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A read meter: its registers, its status word, and in which order it wanted the identifier."""

    readings: tuple[Reading, ...]
    status: int
    swapped: bool
    time: str | None = None


LINE = Line()
Who = tuple[int, str]
"""Type and address of a meter."""


def ask(
    who: Who, function: int, di: int, tail: bytes = b"", line: Line = LINE, ser: int = 0, tries: int | None = None
) -> Dialogue[tuple[Frame, bool]]:
    """`(reply, swapped)`: the reply of the meter with the same identifier and sequence number.

    Each try has the next sequence number and, where the order of the identifier is not known, the other order: then
    an error in reply to the first order is no answer yet.
    """
    last = (tries or line.tries) - 1
    for attempt in range(last + 1):
        swapped = line.swapped if line.swapped is not None else bool(attempt % 2)
        number = (ser + attempt) & 0xFF
        request = Frame(*who, function, identifier(di, swapped) + bytes((number,)) + tail)
        hunt = hunter()
        data = yield Ask(request.encode(line.wake), line.timeout)
        while data:
            frame = _reply(hunt.feed(data), request)
            if frame and frame.failed and line.swapped is None and attempt < min(last, 1):
                break
            if frame:
                return frame, swapped
            data = yield MORE
    raise NoAnswer(f"meter {who[1]} is silent")


def _reply(catches: Iterable[tuple[int, bytes] | Problem], request: Frame) -> Frame | None:
    """The first reply to `request` among what came in."""
    frames = [Frame.of(catch[1]) for catch in catches if not isinstance(catch, Problem)]
    return next((frame for frame in frames if answers(request, frame)), None)


def answers(request: Frame, frame: Frame) -> bool:
    """Whether `frame` is the reply to `request`."""
    functions = (request.function, WRITE_VARIANT) if request.function == WRITE else (request.function,)
    return (
        frame.from_meter
        and frame.function in functions
        and request.meter_type in (ANY_TYPE, frame.meter_type)
        and matches(request.address, frame.address)
        and frame.ser == request.ser
        and frame.di in (request.di, None)
    )


def read(who: Who, line: Line = LINE, ser: int = 0, utc_offset: int | None = None) -> Dialogue[State]:
    """Counters and status (901F)."""
    frame, swapped = yield from ask(who, READ, COUNTERS, line=line, ser=ser)
    if frame.failed:
        raise ApplicationError(f"meter {frame.address} reports error {frame.payload.hex()}")
    told = status_of(frame)
    time = told.get("time")
    found = readings(frame, told, None, utc_offset)
    return State(found, status_word(told), swapped, time if isinstance(time, str) else None)


def read_address(line: Line = LINE, meter_type: int = ANY_TYPE, ser: int = 0, pattern: str = ANYBODY) -> Dialogue[Who]:
    """Type and address of the only meter on the line that `pattern` (each octet itself or "aa") means.

    BadChecksum "more than one meter" when replies collide.
    """
    for attempt in range(line.tries):
        swapped = line.swapped if line.swapped is not None else bool(attempt % 2)
        request = Frame(
            meter_type, pattern, READ_ADDRESS, identifier(ADDRESS, swapped) + bytes(((ser + attempt) & 0xFF,))
        )
        found: set[Who] = set()
        problems: list[Problem] = []
        hunt = hunter()
        data = yield Ask(request.encode(line.wake), line.timeout)
        while data:
            problems += _hear(hunt.feed(data), request, found)
            data = yield MORE
        problems += _hear(hunt.silence(), request, found)
        if len(found) > 1 or any(problem.code != "noise" for problem in problems):
            raise BadChecksum("more than one meter answers")
        if found:
            return found.pop()
    raise NoAnswer("no meter answers")


def _hear(catches: Iterable[tuple[int, bytes] | Problem], request: Frame, found: set[Who]) -> list[Problem]:
    problems: list[Problem] = []
    for catch in catches:
        if isinstance(catch, Problem):
            problems.append(catch)
        elif answers(request, frame := Frame.of(catch[1])):
            found.add((frame.meter_type, frame.address))
    return problems


def set_address(who: Who, new: str, line: Line = LINE, ser: int = 0) -> Dialogue[None]:
    """Give a meter another address; the reply may carry the old or the new one. Refused if it says no."""
    swapped = bool(line.swapped)
    for attempt in range(line.tries):
        number = bytes(((ser + attempt) & 0xFF,))
        request = Frame(*who, SET_ADDRESS, identifier(NEW_ADDRESS, swapped) + number + address_octets(new))
        renamed = Frame(who[0], ANYBODY, SET_ADDRESS, request.data)
        hunt = hunter()
        data = yield Ask(request.encode(line.wake), line.timeout)
        while data:
            for catch in hunt.feed(data):
                if isinstance(catch, Problem) or not answers(renamed, frame := Frame.of(catch[1])):
                    continue
                if frame.failed:
                    raise Refused(f"meter {who[1]} refuses the address {new}")
                return
            data = yield MORE
    raise NoAnswer(f"meter {who[1]} is silent")


def pause(seconds: float) -> Dialogue[None]:
    """Let time pass; what arrives meanwhile is dropped."""
    data = yield Ask(b"", seconds)
    while data:
        data = yield MORE


def valve(
    who: Who,
    action: int,
    line: Line = LINE,
    status_map: StatusMap = STATUS,
    ser: int = 0,
    polls: int = 12,
    every: float = 5.0,
) -> Dialogue[Outcome]:
    """Open or close the valve and poll its state until it is there (valves need up to a minute).

    DONE: the meter shows the target. REFUSED: it said no. UNSURE: it took the order but does not show the target in
    time, or shows a fault. NO_ANSWER: neither order nor state was answered.
    """
    target = "open" if action == OPEN else "closed"
    if line.swapped is None:
        try:
            before = yield from read(who, line, ser)
        except NoAnswer:
            return Outcome.NO_ANSWER
        line = replace(line, swapped=before.swapped)
    for attempt in range(line.tries):
        heard = True
        try:
            reply, _ = yield from ask(who, WRITE, VALVE, bytes((action,)), line, ser + attempt, tries=1)
            if reply.failed:
                return Outcome.REFUSED
        except NoAnswer:
            heard = False
        reached = yield from _poll(who, lambda state: state == target, line, status_map, polls if heard else 1, every)
        if reached:
            return Outcome.DONE
        if heard or reached is None:
            return Outcome.UNSURE if heard else Outcome.NO_ANSWER
    return Outcome.NO_ANSWER


def _poll(
    who: Who, there: Callable[[str], bool], line: Line, status_map: StatusMap, polls: int, every: float
) -> Dialogue[bool | None]:
    """Whether the valve came to where it should be; None where its state was never told."""
    known: bool | None = None
    for number in range(polls):
        if number:
            yield from pause(every)
        try:
            state = yield from read(who, line, ser=0x80 + number)
        except (NoAnswer, DecodeError):
            continue
        known = there(status_map.valve_state(state.status))
        if known or status_map.valve_state(state.status) == "fault":
            return known
    return known


def valve_state(who: Who, line: Line = LINE, status_map: StatusMap = STATUS, ser: int = 0) -> Dialogue[str]:
    """open, closed, fault or unknown, from the status of 901F."""
    state = yield from read(who, line, ser)
    return status_map.valve_state(state.status)


def local_time(state: State) -> datetime | None:
    """The meter's own clock, local and without zone; None if it showed none."""
    return datetime.fromisoformat(state.time) if state.time else None
