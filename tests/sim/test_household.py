"""The simulated household: the truth that other tests compare with must itself be consistent."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metergate.sim.household import Flow, Household

HOME = Household(7, persons=3, pv_watts=5000, since=date(2026, 1, 1))
instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 4, 30)).map(lambda t: t.replace(tzinfo=UTC, microsecond=0))


@settings(max_examples=40, deadline=None)
@given(instants, st.integers(0, 200_000), st.sampled_from(Flow))
def test_counters_never_fall(at: datetime, seconds: int, flow: Flow) -> None:
    assert HOME.counter(flow, at) <= HOME.counter(flow, at + timedelta(seconds=seconds))


@settings(max_examples=20, deadline=None)
@given(instants, st.integers(1, 200), st.sampled_from(Flow))
def test_the_array_is_what_single_questions_give(at: datetime, count: int, flow: Flow) -> None:
    start = at.replace(second=0)
    found = HOME.counters(flow, start, count)
    assert found.shape == (count,)
    assert found.tolist() == [HOME.counter(flow, start + timedelta(minutes=15 * n)) for n in range(count)]


@settings(max_examples=10, deadline=None)
@given(instants, st.dates(date(2026, 1, 1), date(2026, 4, 30)))
def test_reckoning_from_a_later_day_changes_nothing(at: datetime, day: date) -> None:
    moved = HOME.moved_to(day)
    if at.date() >= day:
        assert [moved.counter(flow, at) for flow in Flow] == [HOME.counter(flow, at) for flow in Flow]


@settings(max_examples=20, deadline=None)
@given(instants)
def test_energy_is_power_times_time(at: datetime) -> None:
    minute = at.replace(second=0)
    grown = HOME.counter(Flow.IMPORT, minute + timedelta(minutes=1)) - HOME.counter(Flow.IMPORT, minute)
    assert grown == HOME.flow(Flow.IMPORT, minute) * 60


@pytest.mark.parametrize(
    ("flow", "low", "high"),
    [(Flow.IMPORT, 3000, 9000), (Flow.COLD_WATER, 40, 140), (Flow.GAS, 300, 3000)],
)
def test_a_year_is_believable(flow: Flow, low: int, high: int) -> None:
    home = Household(11, persons=3, since=date(2025, 1, 1))
    used = home.counter(flow, datetime(2026, 1, 1, tzinfo=UTC))
    amount = used / 3_600_000 if flow is Flow.IMPORT else used / 1_000_000
    assert low < amount < high
