"""Simulated electricity meters of Modbus: any map, served with the household's values."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from metergate.errors import ConfigError
from metergate.meters.map import MeterMap, load_maps
from metergate.model import Obis, Unit
from metergate.sim.meters.base import source
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Responder
from metergate.wire.modbus import RTU, TCP
from metergate.wire.modbus.points import Point

USUAL = "eastron_sdm120_modbus"
"""The model of a meter whose file names none."""
LIKE = {
    Obis.parse("1-0:12.7.0"): Obis.parse("1-0:32.7.0"),
    Obis.parse("1-0:11.7.0"): Obis.parse("1-0:31.7.0"),
    Obis.parse("1-0:90.7.0"): Obis.parse("1-0:31.7.0"),
    Obis.parse("1-0:36.7.0"): Obis.parse("1-0:16.7.0"),
    Obis.parse("1-0:21.8.0"): Obis.parse("1-0:1.8.0"),
    Obis.parse("1-0:22.8.0"): Obis.parse("1-0:2.8.0"),
}
"""The household has one phase: what models call otherwise."""
UNITS = {Unit.WH: Unit.KWH, Unit.W: Unit.KW}
"""What the household counts in for a point's unit, where that is another."""


def meter(spec: MeterSpec, bank: Bank) -> Responder:
    """The meter as it answers on a serial bus (or over TCP in the same frames)."""
    return _meter(spec, bank, RTU)


def meter_tcp(spec: MeterSpec, bank: Bank) -> Responder:
    """The meter as it answers Modbus TCP."""
    return _meter(spec, bank, TCP)


def _meter(spec: MeterSpec, bank: Bank, framing: str) -> Responder:
    from metergate.wire.modbus.meter import Meter

    model, show = _model(spec), source(spec, bank)
    who = (model.brand, model.model, "1.0")
    return Meter(unit(spec), model.point, lambda point, now: shown(point, show, now), framing, who)


def _model(spec: MeterSpec) -> MeterMap:
    found = load_maps().get(spec.map or USUAL)
    if found is None or not found.point:
        raise ConfigError(f"meter {spec.id}: {spec.map!r} is no map of Modbus")
    return found


def unit(spec: MeterSpec) -> int:
    """The unit's number: from the meter's, as nobody sets it."""
    return int(spec.id) % 247 + 1


def shown(point: Point, show: HouseholdSource, now: datetime) -> Decimal:
    """What the point shows; 0 for what the household does not have."""
    if point.obis is None:
        return Decimal(0)
    value = show(LIKE.get(point.obis, point.obis), now)
    if value is None or point.unit is None:
        return value or Decimal(0)
    return value * UNITS.get(point.unit, point.unit).into(point.unit)
