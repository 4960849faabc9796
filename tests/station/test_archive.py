"""The archive: what the database itself refuses, what was known when, and estates that come in whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from metergate.errors import ConfigError
from metergate.station.archive import services, ulid
from metergate.station.archive.models import (
    Channel,
    Customer,
    Estate,
    EstateFacts,
    Installation,
    Meter,
    Occupancy,
    Register,
    Room,
    RoomFacts,
    ServicePoint,
)
from metergate.station.archive.seed import seed
from metergate.station.archive.services import SeenRegister
from metergate.station.archive.table import read_csv
from station import street

JAN, FEB, MAR = (datetime(2025, month, 1, tzinfo=UTC) for month in (1, 2, 3))


@pytest.fixture
def points(db: None) -> list[ServicePoint]:
    seed(street.estate_plan())
    rooms = Room.objects.filter(number="1103")
    return [ServicePoint.objects.create(room=rooms[0], code=f"P{n}", medium="electricity") for n in (1, 2)]


@pytest.fixture
def meters(db: None) -> list[Meter]:
    return [Meter.objects.create(identity=f"M{n}", serial=f"M{n}") for n in (1, 2)]


def test_a_meter_is_not_in_two_places(points: list[ServicePoint], meters: list[Meter]) -> None:
    services.install_meter(meters[0], points[0], JAN)
    with pytest.raises(IntegrityError), transaction.atomic():
        services.install_meter(meters[0], points[1], FEB)


def test_a_service_point_has_one_billing_meter_at_a_time(points: list[ServicePoint], meters: list[Meter]) -> None:
    services.install_meter(meters[0], points[0], FEB)
    with pytest.raises(IntegrityError), transaction.atomic():
        services.install_meter(meters[1], points[0], JAN)
    assert Installation.objects.filter(service_point=points[0]).count() == 1


def test_periods_may_touch(points: list[ServicePoint], meters: list[Meter]) -> None:
    first = services.install_meter(meters[0], points[0], JAN)
    services.end(first, FEB, end_reading=Decimal("12.5"))
    second = services.install_meter(meters[1], points[0], FEB)
    assert Installation.objects.as_of(JAN).get(service_point=points[0]).meter == meters[0]
    assert Installation.objects.as_of(FEB).get(service_point=points[0]) == second


def test_an_exchange_keeps_what_was_known_before(points: list[ServicePoint], meters: list[Meter]) -> None:
    first = services.install_meter(meters[0], points[0], JAN)
    before = Installation.objects.get(pk=first.pk).recorded_at
    services.exchange_meter(points[0], meters[1], FEB, end_reading=Decimal("8277.9"), start_reading=Decimal("0.3"))
    assert Installation.objects.as_of(MAR).get(service_point=points[0]).meter == meters[1]
    assert Installation.objects.as_of(MAR, before).get(service_point=points[0]).meter == meters[0]
    old = Installation.objects.as_of(JAN).get(service_point=points[0])
    assert (old.end_reading, old.valid_to) == (Decimal("8277.9"), FEB)


def test_dated_rows_cannot_be_edited(points: list[ServicePoint], meters: list[Meter]) -> None:
    row = services.install_meter(meters[0], points[0], JAN)
    with pytest.raises(IntegrityError), transaction.atomic():
        Installation.objects.filter(pk=row.pk).update(ct=20)
    with pytest.raises(IntegrityError), transaction.atomic():
        Installation.objects.filter(pk=row.pk).update(valid_from=FEB)


def test_a_superseded_row_stays_superseded(points: list[ServicePoint], meters: list[Meter]) -> None:
    row = services.install_meter(meters[0], points[0], JAN)
    services.end(row, FEB)
    with pytest.raises(IntegrityError), transaction.atomic():
        Installation.objects.filter(pk=row.pk).update(superseded_at=None)


def test_a_period_ends_after_it_begins(points: list[ServicePoint], meters: list[Meter]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Installation.objects.create(meter=meters[0], service_point=points[0], valid_from=FEB, valid_to=JAN)


@pytest.mark.parametrize(("field", "value"), [("ct", 0), ("pt", -1), ("phase_factor", 2)])
def test_impossible_factors_are_refused(
    points: list[ServicePoint], meters: list[Meter], field: str, value: int
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Installation.objects.create(meter=meters[0], service_point=points[0], valid_from=JAN, **{field: value})


def test_moving_in_ends_whoever_lived_there(points: list[ServicePoint]) -> None:
    room = Room.objects.get(number="0901")
    anna = Customer.objects.create(code="X1", name="Anna")
    services.move_in(room, anna, MAR)
    assert Occupancy.objects.as_of(MAR).get(room=room).customer == anna
    assert Occupancy.objects.as_of(FEB).get(room=room).customer.name == street.NAMES[0]


def test_an_estate_comes_in_whole_or_not_at_all(db: None) -> None:
    seed(street.estate_plan("E1"))
    rooms = Room.objects.count()
    with pytest.raises(IntegrityError), transaction.atomic():
        seed(street.estate_plan("E2"))  # its meters are the first estate's
    assert (Room.objects.count(), Estate.objects.count()) == (rooms, 1)


def test_codes_say_where_a_room_is(points: list[ServicePoint]) -> None:
    assert Room.objects.get(number="1102").code == "E1-B03-U2-F11-1102"
    assert ServicePoint.objects.get(code="E1-B03-U2-F11-1102-EL").medium == "electricity"
    assert Channel.objects.current().filter(collector__code="L1-18").count() == 16


def test_unknown_devices_are_made_once_and_can_be_assigned(points: list[ServicePoint]) -> None:
    seen = SeenRegister("NEW1/1-0:1.8.0*255", "NEW1", "1-0:1.8.0", "Wh", -1, medium="electricity")
    for _ in range(2):
        rows = services.know([seen], "gw-9", JAN)
    assert rows[seen.key].billing
    assert [meter.identity for meter in services.new_devices()] == ["NEW1"]
    services.install_meter(rows[seen.key].meter, points[0], JAN)
    assert services.new_devices() == []
    assert Register.objects.filter(key=seen.key).count() == 1


def test_a_table_becomes_an_estate() -> None:
    text = "building,staircase,floor,room,occupant,medium,meter\n3,2,11,1102,Anna,electricity,A1\n3,2,11,1102,,gas,A2\n"
    plan = read_csv(text, "E9", "Nine")
    room = plan.buildings[0].staircases[0].floors[0].rooms[0]
    assert (room.number, room.occupant, [point.medium for point in room.points]) == (
        "1102",
        "Anna",
        ["electricity", "gas"],
    )


def test_every_bad_row_of_a_table_is_named() -> None:
    text = "building,staircase,floor,room,medium,meter\nx,1,1,101,gas,A\n1,1,1,102,steam,B\n1,1,1,103,gas,C\n"
    text += "1,1,2,2,gas,C\n"
    with pytest.raises(ConfigError) as caught:
        read_csv(text, "E9", "Nine")
    message = str(caught.value)
    assert "row 2, column building" in message
    assert "row 3, column medium" in message
    assert "row 5, column meter" in message
    assert "row 4" not in message


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.integers(0, 2**80 - 1))
def test_ulids_sort_by_time(first: int, second: int, random: int) -> None:
    texts = ulid.encode(first, random), ulid.encode(second, random)
    assert (texts[0] < texts[1]) == (first < second)
    assert {len(text) for text in texts} == {26}


def test_an_age_grows(estate: Estate) -> None:
    register = Register.objects.select_related("latest").first()
    assert register is not None
    assert register.latest.age > timedelta(0)


def test_facts_of_a_place_are_dated_and_kept(estate: Estate) -> None:
    room = Room.objects.get(number="0901")
    moved, noticed = street.SINCE + timedelta(days=100), timezone.now()
    services.amend(room, moved, persons=3)
    services.amend(room, moved + timedelta(days=10), area_m2=Decimal(80))

    def held(at: datetime, known: datetime | None = None) -> tuple[Decimal, int]:
        found = Room.objects.with_facts(at, known).get(pk=room.pk)
        return found.area_m2, found.persons

    assert held(moved - timedelta(seconds=1)) == (Decimal("71.50"), 2)
    assert held(moved) == (Decimal("71.50"), 3)
    assert held(timezone.now()) == (Decimal(80), 3)
    assert held(timezone.now(), noticed) == (Decimal("71.50"), 2)


def test_facts_corrected_between_end_where_the_next_begin(estate: Estate) -> None:
    point = ServicePoint.objects.get(code="E1-B03-U2-F09-0901-EL")
    early, late = street.SINCE + timedelta(days=10), street.SINCE + timedelta(days=20)
    services.amend(point, late, role="check")
    services.amend(point, early, role="master", hold_supply=True)
    services.amend(point, early, role="public")
    services.amend(point, street.SINCE - timedelta(days=9), role="master")
    times = (street.SINCE - timedelta(days=1), street.SINCE, early, late)
    found = [ServicePoint.objects.with_facts(at).get(pk=point.pk) for at in times]
    assert [(each.role, each.hold_supply) for each in found] == [
        ("master", False),
        ("sub", False),
        ("public", True),
        ("check", False),
    ]


def test_an_estate_is_renamed_for_later_and_kept_its_name_before(
    estate: Estate, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    at = timezone.now() - timedelta(days=3)
    services.amend(estate, at, name="Lime Street")
    assert Estate.objects.get(pk=estate.pk).name == "Lime Street"
    with django_assert_num_queries(2):
        names = [
            Estate.objects.with_facts(when).get(pk=estate.pk).name
            for when in (at - timedelta(seconds=1), timezone.now())
        ]
    assert names == ["Linden Street", "Lime Street"]
    with pytest.raises(IntegrityError), transaction.atomic():
        EstateFacts.objects.create(estate=estate, valid_from=at, name="Elm Street")
    EstateFacts.objects.all().delete()
    assert Estate.objects.get(pk=estate.pk).name == "E1"


def test_facts_are_never_changed_and_do_not_overlap(estate: Estate) -> None:
    row = RoomFacts.objects.current()[0]
    with pytest.raises(IntegrityError), transaction.atomic():
        RoomFacts.objects.filter(pk=row.pk).update(persons=9)
    with pytest.raises(IntegrityError), transaction.atomic():
        RoomFacts.objects.create(room=row.room, valid_from=street.SINCE + timedelta(days=1), persons=9)


def test_what_stood_at_places_becomes_their_facts(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "METERGATE_STATION_STATE": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "metergate.station.settings",
    }

    def migrate(*target: str) -> None:
        subprocess.run([sys.executable, "-m", "django", "migrate", *target], env=environment, check=True)

    migrate("archive", "0003")
    with closing(sqlite3.connect(tmp_path / "station.sqlite3")) as old, old:
        old.executescript("""
            INSERT INTO archive_estate VALUES ('E', 'E1', 'Elm Street', 'UTC', 'EUR', 'en', '');
            INSERT INTO archive_building (id, code, number, name, estate_id) VALUES ('B', 'B', 1, '', 'E');
            INSERT INTO archive_staircase (id, code, number, building_id) VALUES ('U', 'U', 1, 'B');
            INSERT INTO archive_floor (id, code, number, staircase_id) VALUES ('F', 'F', 1, 'U');
            INSERT INTO archive_room (id, code, number, usage_nature, area_m2, persons, floor_id)
                VALUES ('R', 'R', '1', 'dwelling', 55.5, 3, 'F');
            INSERT INTO archive_servicepoint (id, code, medium, role, protected_class, hold_supply, room_id, parent_id)
                VALUES ('M', 'M', 'gas', 'master', '', 0, 'R', NULL), ('S', 'S', 'gas', 'sub', 'dialysis', 1, 'R', 'M');
        """)
    migrate()
    with closing(sqlite3.connect(tmp_path / "station.sqlite3")) as new:
        named = new.execute("SELECT estate_id, name, valid_to FROM archive_estatefacts").fetchall()
        assert named == [("E", "Elm Street", None)]
        assert new.execute("SELECT room_id, area_m2, persons FROM archive_roomfacts").fetchall() == [("R", 55.5, 3)]
        columns = "service_point_id, role, protected_class, hold_supply, parent_id"
        found = new.execute(f"SELECT {columns} FROM archive_pointfacts ORDER BY service_point_id").fetchall()
        assert found == [("M", "master", "", 0, None), ("S", "sub", "dialysis", 1, "M")]
