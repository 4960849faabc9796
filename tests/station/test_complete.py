"""A plan that grew is brought in again: what it has more is added, what is there and what happened to it stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import models
from django.utils import timezone

from metergate.station import services as station
from metergate.station.archive import plan, services
from metergate.station.archive.models import (
    Channel,
    Customer,
    Estate,
    Installation,
    Meter,
    Occupancy,
    Register,
    Room,
    ServicePoint,
)
from metergate.station.archive.queries import measured
from metergate.station.archive.services import SeenRegister
from metergate.station.collect import history
from station import street

pytestmark = pytest.mark.django_db
BEGUN = datetime(2026, 3, 1, tzinfo=UTC)
NEW = "1ELE00000100"


def archive() -> dict[str, list[tuple[object, ...]]]:
    """Every row of the archive."""
    tables: list[type[models.Model]] = list(apps.get_app_config("archive").get_models())
    return {table._meta.label: list(table._default_manager.order_by("pk").values_list()) for table in tables}


def grown() -> plan.EstatePlan:
    """The street with one more building: a flat on a line of its own, since some day."""
    old = street.estate_plan()
    point = plan.PointPlan("electricity", street.meter("electricity", 100), tariff="T1", since=BEGUN)
    flat = plan.RoomPlan("L1", [point], "Ida Jung", Decimal(20), 1)
    more = plan.BuildingPlan(9, "Laboratory", [plan.StaircasePlan(1, [plan.FloorPlan(0, [flat])])])
    line = plan.LinePlan("lab", "tcp://127.0.0.1:4059", "gw-2", "Laboratory", "dlms-wrapper", meters=[NEW])
    return replace(old, buildings=[*old.buildings, more], lines=[*old.lines, line])


def test_what_a_plan_has_more_is_added_once(estate: Estate) -> None:
    before = archive()
    station.seed_demo(grown())
    after = archive()
    assert all(set(before[table]) <= set(after[table]) for table in before)
    (found,) = measured(ServicePoint.objects.filter(code="E1-B09-U1-F00-L1-EL"))
    assert found.installation
    assert (found.installation.meter.identity, found.installation.valid_from) == (NEW, BEGUN)
    channel = Channel.objects.current().get(meter=found.meter)
    assert (channel.line.code, channel.line.gateway.name) == ("lab", "gw-2")
    lives = Occupancy.objects.current().get(room__number="L1").customer
    assert (lives.name, Customer.objects.filter(code=lives.code).count()) == ("Ida Jung", 1)
    station.seed_demo(grown())
    assert archive() == after


def test_the_same_plan_changes_nothing(estate: Estate) -> None:
    before = archive()
    station.seed_demo(street.estate_plan())
    assert archive() == before


def test_what_happened_meanwhile_stays(estate: Estate) -> None:
    now = timezone.now()
    room = Room.objects.get(number="0901")
    services.amend(room, now - timedelta(days=1), persons=5)
    services.amend(estate, now - timedelta(days=1), name="Lime Street")
    services.move_in(room, Customer.objects.create(code="X", name="Kai Lang"), now - timedelta(hours=5))
    point = ServicePoint.objects.get(code=f"{room.code}-EL")
    other = Meter.objects.create(identity="OTHER", serial="OTHER")
    services.exchange_meter(point, other, now - timedelta(hours=2), end_reading=Decimal(9), start_reading=Decimal(0))
    registers, begin = list(Register.objects.all()), now - timedelta(days=1)
    values = {pk: series.values for pk, series in history.load(registers, begin, now).items()}
    before = archive()
    station.seed_demo(grown())
    assert all(set(before[table]) <= set(archive()[table]) for table in before)
    assert Occupancy.objects.current().get(room=room).customer.name == "Kai Lang"
    assert Installation.objects.current().get(service_point=point).meter == other
    again = history.load(registers, begin, now)
    assert all((again[pk].values == known).all() for pk, known in values.items())


def test_a_meter_that_was_heard_first_gets_its_place_and_its_words(estate: Estate) -> None:
    key = f"{NEW}/1-0:1.8.0*255"
    seen = services.know([SeenRegister(key, NEW, "1-0:1.8.0", "Wh")], "gw-2", timezone.now())
    station.seed_demo(grown())
    meter = Meter.objects.get(identity=NEW)
    assert (meter.maker, meter.protocol, meter.first_gateway) == ("Nordmess", "sml", "gw-2")
    assert Register.objects.get(key=key).pk == seen[key].pk
    assert Installation.objects.current().get(meter=meter).service_point.room.number == "L1"
    assert services.new_devices() == []


def test_a_meter_that_somebody_hung_elsewhere_stays_there(estate: Estate) -> None:
    vacant = Room.objects.get(number="1103")
    elsewhere = ServicePoint.objects.create(room=vacant, code="elsewhere", medium="electricity")
    meter = Meter.objects.create(identity=NEW, serial=NEW)
    services.install_meter(meter, elsewhere, BEGUN)
    station.seed_demo(grown())
    assert Installation.objects.current().get(meter=meter).service_point == elsewhere
    (found,) = measured(ServicePoint.objects.filter(code="E1-B09-U1-F00-L1-EL"))
    assert found.meter is None
