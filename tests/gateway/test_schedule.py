"""When meters are asked: spread, on the grid of their period, and less and less while they are dead."""

from hypothesis import given
from hypothesis import strategies as st

from metergate.gateway.schedule import Schedule


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
