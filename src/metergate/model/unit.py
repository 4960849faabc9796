"""Units, their DLMS codes (IEC 62056-62) and exact conversion."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from functools import cached_property


class Unit(Enum):
    """A unit as it is printed; `Unit("kWh")` finds one by its text."""

    WH, KWH, MWH = "Wh", "kWh", "MWh"
    J, KJ, MJ, GJ = "J", "kJ", "MJ", "GJ"
    W, KW, MW = "W", "kW", "MW"
    J_PER_H, KJ_PER_H, MJ_PER_H, GJ_PER_H = "J/h", "kJ/h", "MJ/h", "GJ/h"
    VAR, KVAR = "var", "kvar"
    VARH, KVARH = "varh", "kvarh"
    VA, KVA = "VA", "kVA"
    VAH, KVAH = "VAh", "kVAh"
    V, MV, A, MA, HZ = "V", "mV", "A", "mA", "Hz"
    M3, L = "m3", "l"
    M3_PER_H, L_PER_H, M3_PER_MIN, M3_PER_S, L_PER_MIN = "m3/h", "l/h", "m3/min", "m3/s", "l/min"
    KG, KG_PER_H, T = "kg", "kg/h", "t"
    DEG_C, K = "degC", "K"
    BAR, PA = "bar", "Pa"
    S, MIN, H, D, MONTH, Y = "s", "min", "h", "d", "month", "y"
    PERCENT, DEG = "%", "deg"
    HCA, M3_DEG_C = "hca", "m3*degC"
    YUAN, CURRENCY = "yuan", "currency"
    DBM, LUX, PPM = "dBm", "lx", "ppm"
    V2H, A2H = "V2h", "A2h"

    @cached_property
    def _scale(self) -> tuple[str, Decimal]:
        return _SCALES.get(self.value, (self.value, Decimal(1)))

    def into(self, other: Unit) -> Decimal:
        """The exact factor from this unit into `other`; ValueError if they measure different things."""
        (mine, factor), (base, per) = self._scale, other._scale
        if mine != base:
            raise ValueError(f"{self.value} cannot be turned into {other.value}")
        return factor / per


_DIMENSIONS = {
    "J": "J 1 kJ 1E3 MJ 1E6 GJ 1E9 Wh 3600 kWh 36E5 MWh 36E8",
    "J/h": "J/h 1 kJ/h 1E3 MJ/h 1E6 GJ/h 1E9 W 3600 kW 36E5 MW 36E8",
    "l": "l 1 m3 1E3",
    "l/h": "l/h 1 m3/h 1E3 l/min 60 m3/min 6E4 m3/s 36E5",
    "Pa": "Pa 1 bar 1E5",
    "s": "s 1 min 60 h 3600 d 86400",
    "var": "var 1 kvar 1E3",
    "varh": "varh 1 kvarh 1E3",
    "VA": "VA 1 kVA 1E3",
    "VAh": "VAh 1 kVAh 1E3",
    "V": "V 1 mV 1E-3",
    "A": "A 1 mA 1E-3",
    "kg": "kg 1 t 1E3",
}
_SCALES = {
    name: (base, Decimal(factor))
    for base, line in _DIMENSIONS.items()
    for name, factor in zip(line.split()[::2], line.split()[1::2], strict=True)
}

DLMS_UNITS: dict[int, Unit | None] = {
    7: Unit.S,
    8: Unit.DEG,
    9: Unit.DEG_C,
    10: Unit.CURRENCY,
    13: Unit.M3,
    14: Unit.M3,
    27: Unit.W,
    28: Unit.VA,
    29: Unit.VAR,
    30: Unit.WH,
    31: Unit.VAH,
    32: Unit.VARH,
    33: Unit.A,
    35: Unit.V,
    37: Unit.J,
    44: Unit.HZ,
    46: Unit.V2H,
    47: Unit.A2H,
    56: Unit.PERCENT,
    255: None,
}
"""Unit by DLMS code; None for the code that says "no unit". A code not in here is unknown."""
DLMS_CODES: dict[Unit, int] = {unit: code for code, unit in reversed(DLMS_UNITS.items()) if unit is not None}
"""The inverse; m3 is 13."""
