"""Days, weeks, months and years of a register, with summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from metergate.publish.periods import PERIODS, Periods, next_day, period_start

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from([BERLIN, ZoneInfo("UTC"), ZoneInfo("America/Sao_Paulo"), ZoneInfo("Australia/Lord_Howe")])
INSTANTS = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


def test_starts() -> None:
    at = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    starts = {period: period_start(period, at, BERLIN) for period in PERIODS}
    assert starts == {
        "day": datetime(2026, 11, 22, 23, tzinfo=UTC),
        "week": datetime(2026, 11, 22, 23, tzinfo=UTC),
        "month": datetime(2026, 10, 31, 23, tzinfo=UTC),
        "year": datetime(2025, 12, 31, 23, tzinfo=UTC),
    }


@given(INSTANTS, ZONES)
def test_a_day_holds_its_instant(at: datetime, zone: ZoneInfo) -> None:
    start, end = period_start("day", at, zone), next_day(at, zone)
    assert start <= at < end
    assert end - start in {timedelta(hours=hours) for hours in (23, 23.5, 24, 24.5, 25)}
    assert period_start("year", at, zone) <= period_start("month", at, zone) <= start


@given(st.lists(st.tuples(st.integers(1, 200_000), st.integers(0, 5000)), min_size=1, max_size=60), ZONES)
def test_every_kwh_is_in_exactly_one_day(steps: list[tuple[int, int]], zone: ZoneInfo) -> None:
    """The last amount of each day, added up, is what the register counted."""
    at, register = datetime(2026, 3, 27, tzinfo=UTC), Decimal(1000)
    periods = Periods(zone)
    days: dict[datetime, Decimal] = {}
    for seconds, amount in ((0, 0), *steps):
        at += timedelta(seconds=seconds)
        register += amount
        periods.feed(at, register)
        days[periods.starts["day"]] = periods.since("day", register)
    assert sum(days.values()) == register - 1000
    assert periods.since("year", register) == register - 1000 or at.year > 2026


def test_history_knows_what_was_before() -> None:
    asked: list[datetime] = []

    def history(start: datetime) -> Decimal | None:
        asked.append(start)
        return Decimal(90) if start == datetime(2026, 11, 21, 23, tzinfo=UTC) else None

    periods = Periods(BERLIN, history, ("day", "month"))
    assert periods.feed(datetime(2026, 11, 22, 12, tzinfo=UTC), Decimal(100)) is None
    assert [periods.since(period, Decimal(100)) for period in ("day", "month")] == [Decimal(10), Decimal(0)]
    midnight = datetime(2026, 11, 22, 23, tzinfo=UTC)
    assert periods.feed(midnight + timedelta(seconds=1), Decimal(101)) == midnight
    assert periods.since("day", Decimal(101)) == 1
    assert len(asked) == 2
