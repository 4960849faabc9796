"""A description of an estate as plain values: what `archive.seed.seed` turns into rows.

Fill it from anywhere (the demo, an import, a test). The tree of places holds service points, a service point holds
the meter that hangs there; the plant is a second tree that names the same meters by `identity`.

    EstatePlan(
        code="E1", name="Linden street",
        buildings=[BuildingPlan(3, "Building 3", [StaircasePlan(2, [FloorPlan(11, [RoomPlan("1102", points=[
            PointPlan("electricity", MeterPlan("1EMH0012345678", "electricity", registers=[
                RegisterPlan("1EMH0012345678/1-0:1.8.0*255", "1-0:1.8.0", "Wh", scaler=-1, billing=True)]))])])])])],
        lines=[LinePlan("L1", "serial:/dev/ttyUSB0", gateway="gw-1", meters=["1EMH0012345678"])],
    )

Codes are made from the numbers (`E1-B03-U2-F11-1102`, and `-EL -CW -HW -GA -HE` for its service points).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

MEDIUM_LETTERS = {"electricity": "EL", "cold_water": "CW", "hot_water": "HW", "gas": "GA", "heat": "HE"}


@dataclass(frozen=True, slots=True)
class RegisterPlan:
    """A register. `key` is `metergate.model.Register.key` of its readings, the name in load profiles.

    `kind` "counter" (energy, volume: differences are consumption) or "gauge" (power, flow: momentary values).
    `scaler`: power of ten of the stored integers. `billing`: the register that figures and bars are made of.
    """

    key: str
    obis: str = ""
    unit: str = ""
    scaler: int = 0
    name: str = ""
    kind: str = "counter"
    period_s: int = 900
    billing: bool = False
    digits: int | None = None


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """A meter. `identity` is `MeterIdentity.id` of its telegrams; `serial` what is printed on it (default the same)."""

    identity: str
    medium: str
    registers: Sequence[RegisterPlan] = ()
    serial: str = ""
    maker: str = ""
    model: str = ""
    year: int | None = None
    protocol: str = ""
    kind: str = "direct"
    calibration_valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class PointPlan:
    """A service point of a room and the meter that hangs there since `since` (default: the plan's `since`)."""

    medium: str
    meter: MeterPlan | None = None
    role: str = "sub"
    parent: str = ""
    ct: Decimal = Decimal(1)
    pt: Decimal = Decimal(1)
    phase_factor: int = 1
    since: datetime | None = None
    start_reading: Decimal | None = None
    tariff: str = ""
    rating: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """A room; `occupant` is the customer's name, "" where it is vacant."""

    number: str
    points: Sequence[PointPlan] = ()
    occupant: str = ""
    area_m2: Decimal | None = None
    persons: int | None = None
    usage: str = "dwelling"


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """A storey of a staircase; 0 is the ground floor."""

    number: int
    rooms: Sequence[RoomPlan] = ()


@dataclass(frozen=True, slots=True)
class StaircasePlan:
    """A unit of a building."""

    number: int
    floors: Sequence[FloorPlan] = ()


@dataclass(frozen=True, slots=True)
class BuildingPlan:
    """A building."""

    number: int
    name: str = ""
    staircases: Sequence[StaircasePlan] = ()


@dataclass(frozen=True, slots=True)
class CollectorPlan:
    """A collector on a line: `meters` by channel number -> meter identity."""

    address: int
    meters: dict[int, str] = field(default_factory=dict)
    serial: str = ""
    power: str = "mains"


@dataclass(frozen=True, slots=True)
class LinePlan:
    """A line; `meters` hang on it directly, without a collector. `baud` 0: it has none, as over TCP."""

    code: str
    port: str
    gateway: str = ""
    name: str = ""
    protocol: str = ""
    baud: int = 9600
    format: str = "8E1"
    collectors: Sequence[CollectorPlan] = ()
    meters: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class EstatePlan:
    """The whole estate. `since`: when meters were installed and people moved in, unless told otherwise."""

    code: str
    name: str
    buildings: Sequence[BuildingPlan] = ()
    lines: Sequence[LinePlan] = ()
    tz: str = "Europe/Berlin"
    currency: str = "EUR"
    locale: str = "en"
    since: datetime | None = None
