"""A station with 10,000 registers in the database that the environment names; prints seconds of its pages as JSON.

METERGATE_STATION_DATABASE=... python -m bench._station_pages
"""

from __future__ import annotations

import json
import statistics
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metergate.station.archive.plan import EstatePlan

REGISTERS = 10_000
ROUNDS = 7
PAGES = {
    "readings page of 10,000 registers": "/readings",
    "readings page of 10,000 registers, filtered and sorted": "/readings?state=live&medium=gas&sort=-value&page=3",
    "missing page of 10,000 registers": "/readings/missing",
    "list of 2,500 rooms": "/estate?view=list&sort=-points",
}


def main() -> None:
    from metergate.station import services

    services.setup({"METERGATE_STATION_HOSTS": "testserver"})
    from django.test import Client

    from metergate.station.archive.seed import seed
    from metergate.station.staff.models import Operator
    from metergate.station.staff.services import create_operator

    seed(_estate())
    _latest()
    create_operator("ops", "administrator", password="correct horse battery")
    client = Client()
    client.force_login(Operator.objects.get())
    print(json.dumps({name: _seconds(client, address) for name, address in PAGES.items()}))


def _seconds(client: object, address: str) -> float:
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        answer = client.get(address)  # type: ignore[attr-defined]
        took.append(time.perf_counter() - start)
        assert answer.status_code == 200
        assert b"Page " in answer.content, address
    return statistics.median(took)


def _estate() -> EstatePlan:
    from metergate.station.archive import plan

    media = ("electricity", "cold_water", "hot_water", "gas")
    obis = dict(zip(media, ("1-0:1.8.0", "8-0:1.0.0", "9-0:1.0.0", "7-0:3.0.0"), strict=True))

    def point(medium: str, number: int) -> plan.PointPlan:
        identity = f"{medium[:3].upper()}{number:08}"
        unit, scaler = ("Wh", 0) if medium == "electricity" else ("m3", -3)
        register = plan.RegisterPlan(f"{identity}/{obis[medium]}*255", obis[medium], unit, scaler, billing=True)
        return plan.PointPlan(medium, plan.MeterPlan(identity, medium, [register]))

    numbers = iter(range(REGISTERS // len(media)))
    buildings = [
        plan.BuildingPlan(
            house,
            "",
            [
                plan.StaircasePlan(
                    1,
                    [
                        plan.FloorPlan(
                            floor,
                            [
                                plan.RoomPlan(f"{floor:02}{flat:02}", [point(m, number) for m in media], f"N {number}")
                                for flat, number in zip(range(10), numbers, strict=False)
                            ],
                        )
                        for floor in range(25)
                    ],
                )
            ],
        )
        for house in range(1, REGISTERS // len(media) // 250 + 1)
    ]
    return plan.EstatePlan("E1", "Large", buildings, since=datetime(2025, 1, 1, tzinfo=UTC))


def _latest() -> None:
    """Every twentieth has been silent for hours."""
    from metergate.station.archive.models import Register
    from metergate.station.collect import services

    now = datetime.now(UTC)
    keys = Register.objects.order_by("pk").values_list("pk", flat=True)
    ages = [timedelta(hours=5) if place % 20 == 0 else timedelta(minutes=1) for place in range(len(keys))]
    services.note_latest(
        [services.Newest(pk, Decimal(pk), now - age, now - age) for pk, age in zip(keys, ages, strict=True)]
    )


if __name__ == "__main__":
    main()
