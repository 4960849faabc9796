"""When meters are asked: spread, on the grid of their period, and less and less while they are dead."""

from hypothesis import given
from hypothesis import strategies as st

from metergate.gateway.schedule import Pace, Schedule


@given(st.floats(1, 1e5), st.floats(0, 1), st.floats(0, 1e6))
def test_the_first_round_is_spread_over_the_jitter(period: float, jitter: float, now: float) -> None:
    assert now <= Schedule(period, jitter).begin(now) <= now + period * jitter * 1.001 + 1e-6


def test_answers_keep_the_grid_and_count_what_was_skipped() -> None:
    schedule = Schedule(60.0, jitter=0)
    schedule.begin(0.0)
    assert schedule.answered(2.0) == 60
    assert schedule.answered(61.0) == 120
    assert schedule.answered(310.0) == 360
    assert schedule.skipped == 3


def test_a_dead_meter_is_asked_after_1_2_4_up_to_60_minutes() -> None:
    schedule = Schedule(10.0, jitter=0)
    schedule.begin(0.0)
    assert [schedule.failed(0.0) / 60 for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    schedule.answered(0.0)
    assert schedule.failed(0.0) == 60


def test_back_off_never_asks_more_often_than_the_period() -> None:
    assert Schedule(7200.0).failed(0.0) == 7200


def test_a_first_and_a_longest_pause_of_its_own() -> None:
    schedule = Schedule(10.0, jitter=0, first=10.0, longest=300.0)
    assert [schedule.failed(0.0) for _ in range(7)] == [10, 20, 40, 80, 160, 300, 300]
    assert [schedule.failed(0.0) for _ in range(2000)][-1] == 300


def test_periods_stretch_where_the_line_is_too_slow_and_shrink_again() -> None:
    pace = Pace()
    assert pace.period(10.0, rate=3.2) == 10
    for _ in range(100):
        pace.took(0.5)  # 32 meters every 10 s, half a second each: 16 s of work in 10 s
    assert round(pace.period(10.0, rate=3.2), 3) == 20
    assert round(pace.stretch, 3) == 2
    for _ in range(100):
        pace.took(0.1)
    assert pace.period(10.0, rate=3.2) == 10


@given(st.lists(st.floats(0.001, 5), min_size=1), st.floats(1, 900), st.floats(0.01, 50))
def test_a_line_is_never_asked_for_more_than_its_time(seconds: list[float], wanted: float, rate: float) -> None:
    pace = Pace()
    for each in seconds:
        pace.took(each)
    stretched = pace.period(wanted, rate)
    assert stretched >= wanted
    assert pace.mean * rate * wanted / stretched <= pace.share * 1.000001
