"""Consumption between edges: what is used up is what the counter moved, gaps stay gaps, nothing is invented."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.model import Quality
from metergate.station.collect.periods import SPANS, midnight, period
from metergate.station.collect.series import Counted, Series, add_up, bars, counted, envelope

START = datetime(2026, 3, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def series(steps: list[int], gaps: set[int] | None = None, scaler: int = 0) -> Series:
    values = np.cumsum([1000, *steps]).astype(np.int64)
    quality = np.array([0 if i in (gaps or set()) else 4 for i in range(len(values))], np.uint8)
    return Series(START, 900, scaler, np.where(quality > 0, values, 0), quality)


def edges(count: int, minutes: int = 15) -> list[datetime]:
    return [START + timedelta(minutes=minutes * i) for i in range(count + 1)]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=96))
def test_bars_add_up_to_the_counter(steps: list[int]) -> None:
    found = bars(series(steps), edges(len(steps)))
    assert found.amounts.tolist() == steps
    assert found.total == sum(steps)


@given(st.lists(st.integers(0, 10**6), min_size=8, max_size=96), st.integers(1, 8))
def test_coarser_bars_have_the_same_sum(steps: list[int], width: int) -> None:
    count = len(steps) // width
    found = bars(series(steps[: count * width]), edges(count, 15 * width))
    assert found.amounts.tolist() == [sum(steps[i * width : (i + 1) * width]) for i in range(count)]


def test_a_gap_stays_a_gap() -> None:
    found = bars(series([1, 2, 3, 4], gaps={2}), edges(4))
    assert found.quality.tolist() == [4, 0, 0, 4]
    assert found.total == 5


def test_a_running_bar_counts_up_to_the_newest_value() -> None:
    found = bars(series([1, 2, 3]), edges(2, 60))
    assert found.amounts.tolist() == [6, 0]
    assert found.quality.tolist() == [4, 0]


def test_a_counter_that_falls_is_doubtful_not_negative() -> None:
    found = bars(series([5, -9, 5]), edges(3))
    assert found.quality.tolist() == [4, Quality.BAD, 4]
    assert found.total == 10


def test_nothing_known_is_not_zero() -> None:
    empty = Series(START, 900, 0, np.zeros(0, np.int64), np.zeros(0, np.uint8))
    assert bars(empty, edges(4)).total is None
    assert empty.last() is None


def test_several_registers_add_up_whatever_their_scaler() -> None:
    parts = [bars(series([1000, 2000], scaler=-3), edges(2)), bars(series([1, 2], gaps={2}), edges(2))]
    whole = add_up(parts, -3)
    assert whole.amounts.tolist() == [2000, 2000]
    assert whole.total == Decimal(4)


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=96), st.data())
def test_what_is_counted_is_what_the_counter_moved_since_its_first_value(steps: list[int], data: st.DataObject) -> None:
    missing = data.draw(st.integers(0, len(steps) - 1))
    end = START + timedelta(minutes=15 * len(steps))
    found = counted(series(steps, gaps=set(range(missing))), START, end)
    assert found.amount == sum(steps[missing:])
    assert found.partial == (missing > 0)
    assert found.since == (START + timedelta(minutes=15 * missing) if missing else None)


def test_one_value_counts_nothing_and_none_is_no_zero() -> None:
    end = START + timedelta(hours=1)
    assert counted(series([1, 2, 3, 4], gaps={0, 1, 3, 4}), START, end) == Counted(None, START + timedelta(minutes=30))
    assert counted(series([1, 2, 3, 4], gaps={0, 1, 2, 3, 4}), START, end) == Counted(None, None)
    assert counted(series([1, 2, 3, 4], gaps={0}), START, end).times(Decimal(20)).amount == 180


def test_values_outside_of_the_period_are_not_counted() -> None:
    start, end = START + timedelta(minutes=10), START + timedelta(minutes=50)
    assert counted(series([1, 10, 100, 1000, 10_000]), start, end) == Counted(Decimal(111), None)
    beginning, middle = START - timedelta(hours=2), START + timedelta(minutes=30)
    assert counted(series([1, 10, 100]), beginning, middle) == Counted(Decimal(11), START)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=3000), st.integers(1, 50))
def test_thinning_keeps_every_peak(values: list[int], columns: int) -> None:
    array = np.array(values, np.int64)
    times, kept, _ = envelope(np.arange(len(array)), array, np.full(len(array), 4, np.uint8), columns)
    assert (kept.min(), kept.max(), kept[0], kept[-1]) == (array.min(), array.max(), array[0], array[-1])
    assert (np.diff(times) > 0).all()
    assert len(kept) <= max(4 * columns, 4)


@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)), st.sampled_from(SPANS))
def test_periods_tile_the_calendar(day: date, span: str) -> None:
    found = period(span, day, BERLIN)
    assert found.first <= day < found.last
    assert found.before.end == found.start
    assert found.after.start == found.end
    marks = found.edges()
    assert (marks[0], marks[-1]) == (found.start, found.end)
    assert marks == sorted(set(marks))


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)])
def test_days_when_clocks_change(day: date, hours: int) -> None:
    found = period("day", day, BERLIN)
    assert found.hours == hours
    assert len(found.edges()) == 4 * hours + 1
    assert midnight(day, BERLIN) == found.start


def test_bars_in_another_unit_add_up_exactly() -> None:
    watt_hours = bars(series([1500, 2500], scaler=-1), edges(2))
    kilowatt_hours = bars(series([2, 3], scaler=-1), edges(2))
    parts = [watt_hours.times(Decimal("0.001")), kilowatt_hours.times(Decimal(20))]
    assert add_up(parts, min(part.scaler for part in parts)).total == Decimal("0.4") + Decimal("10")
