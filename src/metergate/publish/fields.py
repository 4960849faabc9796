"""Which register is which field of a published message. A table; `field_of` looks a register up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from metergate.model import Function, Medium, Register, Unit


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its name in messages, the unit it is given in, and what Home Assistant calls its kind.

    `unit` None: as the meter gives it.
    """

    name: str
    title: str
    unit: Unit | None = None
    device_class: str | None = None
    state_class: str | None = None
    diagnostic: bool = False

    def factor(self, unit: Unit | None) -> Decimal:
        """What a value in `unit` is multiplied with; ValueError if it measures something else."""
        if self.unit is None or unit is self.unit:
            return Decimal(1)
        if unit is None:
            raise ValueError(f"{self.name} without a unit")
        return unit.into(self.unit).normalize()


IMPORT = Field("import", "Import", Unit.KWH, "energy", "total_increasing")
EXPORT = Field("export", "Export", Unit.KWH, "energy", "total_increasing")
ENERGY = Field("energy", "Energy", None, "energy", "total_increasing")
COOLING = Field("cooling_energy", "Cooling energy", None, "energy", "total_increasing")
POWER = Field("power", "Power", Unit.KW, "power", "measurement")
POWER_IN = Field("import_power", "Import power", Unit.KW, "power", "measurement")
POWER_OUT = Field("export_power", "Export power", Unit.KW, "power", "measurement")
VOLUME = Field("volume", "Volume", Unit.M3, "water", "total_increasing")
FLOW = Field("flow", "Flow", Unit.M3_PER_H, "volume_flow_rate", "measurement")
FLOW_TEMPERATURE = Field("flow_temperature", "Flow temperature", Unit.DEG_C, "temperature", "measurement")
RETURN_TEMPERATURE = Field("return_temperature", "Return temperature", Unit.DEG_C, "temperature", "measurement")
ALLOCATION = Field("allocation", "Heat allocation", None, None, "total_increasing")
COST = Field("cost", "Cost", None, "monetary", "total")
STANDING = Field("standing", "Standing charge", None, "monetary", "total")
RSSI = Field("rssi", "Signal strength", Unit.DBM, "signal_strength", "measurement", True)


def _phases() -> dict[str, Field]:
    kinds = ((32, "voltage", Unit.V), (31, "current", Unit.A))
    return {
        f"1:{first + 20 * phase}.7.0": Field(
            f"{name}_l{phase + 1}", f"{name.title()} L{phase + 1}", unit, name, "measurement"
        )
        for first, name, unit in kinds
        for phase in range(3)
    }


def _tariffs() -> dict[str, Field]:
    return {
        f"1:{c}.8.{tariff}": replace(total, name=f"{total.name}_t{tariff}", title=f"{total.title} tariff {tariff}")
        for c, total in ((1, IMPORT), (2, EXPORT))
        for tariff in range(1, 9)
    }


BY_OBIS: Mapping[str, Field] = {
    "1:1.8.0": IMPORT,
    "1:2.8.0": EXPORT,
    "1:16.7.0": POWER,
    "1:1.7.0": POWER_IN,
    "1:2.7.0": POWER_OUT,
    "1:14.7.0": Field("frequency", "Frequency", Unit.HZ, "frequency", "measurement"),
    "1:13.7.0": Field("power_factor", "Power factor", None, "power_factor", "measurement"),
    "7:3.0.0": replace(VOLUME, device_class="gas"),
    "7:3.1.0": replace(VOLUME, name="volume_converted", title="Converted volume", device_class="gas"),
    "8:1.0.0": VOLUME,
    "9:1.0.0": VOLUME,
    "6:1.0.0": ENERGY,
    "5:1.0.0": COOLING,
    "6:2.0.0": replace(VOLUME, device_class="volume"),
    "5:2.0.0": replace(VOLUME, device_class="volume"),
    "6:8.0.0": POWER,
    "6:9.0.0": FLOW,
    "6:10.0.0": FLOW_TEMPERATURE,
    "6:11.0.0": RETURN_TEMPERATURE,
    "4:1.0.0": ALLOCATION,
    **_tariffs(),
    **_phases(),
}
"""Field by groups A, C, D, E of the OBIS code (`A:C.D.E`): group B, the channel, does not matter."""

BY_QUANTITY: Mapping[str, Field] = {
    "energy": ENERGY,
    "volume": VOLUME,
    "power": POWER,
    "volume_flow": FLOW,
    "flow_temperature": FLOW_TEMPERATURE,
    "return_temperature": RETURN_TEMPERATURE,
    "hca": ALLOCATION,
    "cost": COST,
    "standing_charge": STANDING,
    "rssi": RSSI,
}
"""Field by quantity, for meters that send no OBIS code."""

RATE = Field("rate", "Rate")
DERIVED: Mapping[str, tuple[tuple[Field, int], ...]] = {
    "import": tuple((f, 1) for key, f in BY_OBIS.items() if re.fullmatch(r"1:1\.8\.[1-8]", key)),
    "export": tuple((f, 1) for key, f in BY_OBIS.items() if re.fullmatch(r"1:2\.8\.[1-8]", key)),
    "power": ((POWER_IN, 1), (POWER_OUT, -1)),
}
"""What is computed where the meter does not send it: totals from tariff registers, power from both directions."""

_DEVICE_CLASS = {
    Medium.GAS: "gas",
    Medium.HEAT: "volume",
    Medium.HEAT_INLET: "volume",
    Medium.HEAT_COOLING: "volume",
    Medium.COOLING: "volume",
    Medium.COOLING_INLET: "volume",
}
_ELECTRIC = {"energy": IMPORT}


@lru_cache(4096)
def field_of(register: Register, medium: Medium | None = None) -> Field | None:
    """The field of a register, or None: a stored value, a maximum, or something that the table does not know."""
    if register.function is not Function.INSTANTANEOUS or register.storage:
        return None
    found = _look_up(register, medium)
    if found is None:
        return None
    try:
        found.factor(register.unit)
    except ValueError:
        return None
    return found


def _look_up(register: Register, medium: Medium | None) -> Field | None:
    code = register.obis
    if code is not None:
        return BY_OBIS.get(f"{code.a}:{code.c}.{code.d}.{code.e}") if code.f == 255 else None
    if register.tariff or register.subunit or register.quantity is None:
        return None
    if medium is Medium.ELECTRICITY and register.quantity in _ELECTRIC:
        return _ELECTRIC[register.quantity]
    found = BY_QUANTITY.get(register.quantity)
    if found is VOLUME and medium in _DEVICE_CLASS:
        return replace(VOLUME, device_class=_DEVICE_CLASS[medium])
    return found


def derive(values: dict[str, Decimal]) -> None:
    """Add to `values`, by field name, what can be computed from them and is not there."""
    for name, parts in DERIVED.items():
        if name not in values:
            found = [sign * values[part.name] for part, sign in parts if part.name in values]
            if found:
                values[name] = sum(found, Decimal(0))
