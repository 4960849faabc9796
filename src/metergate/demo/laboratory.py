"""The demo's third building: one meter of each further protocol, on a line of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

from metergate.demo.stands import STANDS, Stand
from metergate.meters.usual import USUAL
from metergate.sim.household import Flow, Household
from metergate.sim.meters.dlms import PASSWORD
from metergate.sim.serve import address_of, map_of
from metergate.sim.specs import Bank, MeterSpec
from metergate.station.archive.plan import (
    BuildingPlan,
    FloorPlan,
    LinePlan,
    MeterPlan,
    PointPlan,
    RegisterPlan,
    RoomPlan,
    StaircasePlan,
)

BUILDING, GATEWAY = 9, "gw-laboratory"
PERIOD = 30
"""Seconds between two questions to a meter that is asked."""
STICK = {"baud": "57600", "format": "8N1"}
"""Of the radio receiver."""
_SECRET = 16
_KWH, _M3 = 3_600_000, 1_000_000
"""Units of a household's counters in a kilowatt-hour and a cubic metre."""


@dataclass(frozen=True)
class Laboratory:
    """It exists since `created`; pseudo terminals appear in `ports`, secrets are in `keys`, `tcp` tells the ports of
    the stands that are reached over TCP, by room."""

    created: datetime
    ports: Path
    keys: Path
    tcp: Mapping[str, int] = field(default_factory=dict)

    # --- the station's archive ---
    def building(self) -> BuildingPlan:
        """Its rooms, one a meter."""
        floors: dict[int, list[RoomPlan]] = {}
        for stand in STANDS:
            point = PointPlan(stand.medium, _meter(stand), since=self.created)
            floors.setdefault(stand.floor, []).append(RoomPlan(stand.room, [point], usage="plant"))
        plans = [FloorPlan(floor, rooms) for floor, rooms in floors.items()]
        return BuildingPlan(BUILDING, "Laboratory", [StaircasePlan(1, plans)])

    def lines(self) -> Iterator[LinePlan]:
        """A line a meter."""
        for stand in STANDS:
            usual = USUAL.get(stand.protocol, STICK)
            baud = 0 if stand.tcp else int(usual["baud"])
            yield LinePlan(
                stand.line, self.url(stand), GATEWAY, stand.name, stand.protocol, baud, usual["format"],
                meters=[stand.meter],
            )  # fmt: skip

    # --- the gateway ---
    def url(self, stand: Stand) -> str:
        """Where the gateway finds the meter."""
        if stand.tcp:
            return f"tcp://127.0.0.1:{self.tcp.get(stand.room, stand.tcp)}"
        path = self.ports / stand.line
        return f"stick://{stand.stick}{path}?mode=T1" if stand.stick else str(path)

    def settings(self) -> str:
        """The lines of the gateway's file."""
        return "\n".join(self._line(stand) for stand in STANDS)

    def _line(self, stand: Stand) -> str:
        spec = self.spec(stand, 0)
        text = f'[[line]]\nname = "{stand.line}"\nurl = "{self.url(stand)}"\nprotocol = "{stand.protocol}"\n'
        text += f"period = {PERIOD}\n"
        text += f"options = {{ {stand.options} }}\n" if stand.options else ""
        text += f'[[line.meter]]\nid = "{stand.meter}"\n'
        if stand.asked:
            text += f'address = "{stand.address or address_of(spec)}"\n'
        text += f'map = "{found}"\n' if (found := map_of(spec)) else ""
        text += f"registers = {list(stand.registers)}\n".replace("'", '"') if stand.registers else ""
        files = {name: self.secret(stand, name) for name in stand.keys}
        if alone := files.pop("key", None):
            text += f'key_file = "{alone}"\n'
        if files:
            text += "key_files = { " + ", ".join(f'{name} = "{path}"' for name, path in files.items()) + " }\n"
        return text

    def secret(self, stand: Stand, name: str) -> Path:
        """The file of a key, for its owner only; made when it is wanted first. The password is the simulator's."""
        path = self.keys / f"{stand.line}-{name}.key"
        if not path.exists():
            value = PASSWORD if name == "password" else secrets.token_bytes(_SECRET)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(value.hex())
        return path

    # --- the simulator ---
    def bank(self, today: date) -> Bank:
        """What stands on its bench, reckoned from `today` on."""
        homes = tuple(_home(place, self.created.date()).moved_to(today) for place in range(len(STANDS)))
        specs = tuple(self._stand(stand, place) for place, stand in enumerate(STANDS))
        return Bank(homes, specs, None, datetime.combine(self.created.date(), time(), UTC))

    def _stand(self, stand: Stand, place: int) -> MeterSpec:
        port = self.url(stand).partition("?")[0] if stand.tcp or stand.stick else f"pty://{self.ports / stand.line}"
        names = [name for name in stand.keys if name != "password"]
        key = "".join(self.secret(stand, name).read_text() for name in names)
        return replace(self.spec(stand, place), port=port, key=key)

    def spec(self, stand: Stand, place: int) -> MeterSpec:
        """The meter of household number `place`, without its line and its keys."""
        return MeterSpec(
            stand.protocol, stand.meter, place, stand.kind, mode=stand.mode, every=stand.every, map=stand.map
        )


def _home(place: int, since: date) -> Household:
    """A household whose counters have been running for a while before the laboratory got its meter."""
    before = {
        Flow.IMPORT: (1200 + 731 * place) * _KWH,
        Flow.EXPORT: (310 + 97 * place) * _KWH,
        Flow.COLD_WATER: (64 + 11 * place) * _M3,
        Flow.HOT_WATER: (27 + 5 * place) * _M3,
        Flow.GAS: (840 + 61 * place) * _M3,
        Flow.HEAT: (2100 + 400 * place) * _KWH,
    }
    heating = STANDS[place].medium != "heat"
    base = tuple(before[flow] for flow in Flow)
    return Household(7_000_000 + place, 1 + place % 4, 4800, heating, since, base)


def _meter(stand: Stand) -> MeterPlan:
    shown = [
        RegisterPlan(
            f"{stand.meter}/{one.key}", one.obis, one.unit, one.scaler, one.name,
            "gauge" if one.gauge else "counter", 900, one.billing,
        )
        for one in stand.shown
    ]  # fmt: skip
    return MeterPlan(
        stand.meter, stand.medium, shown, maker=stand.maker, model=stand.model or stand.name, protocol=stand.protocol
    )
