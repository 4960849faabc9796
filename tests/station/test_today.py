"""What pages say was used today and this month, where a meter's first value is of today, or is its only one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.test import Client

from metergate.station.archive.models import Register, Room, ServicePoint
from metergate.station.archive.queries import measured
from metergate.station.archive.seed import seed
from metergate.station.collect import history
from metergate.station.collect.periods import period
from metergate.station.collect.series import Counted
from metergate.station.web.cards import used
from station import street

NOW = datetime(2026, 3, 10, 14, 7, tzinfo=UTC)
FIRST = datetime(2026, 3, 10, 8, 15, tzinfo=UTC)
ROOM = "E1-B03-U2-F09-0901"


@pytest.fixture(autouse=True)
def _street_since_this_morning(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Electricity counts since a quarter past eight (UTC), cold water has one value only, gas none; hot water has
    been there for days."""
    seed(street.estate_plan())
    for medium, start in (
        ("electricity", FIRST),
        ("cold_water", NOW - timedelta(minutes=7)),
        ("hot_water", street.SINCE),
    ):
        registers = list(Register.objects.filter(meter__medium=medium, billing=True))
        history.fill(registers, max(start, NOW - timedelta(days=12)), NOW, lambda register, at: _steps(at))
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def _steps(at: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A hundred a quarter of an hour."""
    return at // 9000


def today() -> dict[str, Counted]:
    zone = Room.objects.get(number="0901").floor.staircase.building.estate.zone
    found = measured(ServicePoint.objects.filter(room__number="0901"))
    amounts = used(found, [period("day", NOW.astimezone(zone).date(), zone)])
    return {each.point.medium: amounts[each.point.pk, "day"] for each in found}


def test_today_counts_from_its_first_value_where_none_is_from_before() -> None:
    newest = Register.objects.filter(meter__medium="electricity", billing=True)[0]
    last = int(NOW.timestamp()) // newest.period_s * newest.period_s
    moved = Decimal((last - int(FIRST.timestamp())) * 1000 // 9000)
    found = today()
    assert found["electricity"] == Counted(moved, FIRST)
    assert found["cold_water"] == Counted(None, datetime(2026, 3, 10, 14, tzinfo=UTC))
    assert found["gas"] == Counted()
    assert found["hot_water"].amount
    assert not found["hot_water"].partial


def test_the_building_says_since_when_a_bar_counts(desk: Client) -> None:
    drawn = desk.get("/buildings/E1-B03").content.decode()
    assert drawn.count('class="stripes"') == 8
    (cell,) = re.findall(rf'href="/rooms/{ROOM}"[^>]*title="([^"]+)"', drawn)
    for words in ("Electricity: 2.3 kWh since 09:15", "Cold water: first value 15:00", "Gas: no value"):
        assert words in cell
    assert "since" not in cell.partition("Hot water")[2].partition("·")[0]
    empty = re.search(r'href="/rooms/[^"]*-1103"[^>]*title="([^"]+)"(.*?)</a>', drawn, re.S)
    assert empty
    assert empty[1] == "no meter"
    assert "<rect" not in empty[2]
    listed = desk.get("/buildings/E1-B03?view=list").content.decode()
    assert listed.count("since 09:15") == 8
    assert listed.count("first value 15:00") == 8


@pytest.mark.parametrize("address", [f"/rooms/{ROOM}", f"/parts/rooms/{ROOM}", f"/display/{ROOM}"])
def test_a_household_is_told_so_too(desk: Client, address: str) -> None:
    body = desk.get(address).content.decode()
    assert "since 09:15" in body
    assert "first value 15:00" in body
    if "parts" not in address:
        assert "since 10 Mar" in body
