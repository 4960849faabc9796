"""The demo's street as everybody needs it: the simulator's files, the gateways' settings, the station's archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import metergate.sim
from metergate.demo.laboratory import Laboratory
from metergate.model import Obis
from metergate.sim.household import Flow, Household
from metergate.sim.meters import HEAT, HOT_WATER
from metergate.sim.specs import Bank, MeterSpec, save
from metergate.sim.street import COLLECTORS, Dwelling, Street
from metergate.station.archive.plan import (
    BuildingPlan,
    CollectorPlan,
    EstatePlan,
    FloorPlan,
    LinePlan,
    MeterPlan,
    PointPlan,
    RegisterPlan,
    RoomPlan,
    StaircasePlan,
)

GROUP, STREET_GATEWAY, HOUSE_GATEWAY = "demo", "gw-street", "gw-house"
SML_METER, CAPTURED_METER = "1MGT0000000007", "0901454d48000041f045"
TAPE = Path(metergate.sim.__file__).parent / "recordings" / "emh-ehz.tape"
RADIO_KEY = "2B7E151628AED2A6ABF7158809CF4F3C"
"""Key of the simulated radio meters: it protects nothing."""


@dataclass(frozen=True)
class Wire:
    """A register of the demo: its meter, household, flow (None: momentary), and the units of the counter in a step."""

    meter: str
    obis: str
    unit: str
    scaler: int
    home: Household | None = None
    flow: Flow | None = None
    step: int = 1
    factor: int = 1
    name: str = ""

    @property
    def key(self) -> str:
        """As the readings name it."""
        return f"{self.meter}/{Obis.parse(self.obis).full}"

    @property
    def plan(self) -> RegisterPlan:
        """As the archive knows it."""
        counter = self.flow is not None or self.home is None
        billing = counter and self.obis != "1-0:2.8.0"
        kind = "counter" if counter and "16.7" not in self.obis else "gauge"
        return RegisterPlan(
            self.key, self.obis, self.unit, self.scaler, self.name, kind, 900, billing and kind == "counter"
        )


def electricity(meter: str, home: Household | None, small: bool = False) -> list[Wire]:
    """Import, export and power; `small` in Wh and W as SML has them, else kWh by the collector in 10^-3."""
    unit, scaler, step, factor = ("Wh", -1, 360, 1) if small else ("kWh", -3, 36_000, 10)
    power = ("W", 0) if small else ("kW", -3)
    found = [Wire(meter, "1-0:1.8.0", unit, scaler, home, Flow.IMPORT, step, factor, "Import")]
    if home and home.pv_watts:
        found.append(Wire(meter, "1-0:2.8.0", unit, scaler, home, Flow.EXPORT, step, factor, "Export"))
    return [*found, Wire(meter, "1-0:16.7.0", *power, home, None, name="Power")]


def wires(dwelling: Dwelling) -> dict[str, list[Wire]]:
    """Medium -> the registers of a dwelling."""
    home = dwelling.home
    found = {
        "electricity": electricity(dwelling.electricity, home),
        "cold_water": [Wire(dwelling.cold_water, "8-0:1.0.0", "m3", -3, home, Flow.COLD_WATER, 10_000, 10, "Volume")],
        "hot_water": [Wire(dwelling.hot_water, "9-0:1.0.0", "m3", -3, home, Flow.HOT_WATER, 1000, 1, "Volume")],
    }
    if dwelling.gas:
        found["gas"] = [Wire(dwelling.gas, "7-0:3.0.0", "m3", -3, home, Flow.GAS, 10_000, 10, "Volume")]
    if dwelling.heat:
        found["heat"] = [Wire(dwelling.heat, "6-0:1.0.0", "Wh", 3, home, Flow.HEAT, 3_600_000, 1, "Energy")]
    return found


def all_wires(street: Street) -> Iterator[Wire]:
    """Every register that has a history."""
    for dwelling in street.dwellings:
        for found in wires(dwelling).values():
            yield from found
    yield from electricity(SML_METER, street.house, small=True)


# --- the station's archive -------------------------------------------------------------------------------------------
_PROTOCOLS = {"electricity": "dlt645", "cold_water": "cjt188", "gas": "cjt188", "hot_water": "wmbus", "heat": "wmbus"}


def estate(street: Street, laboratory: Laboratory) -> EstatePlan:
    """The archive: two buildings of flats, the house and the laboratory."""
    buildings = [_building(street, number) for number in COLLECTORS]
    since = datetime.combine(street.created, time(), UTC)
    lines = [*_lines(street, laboratory.ports), *laboratory.lines()]
    buildings += [_house(street, laboratory.created), laboratory.building()]
    return EstatePlan("E1", "Linden street", buildings, lines, since=since)


def _building(street: Street, number: int) -> BuildingPlan:
    floors: dict[int, list[RoomPlan]] = {}
    for dwelling in street.dwellings:
        if dwelling.building == number:
            points = [_point(medium, found) for medium, found in wires(dwelling).items()]
            area = Decimal(48 + 13 * dwelling.home.persons)
            room = RoomPlan(dwelling.number, points, dwelling.occupant, area, dwelling.home.persons)
            floors.setdefault(dwelling.floor, []).append(room)
    plans = [FloorPlan(floor, rooms) for floor, rooms in floors.items()]
    return BuildingPlan(number, f"Linden street {number}", [StaircasePlan(1, plans)])


def _house(street: Street, recorded: datetime) -> BuildingPlan:
    """The meter that is a recording began at `recorded`: nothing is known of it before."""
    captured = electricity(CAPTURED_METER, None, small=True)
    points = [
        PointPlan("electricity", _meter(SML_METER, "electricity", electricity(SML_METER, street.house, True), "sml")),
        PointPlan(
            "electricity",
            _meter(CAPTURED_METER, "electricity", captured, "sml", "EMH", "eHZ"),
            role="check",
            since=recorded,
        ),
    ]
    room = RoomPlan("7", points, "Ingrid and Paul Falk", Decimal(164), street.house.persons)
    return BuildingPlan(7, "Linden street 7", [StaircasePlan(1, [FloorPlan(0, [room])])])


def _point(medium: str, found: list[Wire]) -> PointPlan:
    return PointPlan(medium, _meter(found[0].meter, medium, found, _PROTOCOLS[medium]))


def _meter(
    identity: str, medium: str, found: list[Wire], protocol: str, maker: str = "Simulated", model: str = ""
) -> MeterPlan:
    registers = [wire.plan for wire in found]
    return MeterPlan(identity, medium, registers, maker=maker, model=model or f"{protocol} meter", protocol=protocol)


def _lines(street: Street, ports: Path) -> list[LinePlan]:
    collectors = [
        CollectorPlan(address, dict(_channels(street, building)), f"{address:08d}")
        for building, address in COLLECTORS.items()
    ]
    radio = [meter for dwelling in street.dwellings for meter in (dwelling.hot_water, dwelling.heat) if meter]
    return [
        LinePlan("rs485", str(ports / "rs485"), STREET_GATEWAY, "Collectors", "mgc1", 9600, "8N1", collectors),
        LinePlan("radio", str(ports / "radio"), STREET_GATEWAY, "Radio", "wmbus", 115200, "8N1", meters=radio),
        LinePlan("house", str(ports / "house"), HOUSE_GATEWAY, "House 7", "sml", 9600, "8N1", meters=[SML_METER]),
        LinePlan("ehz", str(ports / "ehz"), HOUSE_GATEWAY, "Recording", "sml", 9600, "8N1", meters=[CAPTURED_METER]),
    ]


def _channels(street: Street, building: int) -> Iterator[tuple[int, str]]:
    for dwelling in street.dwellings:
        if dwelling.building == building:
            meters = (dwelling.electricity, dwelling.cold_water, dwelling.gas)
            yield from ((dwelling.channel + place, meter) for place, meter in enumerate(meters) if meter)


# --- the simulator's files -------------------------------------------------------------------------------------------
def write_simulation(street: Street, laboratory: Laboratory, today: date, folder: Path) -> None:
    """A file for each simulator process, reckoned from `today` on."""
    moved = street.at(today)
    since = datetime.combine(street.created, time(), UTC)
    for building in COLLECTORS:
        save(folder / f"building{building}.json", Bank(moved.homes, tuple(_bus(moved, building)), None, since))
    save(folder / "radio.json", Bank(moved.homes, tuple(_radio(moved)), None, since))
    house = MeterSpec("sml", SML_METER, len(moved.dwellings), every=1.0)
    save(folder / "house.json", Bank(moved.homes, (house,), None, since))
    bench = folder / "laboratory.json"
    bench.touch(mode=0o600)
    save(bench, laboratory.bank(today))


def _bus(street: Street, building: int) -> Iterator[MeterSpec]:
    for home, dwelling in enumerate(street.dwellings):
        if dwelling.building == building:
            yield MeterSpec("dlt645", dwelling.electricity, home, channel=dwelling.channel)
            yield MeterSpec("cjt188", dwelling.cold_water, home, 0x10, channel=dwelling.channel + 1)
            if dwelling.gas:
                yield MeterSpec("cjt188", dwelling.gas, home, 0x30, channel=dwelling.channel + 2)


def _radio(street: Street) -> Iterator[MeterSpec]:
    for home, dwelling in enumerate(street.dwellings):
        yield MeterSpec("wmbus", dwelling.hot_water, home, HOT_WATER, RADIO_KEY, 5 if home % 2 else 7, every=16.0)
        if dwelling.heat:
            yield MeterSpec("wmbus", dwelling.heat, home, HEAT, RADIO_KEY, 5, every=16.0)
