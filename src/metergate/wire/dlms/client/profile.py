"""Profiles as readings: by range or by entry, with the columns that the meter names now.

Capture objects are read anew before and after the rows: where they changed meanwhile, the rows are read again. Clock
columns left null follow from the row before by the capture period, forwards or backwards as the meter sorts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from metergate.errors import ApplicationError, BadValue
from metergate.model import Obis, Reading, TimeQuality
from metergate.wire.base import Dialogue
from metergate.wire.dlms.apdu import Attribute, Conformance, Selector
from metergate.wire.dlms.client.client import Client, NotGiven
from metergate.wire.dlms.client.meter import SCALES, Known, Scale, Zone, clock, reading, scales
from metergate.wire.dlms.cosem.objects import Place, elements, rows
from metergate.wire.dlms.data import Data, array, octets, structure, u16, u32
from metergate.wire.dlms.times import DateTime

PROFILE, CLOCK = 7, 8
BUFFER, COLUMNS, PERIOD, SORT = 2, 3, 4, 5
BY_RANGE, BY_ENTRY, NEWEST_FIRST = 1, 2, 2
TRIES = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a profile, seconds between rows (0: none are regular), and how it is sorted."""

    columns: tuple[Place, ...]
    period: timedelta = timedelta(0)
    backwards: bool = False

    @property
    def clock(self) -> int | None:
        """Which column is the clock."""
        return next((at for at, place in enumerate(self.columns) if place.number == CLOCK and place.index == 2), None)

    @property
    def status(self) -> int | None:
        """Which column is the profile's status (C.D 96.10)."""
        return next((at for at, place in enumerate(self.columns) if (place.name.c, place.name.d) == (96, 10)), None)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the instant where the meter told it, and its values by column."""

    at: datetime | None
    sure: TimeQuality
    values: tuple[Data, ...]


Select = Callable[[Layout], Selector | None]
"""Which part of a profile of that layout is wanted."""


Table = tuple[Layout, list[Row]]


def layout(client: Client, name: Obis) -> Dialogue[Layout]:
    """How a profile is laid out now. NotGiven, DecodeError."""
    told = yield from client.get(Attribute(PROFILE, name.octets, COLUMNS))
    columns = tuple(Place.of(item) for item in rows(told))
    period = yield from _number(client, name, PERIOD)
    sort = yield from _number(client, name, SORT)
    return Layout(columns, timedelta(seconds=period), sort == NEWEST_FIRST)


def _number(client: Client, name: Obis, index: int) -> Dialogue[int]:
    try:
        return (yield from client.get(Attribute(PROFILE, name.octets, index))).number
    except NotGiven:
        return 0


def by_range(client: Client, name: Obis, begin: datetime, end: datetime, zone: Zone) -> Dialogue[Table]:
    """Rows with `begin` <= time < `end`. NotGiven, NoAnswer, DecodeError; BadValue for a profile without a clock."""
    if begin >= end:
        return (yield from layout(client, name)), []
    told = (yield from clock(client, zone))[2]
    local = zone.local(told) or UTC

    def select(found: Layout) -> Selector | None:
        if found.clock is None:
            raise BadValue(f"profile {name} has no clock column: it can be read by entry only")
        if not client.conformance & Conformance.SELECTIVE_ACCESS:
            return None
        first, last = (
            octets(DateTime.of(at.astimezone(local), inverted=zone.inverted).octets)
            for at in (begin, end - timedelta(seconds=1))
        )
        place = found.columns[found.clock]
        return Selector(BY_RANGE, structure(place.data, first, last, array()))

    found, table = yield from _rows(client, name, select, zone)
    return found, [row for row in table if row.at is None or begin <= row.at < end]


def by_entry(client: Client, name: Obis, first: int, last: int, zone: Zone) -> Dialogue[Table]:
    """Rows `first` to `last`, counted from 1; `last` 0: all that follow. As `by_range`."""
    selector = Selector(BY_ENTRY, structure(u32(first), u32(last), u16(1), u16(0)))
    client.agreed(Conformance.SELECTIVE_ACCESS)
    return (yield from _rows(client, name, lambda found: selector, zone))


def _rows(client: Client, name: Obis, select: Select, zone: Zone) -> Dialogue[Table]:
    before = yield from layout(client, name)
    for _ in range(TRIES):
        told = yield from client.get(Attribute(PROFILE, name.octets, BUFFER), select(before))
        after = yield from layout(client, name)
        if after == before:
            return before, list(_timed(before, told, zone))
        before = after
    raise ApplicationError(f"profile {name} changes its columns all the time")


def _timed(found: Layout, told: Data, zone: Zone) -> Iterator[Row]:
    previous: datetime | None = None
    step = -found.period if found.backwards else found.period
    for item in rows(told):
        values = elements(item, len(found.columns))
        at, sure = None, TimeQuality.NONE
        if found.clock is not None and values[found.clock].value is not None:
            at, sure = zone.instant(values[found.clock])
        elif previous is not None and found.period:
            at, sure = previous + step, TimeQuality.UNCHECKED
        previous = at
        yield Row(at, sure, values)


def readings(
    client: Client, meter: str, name: Obis, begin: datetime, end: datetime, zone: Zone, known: Known
) -> Dialogue[tuple[Reading, ...]]:
    """All values of the rows with `begin` <= time < `end`. As `by_range`."""
    found, table = yield from by_range(client, name, begin, end, zone)
    places = [(at, place) for at, place in enumerate(found.columns) if at not in (found.clock, found.status)]
    yield from scales(client, ((place.number, place.name.octets) for _, place in places), known)
    made = []
    for row in table:
        status = _status(found, row)
        for at, place in places:
            scale = known.scales.get((place.number, place.name.octets)) if _measured(place) else None
            value = row.values[at]
            made.append(reading(meter, place.name, value, scale or Scale(), row.at, row.sure, status))
    return tuple(made)


def _measured(place: Place) -> bool:
    """Whether scaler and unit of the object hold for this attribute of it."""
    return place.number in SCALES and 2 <= place.index < SCALES[place.number]


def _status(found: Layout, row: Row) -> int | None:
    if found.status is None:
        return None
    value = row.values[found.status].value
    return value if isinstance(value, int) and not isinstance(value, bool) else None
