"""The reader's end: questions to a meter as generators (`wire.base.Dialogue`).

Each ends with its result or with an exception: `NoAnswer`; `ApplicationError` where the meter has no such data;
`Refused` where it says no to an order; `DecodeError` where its answer cannot be read. What writes is never sent a
second time blindly: an order is followed by reading back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from metergate.errors import ApplicationError, BadChecksum, DecodeError, NoAnswer, Refused
from metergate.model import Reading
from metergate.model.command import Outcome
from metergate.wire.base import MORE, Ask, Dialogue, Problem
from metergate.wire.dlt645.decode import E1997, E2007, Assembler, Edition, readings
from metergate.wire.dlt645.frame import ANYBODY, BROADCAST, FAILED, Frame, error_text, hunter, matches
from metergate.wire.dlt645.values import Format

DATE, TIME, STATUS_WORD_3 = 0x04000101, 0x04000102, 0x04000503
RELAY_OPEN = 0x0010
"""Bit of status word 3 that says the relay is open."""
TRIP, ALLOW_CLOSE, CLOSE, ALARM, ALARM_OFF, KEEP_POWER, KEEP_OFF = 0x1A, 0x1B, 0x1C, 0x2A, 0x2B, 0x3A, 0x3B


@dataclass(frozen=True, slots=True)
class Line:
    """How to speak on a line: seconds to wait for an answer, how often to ask, octets FE before a frame."""

    timeout: float = 1.5
    tries: int = 3
    wake: int = 4


@dataclass(frozen=True, slots=True)
class Authority:
    """Who gives an order: level and password (`PA P0 P1 P2`) and operator code, as sent."""

    password: bytes = field(default=b"\x02\0\0\0", repr=False)
    operator: bytes = b"\0\0\0\0"

    @property
    def octets(self) -> bytes:
        """The eight octets of a frame."""
        return self.password + self.operator


LINE = Line()
AUTHORITY = Authority()
Accept = Callable[[Frame], bool]


def ask(request: Frame, line: Line = LINE, accept: Accept | None = None) -> Dialogue[Frame]:
    """Send, and wait for the reply to `request`: its address, its control code + 80H, and what `accept` says.

    Own echo, other meters' and late replies are dropped. Asks `line.tries` times, then NoAnswer.
    """
    for _ in range(line.tries):
        hunt = hunter()
        data = yield Ask(request.encode(line.wake), line.timeout)
        while data:
            for catch in hunt.feed(data):
                if not isinstance(catch, Problem) and _answers(request, frame := Frame.of(catch[1]), accept):
                    return frame
            data = yield MORE
    raise NoAnswer(f"meter {request.address} is silent after {line.tries} tries")


def _answers(request: Frame, frame: Frame, accept: Accept | None) -> bool:
    if not frame.from_meter or frame.function != request.function or not matches(request.address, frame.address):
        return False
    return bool(frame.control & FAILED) or accept is None or accept(frame)


def _carries(di: int, size: int, seq: int | None = None) -> Accept:
    """Accepts replies with this identifier (and sequence number)."""
    begin = di.to_bytes(size, "little")
    return lambda frame: frame.data.startswith(begin) and (seq is None or frame.data[-1:] == bytes((seq,)))


def _unlike(before: bytes, di: int) -> Accept:
    """Accepts replies with this identifier of 1997 that differ from the one before."""
    return lambda frame: frame.data[:2] == di.to_bytes(2, "little") and frame.data != before


def payload(
    address: str, di: int, line: Line = LINE, kind: Edition = E2007, request: bytes = b""
) -> Dialogue[tuple[str, bytes]]:
    """`(address, octets)` of item or block `di`, follow-up frames joined; `request`: block number and time, if any."""
    begin = di.to_bytes(kind.di_size, "little")
    frame = yield from ask(Frame(address, kind.read, begin + request), line, _carries(di, kind.di_size))
    joined, seq = Assembler(in_order=True), 1
    while True:
        if frame.error is not None or frame.control & FAILED:
            raise ApplicationError(
                f"meter {frame.address} on {di:0{2 * kind.di_size}x}: {error_text(frame.error or 0)}"
            )
        done = joined.add(frame)
        if done:
            return frame.address, done[1]
        if kind is E2007:
            request, expected, once = begin + bytes((seq,)), _carries(di, 4, seq), line
        else:  # no number tells one part from the next: no second try, and what is alike came twice
            request, expected, once = begin, _unlike(frame.data, di), replace(line, tries=1)
        frame = yield from ask(Frame(frame.address, kind.follow, request), once, expected)
        seq = seq % 255 + 1


def read(
    address: str, di: int, line: Line = LINE, kind: Edition = E2007, utc_offset: int | None = None
) -> Dialogue[tuple[Reading, ...]]:
    """Item or block `di` as readings; `utc_offset` (minutes) of the meter's clock, for times of demand maxima."""
    meter, octets = yield from payload(address, di, line, kind)
    return readings(kind, meter, di, octets, None, utc_offset)


def read_all(
    address: str, identifiers: Iterable[int], line: Line = LINE, kind: Edition = E2007, utc_offset: int | None = None
) -> Dialogue[tuple[Reading, ...]]:
    """Several items; those that the meter does not have are left out."""
    found: list[Reading] = []
    for di in identifiers:
        try:
            found += yield from read(address, di, line, kind, utc_offset)
        except ApplicationError:
            continue
    return tuple(found)


def read_1997(address: str, di: int, line: Line = LINE) -> Dialogue[tuple[Reading, ...]]:
    """An item or block of a meter of 1997."""
    return (yield from read(address, di, line, E1997))


def read_address(line: Line = LINE, pattern: str = ANYBODY) -> Dialogue[str]:
    """The address of the only meter on the line that `pattern` allows.

    Listens until the time is up. BadChecksum "more than one meter ..." when replies collide or differ.
    """
    for _ in range(line.tries):
        found, torn = yield from _callers(Frame(pattern, 0x13), line)
        if len(found) > 1 or torn:
            raise BadChecksum(f"more than one meter answers to {pattern}")
        if found:
            return found.pop()
    raise NoAnswer(f"no meter answers to {pattern}")


def _callers(request: Frame, line: Line) -> Dialogue[tuple[set[str], bool]]:
    """Every address that replies, and whether something came that no single meter sends."""
    hunt, sent = hunter(), request.encode(line.wake)
    found: set[str] = set()
    problems: list[Problem] = []
    data = yield Ask(sent, line.timeout)
    while data:
        problems += _hear(hunt.feed(data), request, found)
        data = yield MORE
    problems += _hear(hunt.silence(), request, found)
    return found, any(problem.code != "noise" for problem in problems)


def _hear(catches: Iterable[tuple[int, bytes] | Problem], request: Frame, found: set[str]) -> list[Problem]:
    problems: list[Problem] = []
    for catch in catches:
        if isinstance(catch, Problem):
            problems.append(catch)
        elif _answers(request, frame := Frame.of(catch[1]), lambda frame: len(frame.data) == 6):
            found.add(frame.data[::-1].hex())
    return problems


def read_clock(address: str, line: Line = LINE) -> Dialogue[datetime]:
    """The meter's own clock, local and without zone. DecodeError if it shows no date."""
    for _ in range(2):
        before = yield from read(address, DATE, line)
        time = yield from read(address, TIME, line)
        after = yield from read(address, DATE, line)
        if before[1].value == after[1].value:  # else midnight passed between the questions
            break
    try:
        return datetime.fromisoformat("T".join(str(reading.value) for reading in (after[1], time[0])))
    except ValueError:
        raise DecodeError(f"meter {address} shows no date and time") from None


def broadcast_time(local: datetime, line: Line = LINE, address: str = BROADCAST) -> Dialogue[None]:
    """Tell all meters the time (their local one); nobody answers."""
    yield Ask(Frame(address, 0x08, Format.parse("YYMMDDhhmmss").encode(local)).encode(line.wake), 0)


def order(address: str, function: int, data: bytes, line: Line = LINE) -> Dialogue[Frame]:
    """An order, sent once. Refused if the meter says no; NoAnswer if it is silent: then read back before a repeat."""
    reply = yield from ask(Frame(address, function, data), Line(line.timeout, 1, line.wake))
    if reply.control & FAILED:
        raise Refused(f"meter {reply.address} refuses {function:02x}: {error_text(reply.error or 0)}")
    return reply


def write(address: str, di: int, value: bytes, who: Authority = AUTHORITY, line: Line = LINE) -> Dialogue[None]:
    """Write the octets of item `di`. Writing the same octets twice does no harm, so silence leads to another try."""
    data = di.to_bytes(4, "little") + who.octets + value
    reply = yield from ask(Frame(address, 0x14, data), line)
    if reply.control & FAILED:
        raise Refused(f"meter {reply.address} refuses to write {di:08x}: {error_text(reply.error or 0)}")


def set_clock(address: str, local: datetime, who: Authority = AUTHORITY, line: Line = LINE) -> Dialogue[None]:
    """Set date, weekday (0 is Sunday) and time of one meter; `local` is the time when the order is sent."""
    weekday = bytes((local.isoweekday() % 7,))
    yield from write(address, DATE, weekday + Format.parse("YYMMDD").encode(local), who, line)
    data = TIME.to_bytes(4, "little") + who.octets + Format.parse("hhmmss").encode(local)
    yield from order(address, 0x14, data, line)  # sent late, it would set the clock wrong: no second try


def set_address(new: str, address: str = ANYBODY, line: Line = LINE) -> Dialogue[None]:
    """Give the meter a new address. The reply already carries it."""
    request = Frame(address, 0x15, Frame(new, 0).encode()[1:7])
    for _ in range(line.tries):
        hunt = hunter()
        data = yield Ask(request.encode(line.wake), line.timeout)
        while data:
            for catch in hunt.feed(data):
                frame = None if isinstance(catch, Problem) else Frame.of(catch[1])
                if frame and frame.function == 0x15 and frame.from_meter:
                    if frame.control & FAILED:
                        raise Refused(f"meter refuses the address {new}: {error_text(frame.error or 0)}")
                    return
            data = yield MORE
    raise NoAnswer(f"no meter takes the address {new}")


def freeze(address: str, when: str = "99999999", line: Line = LINE) -> Dialogue[None]:
    """Freeze at `MMDDhhmm`, 99 = any: "99999999" at once, "9999hhmm" daily. To BROADCAST nobody answers."""
    request = Frame(address, 0x16, bytes.fromhex(when)[::-1])
    if address == BROADCAST:
        yield Ask(request.encode(line.wake), 0)
        return
    yield from order(address, 0x16, request.data, line)


def relay_is_open(address: str, line: Line = LINE, mask: int = RELAY_OPEN) -> Dialogue[bool]:
    """Whether the relay is open (supply off), from status word 3."""
    word = yield from read(address, STATUS_WORD_3, line)
    return bool(int(str(word[0].value), 16) & mask)


def relay(
    address: str, action: int, until: datetime, who: Authority = AUTHORITY, line: Line = LINE, mask: int = RELAY_OPEN
) -> Dialogue[Outcome]:
    """Trip, close, alarm ...: `action` is N1, `until` (meter's local time) the end of the order's validity.

    A trip or closing is read back: DONE only when the meter shows it; UNSURE when it cannot be told. After silence the
    state is read first and the order sent again only if the meter did not carry it out.
    """
    data = who.octets + bytes((action, 0)) + Format.parse("YYMMDDhhmmss").encode(until)
    heard = False
    for _ in range(line.tries):
        try:
            yield from order(address, 0x1C, data, line)
            heard = True
        except Refused:
            return Outcome.REFUSED
        except NoAnswer:
            pass
        if action not in (TRIP, CLOSE):
            return Outcome.DONE if heard else Outcome.UNSURE
        try:
            opened = yield from relay_is_open(address, line, mask)
        except (NoAnswer, DecodeError):
            return Outcome.UNSURE if heard else Outcome.NO_ANSWER
        if opened is (action == TRIP):
            return Outcome.DONE
        if heard:
            return Outcome.UNSURE
    return Outcome.NO_ANSWER


def change_password(address: str, di: int, old: bytes, new: bytes, line: Line = LINE) -> Dialogue[None]:
    """Replace the password of a level (`di` 04000C01 ...); `old` and `new` with their level octet in front."""
    yield from order(address, 0x18, di.to_bytes(4, "little") + old + new, line)


def clear(address: str, function: int, who: Authority, di: int | None = None, line: Line = LINE) -> Dialogue[None]:
    """Clear maximum demand (19), the meter (1A) or events (1B, with `di`, FFFFFFFF for all)."""
    tail = b"" if di is None else di.to_bytes(4, "little")
    yield from order(address, function, who.octets + tail, line)


def set_baud(address: str, word: int, line: Line = LINE) -> Dialogue[None]:
    """Change the baud rate; `word` has one bit of `decode.BAUD_RATES`. The meter switches after its reply."""
    yield from order(address, 0x17, bytes((word,)), line)
