"""Who a meter is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Medium(Enum):
    """What a meter measures; the names of EN 13757-3's device types."""

    OTHER = "other"
    OIL = "oil"
    ELECTRICITY = "electricity"
    GAS = "gas"
    HEAT = "heat"
    STEAM = "steam"
    WARM_WATER = "warm water"
    WATER = "water"
    HEAT_COST_ALLOCATOR = "heat cost allocator"
    COMPRESSED_AIR = "compressed air"
    COOLING = "cooling load"
    COOLING_INLET = "cooling load (inlet)"
    HEAT_INLET = "heat (inlet)"
    HEAT_COOLING = "heat/cooling load"
    BUS = "bus/system"
    UNKNOWN = "unknown"
    HOT_WATER = "hot water"
    COLD_WATER = "cold water"
    DUAL_WATER = "dual water"
    PRESSURE = "pressure"
    AD_CONVERTER = "a/d converter"
    SMOKE = "smoke detector"
    ROOM_SENSOR = "room sensor"
    GAS_DETECTOR = "gas detector"
    SENSOR = "reserved for sensors"
    RADIO_CONVERTER = "radio converter"


@dataclass(frozen=True, slots=True)
class MeterIdentity:
    """What a telegram tells of its meter. `id` as printed on the device; the rest None where it does not tell."""

    id: str
    manufacturer: str | None = None
    medium: Medium | None = None
    version: int | None = None
    model: str | None = None
