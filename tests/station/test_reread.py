"""What is missing is ordered again: at its times, for some days back, where most is missing first, within limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from metergate.station.archive import services as archive
from metergate.station.archive.models import Estate, Installation, Meter, Register
from metergate.station.archive.seed import seed
from metergate.station.collect import history
from metergate.station.jobs import reread
from metergate.station.jobs.models import Job, Order, Round
from station import street

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, 0, 30, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
SILENT = {"1ELE00000000": 5, "1GAS00000007": 2, "1HOT00000007": 40}
"""Hours of silence before noon: one on the collector, two at the bare line."""


def fill(now: datetime, silent: dict[str, int]) -> None:
    for register in Register.objects.select_related("meter").order_by("pk"):
        end = now - timedelta(hours=silent.get(register.meter.identity, 0))
        history.fill([register], now - timedelta(days=5), end, street.values)


@pytest.fixture
def estate(db: None) -> Estate:
    """The street up to noon, with three meters that fell silent before."""
    made = seed(street.estate_plan())
    fill(NOON, SILENT)
    return made


@pytest.mark.parametrize(
    ("local", "last", "next_"),
    [
        ("2026-11-20 12:00", "12:00", "18:00"),
        ("2026-11-20 00:04", "18:00", "00:05"),
        ("2026-11-20 02:59", "01:00", "03:00"),
        ("2026-10-25 02:30", "01:00", "03:00"),
        ("2026-11-20 23:59", "18:00", "00:05"),
    ],
)
def test_times_of_day_are_local(local: str, last: str, next_: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    now, made = datetime.fromisoformat(local).replace(tzinfo=berlin), Estate(code="E")
    assert f"{reread.due(made, now).astimezone(berlin):%H:%M}" == last
    assert f"{reread.following(made, now).astimezone(berlin):%H:%M}" == next_
    assert reread.due(made, now) <= now < reread.following(made, now)


def test_gaps_are_counted_in_quarters_and_freezes(estate: Estate) -> None:
    found = {Meter.objects.get(pk=gap.meter).identity: gap for gap in reread.gaps(estate, NOON)}
    assert set(found) == set(SILENT)
    for identity, hours in SILENT.items():
        assert abs(found[identity].quarters - 4 * hours) <= 1
    assert {identity: gap.freezes for identity, gap in found.items()} == {
        "1ELE00000000": 0,
        "1GAS00000007": 0,
        "1HOT00000007": 2,
    }


def test_a_round_asks_where_most_is_missing_first(estate: Estate) -> None:
    (done,) = reread.look(NOON)
    assert done.job is not None
    asked = done.job.orders.order_by("rank").values_list("meter__identity", flat=True)
    assert list(asked) == ["1HOT00000007", "1GAS00000007", "1ELE00000000"]
    assert (done.points, done.freezes, done.job.kind) == (3, 2, "reread")
    assert set(done.job.orders.values_list("act", flat=True)) == {"read-now"}


def test_a_round_is_done_once_and_the_next_at_its_time(estate: Estate) -> None:
    assert len(reread.look(NOON)) == 1
    assert reread.look(NOON + timedelta(hours=5)) == []
    assert len(reread.look(NOON + timedelta(hours=6))) == 1
    assert Round.objects.count() == 2


def test_nothing_missing_is_a_round_without_a_job(db: None) -> None:
    estate = seed(street.estate_plan())
    fill(NOON, {})
    (done,) = reread.look(NOON)
    assert (done.points, done.job, Job.objects.count()) == (0, None, 0)
    assert estate.rounds.count() == 1


def test_what_is_too_old_waits_for_a_person(estate: Estate) -> None:
    later = NOON + timedelta(days=4)
    for register in Register.objects.order_by("pk"):
        history.fill([register], NOON, later, street.values)
    assert reread.gaps(estate, later) == []


def test_a_meter_is_missed_only_since_it_hangs_there(estate: Estate) -> None:
    row = Installation.objects.current().get(meter__identity="1HOT00000007")
    at = NOON - timedelta(hours=1)
    archive.end(row, at)
    fresh = Meter.objects.create(identity="NEW", serial="NEW")
    Register.objects.create(meter=fresh, key="NEW/9-0:1.0.0*255", obis="9-0:1.0.0", unit="m3", scaler=-3)
    archive.install_meter(fresh, row.service_point, at)
    gaps = {Meter.objects.get(pk=gap.meter).identity: gap for gap in reread.gaps(estate, NOON)}
    assert "1HOT00000007" not in gaps
    assert abs(gaps["NEW"].quarters - 4) <= 1
    assert gaps["NEW"].freezes == 0


def test_limits(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter.objects.get(identity="1HOT00000007")
    job = Job.objects.create(kind="read-now", ended=NOON)
    Order.objects.create(job=job, meter=meter, act="read-now", state="failed", outcome="unsupported", ended=NOON)
    monkeypatch.setattr(reread, "MOST", 1)
    (done,) = reread.look(NOON)
    assert done.job is not None
    assert list(done.job.orders.values_list("meter__identity", flat=True)) == ["1ELE00000000"]
    assert done.points == 3


def test_the_page_shows_rounds(desk: Client, estate: Estate) -> None:
    reread.look(timezone.now())
    body = desk.get("/jobs").content.decode()
    assert "Reading again what is missing" in body
    assert f"/jobs/{Job.objects.get().pk}" in body
    assert desk.get("/jobs?format=csv").status_code == 200
