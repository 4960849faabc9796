"""What the value information codes mean, as tables: EN 13757-3 §6 (primary, FB, FD) and their qualifiers.

A row is (first code, how many, quantity, unit, power of ten of the first code); the power grows by one per code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from metergate.model import Unit


class Kind(Enum):
    """How the bytes of a value are meant, beyond what its DIF says."""

    NUMBER = "number"
    BITS = "bits"  # flags and codes: never negative
    TIME = "time"  # type G, F, I or J by its size
    OCTETS = "octets"  # a structure of its own, as compact profiles


@dataclass(frozen=True, slots=True)
class Meaning:
    """One code: value = raw x 10^exponent x `factor`, in `unit`. `quantity` None: the tables do not know it."""

    quantity: str | None
    unit: Unit | None = None
    exponent: int = 0
    kind: Kind = Kind.NUMBER
    factor: Decimal | None = None


Row = tuple[int, int, str, Unit | None, int]
U = Unit
_CLOCK = (U.S, U.MIN, U.H, U.D)
_LONG = (U.H, U.D, U.MONTH, U.Y)


def _scaled(rows: Iterable[Row]) -> dict[int, Meaning]:
    return {
        first + step: Meaning(quantity, unit, power + step)
        for first, count, quantity, unit, power in rows
        for step in range(count)
    }


def _durations(rows: Iterable[tuple[int, str, tuple[Unit, ...]]]) -> dict[int, Meaning]:
    return {first + step: Meaning(name, unit) for first, name, units in rows for step, unit in enumerate(units)}


def _plain(kind: Kind, names: str) -> dict[int, Meaning]:
    return {code: Meaning(name, None, 0, kind) for code, name in _pairs(names)}


def _pairs(text: str) -> Iterator[tuple[int, str]]:
    words = text.split()
    return zip((int(word, 16) for word in words[::2]), words[1::2], strict=True)


PRIMARY = (
    _scaled(
        [
            (0x00, 8, "energy", U.WH, -3),
            (0x08, 8, "energy", U.J, 0),
            (0x10, 8, "volume", U.M3, -6),
            (0x18, 8, "mass", U.KG, -3),
            (0x28, 8, "power", U.W, -3),
            (0x30, 8, "power", U.J_PER_H, 0),
            (0x38, 8, "volume_flow", U.M3_PER_H, -6),
            (0x40, 8, "volume_flow", U.M3_PER_MIN, -7),
            (0x48, 8, "volume_flow", U.M3_PER_S, -9),
            (0x50, 8, "mass_flow", U.KG_PER_H, -3),
            (0x58, 4, "flow_temperature", U.DEG_C, -3),
            (0x5C, 4, "return_temperature", U.DEG_C, -3),
            (0x60, 4, "temperature_difference", U.K, -3),
            (0x64, 4, "external_temperature", U.DEG_C, -3),
            (0x68, 4, "pressure", U.BAR, -3),
            (0x6E, 1, "hca", U.HCA, 0),
        ]
    )
    | _durations(
        [
            (0x20, "on_time", _CLOCK),
            (0x24, "operating_time", _CLOCK),
            (0x70, "averaging_duration", _CLOCK),
            (0x74, "actuality_duration", _CLOCK),
        ]
    )
    | _plain(Kind.NUMBER, "78 fabrication_number 79 enhanced_identification 7A bus_address 7E any")
    | _plain(Kind.TIME, "6C time_point 6D time_point")
)
"""EN 13757-3 §6.4.2, by the code without its extension bit."""

_MCAL, _GALLON, _CUBIC_FOOT = Decimal("4.1868"), Decimal("3.785411784"), Decimal("28.316846592")
FB = (
    _scaled(
        [
            (0x00, 2, "energy", U.MWH, -1),
            (0x02, 2, "reactive_energy", U.KVARH, 0),
            (0x04, 2, "apparent_energy", U.KVAH, 0),
            (0x08, 2, "energy", U.GJ, -1),
            (0x10, 2, "volume", U.M3, 2),
            (0x14, 4, "reactive_power", U.KVAR, -3),
            (0x18, 2, "mass", U.T, 2),
            (0x1A, 2, "relative_humidity", U.PERCENT, -1),
            (0x28, 2, "power", U.MW, -1),
            (0x2A, 1, "phase_angle_voltage", U.DEG, -1),
            (0x2B, 1, "phase_angle_current", U.DEG, -1),
            (0x2C, 4, "frequency", U.HZ, -3),
            (0x30, 2, "power", U.GJ_PER_H, -1),
            (0x34, 4, "apparent_power", U.KVA, -3),
            (0x74, 4, "cold_warm_limit", U.DEG_C, -3),
            (0x78, 8, "maximum_power", U.W, -3),
        ]
    )
    | {0x0C + n: Meaning("energy", U.MJ, n - 1, factor=_MCAL) for n in range(4)}
    | {
        0x21: Meaning("volume", U.L, -1, factor=_CUBIC_FOOT),
        0x22: Meaning("volume", U.L, -1, factor=_GALLON),
        0x23: Meaning("volume", U.L, 0, factor=_GALLON),
        0x24: Meaning("volume_flow", U.L_PER_MIN, -3, factor=_GALLON),
        0x25: Meaning("volume_flow", U.L_PER_MIN, 0, factor=_GALLON),
        0x26: Meaning("volume_flow", U.L_PER_H, 0, factor=_GALLON),
    }
)
"""First extension table (VIF FB): larger, electrical and non-metric units, EN 13757-3 §6.4.5."""

FD = (
    _scaled(
        [
            (0x00, 4, "credit", U.CURRENCY, -3),
            (0x04, 4, "debit", U.CURRENCY, -3),
            (0x40, 16, "voltage", U.V, -9),
            (0x50, 16, "current", U.A, -12),
            (0x3A, 1, "dimensionless", None, 0),
            (0x71, 1, "rf_level", U.DBM, 0),
            (0x74, 1, "remaining_battery_life", U.D, 0),
        ]
    )
    | _durations(
        [
            (0x24, "storage_interval", (*_CLOCK, U.MONTH, U.Y)),
            (0x2C, "duration_since_readout", _CLOCK),
            (0x31, "tariff_duration", _CLOCK[1:]),
            (0x34, "tariff_period", (*_CLOCK, U.MONTH, U.Y)),
            (0x68, "duration_since_cumulation", _LONG),
            (0x6C, "battery_operating_time", _LONG),
        ]
    )
    | _plain(
        Kind.BITS,
        "08 access_number 09 medium 0A manufacturer 0B parameter_set 17 error_flags 18 error_mask 1A digital_output "
        "1B digital_input 62 control_signal 63 weekday 64 week 66 parameter_activation",
    )
    | _plain(
        Kind.NUMBER,
        "0C model_version 0D hardware_version 0E firmware_version 0F software_version 10 customer_location "
        "11 customer 12 access_code_user 13 access_code_operator 14 access_code_system 15 access_code_developer "
        "16 password 1C baud_rate 1D response_delay 1E retries 20 first_storage 21 last_storage 22 storage_size "
        "60 reset_counter 61 cumulation_counter 65 time_point_of_day_change 67 supplier_information",
    )
    | _plain(Kind.TIME, "30 tariff_start 70 battery_change")
)
"""Second extension table (VIF FD): identification, electricity, tariffs, durations, EN 13757-3 §6.4.4."""


@dataclass(frozen=True, slots=True)
class Qualifier:
    """What a VIFE does to the meaning before it.

    `tag` tells registers apart that are otherwise alike; `suffix` is added to the quantity's name where the value is
    no longer that quantity; `exponent` and `offset` correct the number; `error` is what the meter says of the record.
    """

    tag: str = ""
    suffix: str = ""
    unit: Unit | None = None
    exponent: int = 0
    offset: Decimal | None = None
    kind: Kind | None = None
    error: str | None = None


RECORD_ERRORS = {
    0x01: "too many DIFEs",
    0x02: "storage number not implemented",
    0x03: "unit number not implemented",
    0x04: "tariff number not implemented",
    0x05: "function not implemented",
    0x06: "data class not implemented",
    0x07: "data size not implemented",
    0x0B: "too many VIFEs",
    0x0C: "illegal VIF group",
    0x0D: "illegal VIF exponent",
    0x0E: "VIF and DIF do not fit",
    0x0F: "action not implemented",
    0x15: "no data available",
    0x16: "data overflow",
    0x17: "data underflow",
    0x18: "data error",
    0x1C: "premature end of record",
}
"""EN 13757-3 §6.5, slave to master."""
ABSENT = "no data available"
"""The record error that says there is no value; the others flag one."""
PROFILES = {0x13: "inverse_compact_profile", 0x1E: "compact_profile_registers", 0x1F: "compact_profile"}
_PER = (
    "s min h d week month year revolution input_pulse_0 input_pulse_1 output_pulse_0 output_pulse_1 "
    "l m3 kg K kWh GJ kW K_l V A"
)
PER = {0x20 + n: name for n, name in enumerate(_PER.split())}
"""Codes 20-35: the value is per one of these."""
RATES = {
    ("volume", U.M3, "h"): ("volume_flow", U.M3_PER_H),
    ("volume", U.M3, "min"): ("volume_flow", U.M3_PER_MIN),
    ("volume", U.M3, "s"): ("volume_flow", U.M3_PER_S),
    ("energy", U.WH, "h"): ("power", U.W),
    ("energy", U.J, "h"): ("power", U.J_PER_H),
    ("mass", U.KG, "h"): ("mass_flow", U.KG_PER_H),
}
"""Where "per" is a quantity of its own."""
_TAGS = (
    "12 average 14 relative_deviation 1D standard_conform 3A uncorrected 3B positive 3C negative 3D non_metric "
    "3E base_conditions 3F obis 7E future"
)


def _limits() -> Iterator[tuple[int, Qualifier]]:
    """Codes 40-4F and 50-5F: the limits, how often, how long and when they were exceeded."""
    for upper in (0, 1):
        side = ("lower_limit", "upper_limit")[upper]
        yield 0x40 | upper << 3, Qualifier(suffix=side)
        yield 0x41 | upper << 3, Qualifier(suffix=f"{side}_exceeds", kind=Kind.BITS)
        for bits in (2, 3, 6, 7):
            which = f"{side}_{('first', 'last')[bits >> 2]}_{('begin', 'end')[bits & 1]}"
            yield 0x40 | upper << 3 | bits, Qualifier(suffix=f"{which}_time", kind=Kind.TIME)
        for bits in range(8):
            which = f"{side}_{('first', 'last')[bits >> 2]}_duration"
            yield 0x50 | upper << 3 | bits, Qualifier(suffix=which, unit=_CLOCK[bits & 3])


def _moments() -> Iterator[tuple[int, Qualifier]]:
    """Codes 60-6F: how long and when the value came about."""
    for last in (0, 1):
        which = ("first", "last")[last]
        for unit in range(4):
            yield 0x60 | last << 2 | unit, Qualifier(suffix=f"{which}_duration", unit=_CLOCK[unit])
        for end in (0, 1):
            name = f"{which}_{('begin', 'end')[end]}_time"
            yield 0x6A | last << 2 | end, Qualifier(suffix=name, kind=Kind.TIME)


QUALIFIERS: dict[int, Qualifier] = (
    {code: Qualifier(tag=name) for code, name in _pairs(_TAGS)}
    | {code: Qualifier(error=text) for code, text in RECORD_ERRORS.items()}
    | {code: Qualifier(tag=name, kind=Kind.OCTETS) for code, name in PROFILES.items()}
    | {0x36 + n: Qualifier(suffix=f"times_{name}") for n, name in enumerate(("s", "s_per_V", "s_per_A"))}
    | {0x39: Qualifier(suffix="start_time", kind=Kind.TIME)}
    | dict(_limits())
    | dict(_moments())
    | {0x70 + n: Qualifier(exponent=n - 6) for n in range(8)}
    | {0x78 + n: Qualifier(offset=Decimal(1).scaleb(n - 3)) for n in range(4)}
    | {0x7D: Qualifier(exponent=3)}
)
"""VIFE codes other than 20-35 (`PER`), 7C (`FC` follows) and 7F (maker's), EN 13757-3 §6.4.7."""
FC = {
    code: Qualifier(tag=name)
    for code, name in _pairs(
        "01 l1 02 l2 03 l3 04 n 05 l1_l2 06 l2_l3 07 l3_l1 08 quadrant_1 09 quadrant_2 0A quadrant_3 0B quadrant_4 "
        "0C import_minus_export 10 absolute 11 type_c 12 type_d"
    )
}
"""What may follow VIFE FC, EN 13757-3 §6.4.8."""
TEXTS = {"%RH": ("relative_humidity", U.PERCENT)}
"""Plain-text units that makers use, and what they mean."""
