"""A small estate for the tests: one house, nine flats, four media, a line with a collector, two weeks of history."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db.models import Q
from django.utils import timezone

from metergate.model import Severity
from metergate.station.archive import plan
from metergate.station.archive.models import Estate, Register, Room
from metergate.station.archive.seed import seed
from metergate.station.collect import history, services
from metergate.station.collect.models import Event, Presence

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = ("Ada Berg", "Bruno Chen", "Carla Diaz", "Dora Engel", "Emil Fuchs", "Frida Groß", "Gus Holm", "Hana Ito", "")
MEDIA = ("electricity", "cold_water", "hot_water", "gas")
OBIS = {"electricity": "1-0:1.8.0", "cold_water": "8-0:1.0.0", "hot_water": "9-0:1.0.0", "gas": "7-0:3.0.0"}


def meter(medium: str, number: int) -> plan.MeterPlan:
    """A meter with its billing register, and a power register for electricity."""
    identity = f"1{medium[:3].upper()}{number:08}"
    unit, scaler = ("Wh", 0) if medium == "electricity" else ("m3", -3)
    registers = [
        plan.RegisterPlan(f"{identity}/{OBIS[medium]}*255", OBIS[medium], unit, scaler, name="Import", billing=True)
    ]
    if medium == "electricity":
        registers.append(
            plan.RegisterPlan(f"{identity}/1-0:16.7.0*255", "1-0:16.7.0", "W", 0, name="Power", kind="gauge")
        )
    return plan.MeterPlan(
        identity,
        medium,
        registers,
        maker="Nordmess",
        model=f"{medium[:2].upper()}-200",
        year=2022,
        protocol="sml" if medium == "electricity" else "mbus",
        calibration_valid_to=date(2030, 12, 31),
    )


def estate_plan(code: str = "E1") -> plan.EstatePlan:
    """Building 3, staircase 2, floors 9 to 11, three flats each; 1103 is vacant and has no meter."""
    floors, meters = [], []
    number = 0
    for floor in (9, 10, 11):
        rooms = []
        for flat in (1, 2, 3):
            name = NAMES[number]
            points = [plan.PointPlan(medium, meter(medium, number), tariff="T1") for medium in MEDIA] if name else []
            meters += [point.meter.identity for point in points if point.meter]
            rooms.append(plan.RoomPlan(f"{floor:02}{flat:02}", points, name, area_m2=Decimal("71.50"), persons=2))
            number += 1
        floors.append(plan.FloorPlan(floor, rooms))
    return plan.EstatePlan(
        code,
        "Linden Street",
        [plan.BuildingPlan(3, "Building 3", [plan.StaircasePlan(2, floors)])],
        [
            plan.LinePlan(
                "L1",
                "serial:/dev/ttyS1",
                gateway="gw-1",
                name="Line 1",
                protocol="mgc1",
                collectors=[plan.CollectorPlan(18, dict(enumerate(meters[:16], 1)), power="ups")],
                meters=meters[16:],
            )
        ],
        since=SINCE,
    )


def build(days: int = 3, now: datetime | None = None) -> Estate:
    """The estate with history up to now, latest values, an alarm and a gateway that is up."""
    now = (now or timezone.now()).replace(microsecond=0)
    estate = seed(estate_plan())
    registers = list(Register.objects.order_by("pk"))
    history.fill(registers, now - timedelta(days=days), now, values)
    note_latest(registers, now)
    services.heard(Presence.Kind.GATEWAY, "gw-1", now)
    services.heard(Presence.Kind.LINE, "L1", now, round_ms=840)
    services.note_trace("L1", now, "rx", bytes.fromhex("7e010012050200"), "mgc1", "status of collector 18")
    room = Room.objects.get(number="0902")
    Event.objects.create(
        time=now - timedelta(minutes=9), source="1GAS00000001", code="GAS_ALARM", severity=Severity.ALARM,
        room=room, estate=estate,
    )  # fmt: skip
    return estate


def values(
    register: Register, times: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A believable course: two humps a day, each register with its own size."""
    hour = (times / 3.6e6) % 24
    shape = 0.35 + np.exp(-((hour - 7) ** 2) / 4) + 1.6 * np.exp(-((hour - 18.5) ** 2) / 7)
    noise = np.random.default_rng(register.pk).uniform(0.4, 1.6, len(times))
    size = 0.5 + (register.pk * 37 % 11) / 10
    if register.kind == Register.Kind.GAUGE:
        return (260 * shape * noise * size).astype(np.int64)
    step = {"Wh": 65, "m3": 4}[register.unit]
    return 1_234_000 + np.cumsum(step * shape * noise * size).astype(np.int64)


def note_latest(registers: list[Register], now: datetime) -> None:
    """The newest value of each register; the meters of 1002 fell silent four hours ago."""
    silent = set(
        Register.objects.filter(Q(meter__installations__service_point__room__number="1002")).values_list(
            "pk", flat=True
        )
    )
    found = history.load(registers, now - timedelta(days=1), now)
    rows = []
    for register in registers:
        last = found[register.pk].last()
        if last is None:
            continue
        at = last[0] - timedelta(hours=4) if register.pk in silent else last[0]
        rows.append(services.Newest(register.pk, last[1], at, at))
    services.note_latest(rows)
