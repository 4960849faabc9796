"""Profile generic (class 7): rows of values captured every period, read whole, by range or by entry.

Rows are captured when the meter's own clock passes a multiple of the period: what passed unasked is caught up with when
somebody looks. After a set of the clock, rows may be doubled or missing, as they are in a meter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from metergate.wire.dlms.apdu.items import AccessResult, Selector
from metergate.wire.dlms.cosem.classes import PROFILE, Level
from metergate.wire.dlms.cosem.clock import EPOCH, Clock
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, Place, elements
from metergate.wire.dlms.data import NULL, Data, array, enum, structure, u32

FIFO, LIFO = 1, 2
BY_RANGE, BY_ENTRY = 1, 2
CLOCK_NUMBER = 8
LONGEST = 31 * 86400
"""Seconds of a period at most."""
Look = Callable[[Place, datetime], Data]
"""`look(place, at)`: the value of an attribute at an instant."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry: what the clock showed, and the values by column."""

    shown: datetime
    values: tuple[Data, ...]


@dataclass(slots=True)
class Layout:
    """How a profile is kept. `compress`: null where the clock column follows from the row before."""

    period: timedelta = timedelta(minutes=15)
    entries: int = 960
    sort: int = FIFO
    compress: bool = False


class ProfileGeneric(CosemObject):
    """A profile whose columns are `places`, captured since `begin` on the meter's `clock`."""

    def __init__(
        self,
        name: str,
        places: Iterable[Place],
        look: Look,
        clock: Clock,
        begin: datetime,
        layout: Layout | None = None,
    ) -> None:
        super().__init__(PROFILE, name, level=Level.READER)
        self.places, self.clock, self.layout = tuple(places), clock, layout or Layout()
        self._look, self._seen = look, begin
        self._rows: deque[Row] = deque(maxlen=self.layout.entries)
        clock.before_change.append(self.advance)

    # ---- capturing ----
    def advance(self, now: datetime) -> None:
        """Capture what became due, at most as many rows as are kept."""
        period = self.layout.period
        if not period or now <= self._seen:
            return
        oldest = now - period * (self.layout.entries + 1)
        at = max(self._seen, oldest)
        shown = at + self.clock.offset
        at += period - (shown - EPOCH) % period
        while at <= now:
            self._capture(at)
            at += period
        self._seen = now

    def _capture(self, at: datetime) -> None:
        self._rows.append(Row(self.clock.shown(at), tuple(self._look(place, at) for place in self.places)))

    def do_reset(self, parameter: Data, now: datetime) -> None:
        """Method 1: forget all rows."""
        self.advance(now)
        self._rows.clear()

    def do_capture(self, parameter: Data, now: datetime) -> None:
        """Method 2: a row now."""
        self.advance(now)
        self._capture(now)

    # ---- attributes ----
    def read_buffer(self, now: datetime, selection: Selector | None) -> Data:
        """Attribute 2, or the part that is selected."""
        self.advance(now)
        rows = list(self._rows) if self.layout.sort == FIFO else list(reversed(self._rows))
        columns: tuple[int, ...] = tuple(range(len(self.places)))
        if selection is not None:
            select = self._by_range if selection.selector == BY_RANGE else self._by_entry
            rows, columns = select(rows, selection.parameter)
        return array(*self._lines(rows, columns))

    def _lines(self, rows: list[Row], columns: tuple[int, ...]) -> Iterator[Data]:
        previous: datetime | None = None
        for row in rows:
            derived = self.layout.compress and previous is not None and row.shown - previous == self.layout.period
            previous = row.shown
            yield structure(
                *(NULL if derived and self.places[at].number == CLOCK_NUMBER else row.values[at] for at in columns)
            )

    def read_capture_objects(self, now: datetime) -> Data:
        """Attribute 3."""
        return array(*(place.data for place in self.places))

    def write_capture_objects(self, data: Data, now: datetime) -> None:
        """Attribute 3: other columns; the rows of the old ones are forgotten."""
        places = tuple(Place.of(item) for item in elements(data, 1, 64))
        for place in places:
            self._look(place, now)
        self.do_reset(NULL, now)
        self.places = places

    def read_capture_period(self, now: datetime) -> Data:
        """Attribute 4, seconds."""
        return u32(int(self.layout.period.total_seconds()))

    def write_capture_period(self, data: Data, now: datetime) -> None:
        """Attribute 4: the rows of the old period are forgotten."""
        if not 0 <= data.number <= LONGEST:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.do_reset(NULL, now)
        self.layout.period = timedelta(seconds=data.number)

    def read_sort_method(self, now: datetime) -> Data:
        """Attribute 5: 1 oldest first, 2 newest first."""
        return enum(self.layout.sort)

    def read_sort_object(self, now: datetime) -> Data:
        """Attribute 6: the clock, by which rows are in order as they came."""
        return Place(CLOCK_NUMBER, self.clock.name, 2).data

    def read_entries_in_use(self, now: datetime) -> Data:
        """Attribute 7."""
        self.advance(now)
        return u32(len(self._rows))

    def read_profile_entries(self, now: datetime) -> Data:
        """Attribute 8."""
        return u32(self.layout.entries)

    # ---- selective access ----
    def _by_range(self, rows: list[Row], parameter: Data) -> tuple[list[Row], tuple[int, ...]]:
        """Selector 1: structure{restricting object, from, to, columns}; both ends count."""
        restricting, begin, end, wanted = elements(parameter, 4)
        place = Place.of(restricting)
        if place.number == CLOCK_NUMBER:
            low, high = self.clock.instant(begin), self.clock.instant(end)
            chosen = [row for row in rows if (not low or row.shown >= low) and (not high or row.shown <= high)]
        else:
            at, least, most = self._column(place), begin.number, end.number
            chosen = [row for row in rows if least <= row.values[at].number <= most]
        columns = tuple(self._column(Place.of(item)) for item in elements(wanted, 0, 64))
        return chosen, columns or tuple(range(len(self.places)))

    def _by_entry(self, rows: list[Row], parameter: Data) -> tuple[list[Row], tuple[int, ...]]:
        """Selector 2: structure{from entry, to entry, from column, to column}, counted from 1; 0 means the last."""
        begin, end, first, last = (item.number for item in elements(parameter, 4))
        if begin < 1 or first < 1 or end < 0 or last < 0:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        chosen = islice(rows, begin - 1, end or None)
        columns = tuple(range(len(self.places)))[first - 1 : last or None]
        return list(chosen), columns

    def _column(self, place: Place) -> int:
        if place not in self.places:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        return self.places.index(place)
