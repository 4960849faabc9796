"""From frames to readings: data units taken apart, forwarded DL/T 645 frames decoded as if they came directly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from metergate.bits import Cursor
from metergate.errors import BadValue, DecodeError
from metergate.model import Quality, Reading, Register, TimeQuality
from metergate.wire import dlt645
from metergate.wire.base import Telegram, received
from metergate.wire.dlt645.values import NULL, Format
from metergate.wire.gdw376.formats import clock, form, moment
from metergate.wire.gdw376.frame import (
    ACKNOWLEDGE,
    CLASS_1,
    CLASS_2,
    CLASS_3,
    CONTROL,
    FORWARD,
    LINK,
    Frame,
    items,
    points,
)
from metergate.wire.gdw376.items import ASKED, DENSITIES, ITEMS, Layout, Part, obis

LINKS = {1: "login", 2: "logout", 3: "heartbeat"}
CONFIRMS = {1: "confirm all", 2: "deny all", 3: "confirm and deny"}
CLOCK = 2
TRIP, ALLOW_CLOSE, SET_CLOCK = 1, 2, 31
"""Items of control (AFN 05)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One item of one measuring point: its readings, what it told besides, and the octets it is made of."""

    point: int
    item: int
    begin: int
    end: int
    readings: tuple[Reading, ...] = ()
    told: tuple[tuple[str, object], ...] = ()


def units(frame: Frame, utc_offset: int | None = None, at: datetime | None = None) -> Iterator[Unit]:
    """Every data unit of a whole message (see `frame.Joiner`). DecodeError where one cannot be read.

    Requests, and functions whose contents are not decoded, are one unit each with the rest as its content.
    """
    cursor = Cursor(frame.body, base=14)
    while cursor.left:
        begin = cursor.at
        where, what = points(cursor.take(2)), items(cursor.take(2))
        for point in where or (0,):
            for item in what or (0,):
                yield _content(frame, cursor, begin, point, item, utc_offset, at)
                begin = cursor.at


def _content(
    frame: Frame, cursor: Cursor, begin: int, point: int, item: int, utc_offset: int | None, at: datetime | None
) -> Unit:
    upward, afn = frame.from_terminal, frame.afn
    known = ITEMS.get((afn, item))
    told: tuple[tuple[str, object], ...] = ()
    readings: tuple[Reading, ...] = ()
    if afn == FORWARD and item == 1:
        told, readings = _forwarded(cursor, upward, at)
    elif afn in (CLASS_1, CLASS_2) and known and upward:
        readings = tuple(values(f"{frame.address}.{point}", item, known, cursor, utc_offset, at))
    elif afn in (CLASS_1, CLASS_2) and known:
        told = (("asked", cursor.take(ASKED[known.asked]).hex()),) if known.asked else ()
    elif afn in (CLASS_1, CLASS_2) and not upward:
        told = (("asked", cursor.rest().hex()),) if cursor.left and cursor.left % 4 else ()
    elif (upward and (afn, item) == (CLASS_1, CLOCK)) or (not upward and (afn, item) == (CONTROL, SET_CLOCK)):
        shown = clock(cursor.take(6))
        told = (("time", shown.isoformat() if shown else None),)
    elif afn == LINK:
        told = (("link", LINKS.get(item, f"F{item}")),)
    elif afn == ACKNOWLEDGE:
        told = (("answer", CONFIRMS.get(item, f"F{item}")), *_verdicts(cursor, item))
    elif cursor.left:
        told = (("content", cursor.rest().hex()),)
    return Unit(point, item, begin, cursor.at, readings, told)


def _verdicts(cursor: Cursor, item: int) -> Iterator[tuple[str, object]]:
    """F3: the function in question, then each unit with its error octet."""
    if item != 3:
        return
    yield "about", f"{cursor.byte():02x}"
    found = []
    while cursor.left >= 5:
        where, what, error = cursor.take(2), cursor.take(2), cursor.byte()
        found.append([(points(where) or (0,))[0], (items(what) or (0,))[0], error])
    yield "verdicts", found


# --- forwarded frames ------------------------------------------------------------------------------------------------
Forwarded = tuple[tuple[tuple[str, object], ...], tuple[Reading, ...]]


def _forwarded(cursor: Cursor, upward: bool, at: datetime | None) -> Forwarded:
    """Port, line settings (down only), length and the meter's frame, decoded by its own protocol."""
    told: list[tuple[str, object]] = [("port", f"{cursor.byte():02x}")]
    if not upward:
        told.append(("line", cursor.take(3).hex()))
    inner = cursor.take(cursor.uint(2))
    told.append(("forwarded", inner.hex()))
    telegrams = [one for one in received(dlt645.Receiver(), inner, at) if isinstance(one, Telegram)]
    found = tuple(reading for telegram in telegrams for reading in telegram.readings)
    return (*told, *((("inner", telegrams[0].frame),) if telegrams else ())), found


# --- class 1 and 2 ---------------------------------------------------------------------------------------------------
def values(
    meter: str, item: int, layout: Layout, cursor: Cursor, utc_offset: int | None = None, at: datetime | None = None
) -> Iterator[Reading]:
    """The readings of one item. Truncated, BadValue."""
    asked = cursor.take(ASKED[layout.asked])
    local = head_time(layout, asked)
    if layout.head:
        read = moment(cursor.take(5)[::-1].hex())
        local = local or read
    if layout.asked == "curve":
        yield from _curve(meter, item, layout.parts[0], asked, cursor, utc_offset, at)
        return
    count = cursor.byte() + 1 if layout.tariffs else 0
    if count > 64:
        raise BadValue(f"{count - 1} tariffs", cursor.offset - 1)
    when = instant(local, utc_offset)
    for number, part in enumerate(layout.parts):
        for place in range(count if part.per == "tariff" else part.count):
            register = _register(meter, part, place, f"F{item}.{number}.{place}")
            yield _reading(register, form(part.form), cursor, when, at)


def head_time(layout: Layout, asked: bytes) -> datetime | None:
    """The instant (local) for which a frozen value stands: the end of the day or month that was asked for."""
    if layout.asked == "day":
        day = moment(asked[::-1].hex() + "0000")
        return day + timedelta(days=1) if day else None
    if layout.asked == "month":
        month = moment(asked[::-1].hex() + "010000")
        return (month + timedelta(days=31)).replace(day=1) if month else None
    return None


def _curve(
    meter: str, item: int, part: Part, asked: bytes, cursor: Cursor, utc_offset: int | None, at: datetime | None
) -> Iterator[Reading]:
    begin, step, count = moment(asked[4::-1].hex()), DENSITIES.get(asked[5]), asked[6]
    if begin is None or step is None:
        raise BadValue(f"curve F{item}: begin or density {asked.hex()}", cursor.offset)
    register = _register(meter, part, 0, f"F{item}")
    for number in range(count):
        yield _reading(
            register, form(part.form), cursor, instant(begin + number * timedelta(seconds=step), utc_offset), at
        )


def _register(meter: str, part: Part, place: int, address: str) -> Register:
    tariff, phase = (place, 0) if part.per == "tariff" else (0, part.first + (place if part.per else 0))
    decimals = form(part.form).decimals
    return Register(
        meter, obis(part, place), part.quantity, part.unit, -decimals, 0, tariff, phase, part.function, address
    )


def _reading(register: Register, layout: Format, cursor: Cursor, when: datetime | None, at: datetime | None) -> Reading:
    """A field of EE or FF has no value."""
    octets = cursor.take(layout.size)
    surety = TimeQuality.UNCHECKED if when else TimeQuality.NONE
    if octets.count(0xEE) == len(octets):
        return Reading(register, None, None, when, at, None, Quality.ABSENT, surety, NULL)
    value, raw, reason = layout.decode(octets)
    quality = Quality.GOOD if reason is None else Quality.ABSENT if reason == NULL else Quality.BAD
    return Reading(register, value, raw, when, at, None, quality, surety, reason)


def instant(local: datetime | None, utc_offset: int | None) -> datetime | None:
    """A time of the terminal's clock as an instant, if its offset is known."""
    if local is None or utc_offset is None:
        return None
    return local.replace(tzinfo=timezone(timedelta(minutes=utc_offset))).astimezone(UTC)


# --- class 3 ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Event:
    """One event: its number ERC, when it happened by the terminal's clock, and its contents."""

    code: int
    time: datetime | None
    content: bytes = b""


def events(body: bytes) -> tuple[tuple[int, int], list[Event]]:
    """`((EC1, EC2), events)` of an answer of class 3. DecodeError."""
    cursor = Cursor(body)
    cursor.take(4)
    counters = cursor.byte(), cursor.byte()
    cursor.take(2)
    found: list[Event] = []
    while cursor.left:
        code, size = cursor.byte(), cursor.byte()
        content = cursor.take(size)
        found.append(Event(code, moment(content[4::-1].hex()) if size >= 5 else None, content[5:]))
    return counters, found


# --- header ----------------------------------------------------------------------------------------------------------
def header(frame: Frame) -> dict[str, object]:
    """What the frame itself tells, and point and item of its first unit."""
    told: dict[str, object] = {
        "address": frame.address,
        "dir": int(frame.from_terminal),
        "prm": frame.control >> 6 & 1,
        "function": frame.control & 0x0F,
        "station": frame.station >> 1,
        "afn": f"{frame.afn:02x}",
        "seq": f"{frame.seq:02x}",
    }
    told["acd" if frame.from_terminal else "fcb"] = frame.control >> 5 & 1
    if frame.events:
        told["events"] = [*frame.events]
    if frame.stamp:
        told["tp"] = frame.stamp.hex()
    if len(frame.body) >= 4:
        told |= {"pn": (points(frame.body[:2]) or (0,))[0], "fn": (items(frame.body[2:4]) or (0,))[0]}
    return told


def message(frame: Frame, utc_offset: int | None, at: datetime | None) -> tuple[dict[str, object], tuple[Reading, ...]]:
    """What a whole message tells, and its readings. DecodeError."""
    told: dict[str, object] = {}
    if frame.afn == CLASS_3 and frame.from_terminal:
        _, found = events(frame.body)
        told["erc"] = [{"code": one.code, "time": one.time, "content": one.content} for one in found]
        return told, ()
    readings: list[Reading] = []
    for one in units(frame, utc_offset, at):
        readings += one.readings
        for name, value in one.told:
            told.setdefault(name, value)
    return told, tuple(readings)


def sound(frame: Frame) -> bool:
    """Whether every data unit can be read."""
    try:
        message(frame, None, None)
    except DecodeError:
        return False
    return True
