"""What a reply to 901F holds: registers by type of meter, unit codes, status bits (CJ/T 188-2004)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metergate.bits import bcd_reversed
from metergate.errors import Truncated
from metergate.model import Medium, Obis, Unit

HEAT_TYPES = range(0x20, 0x30)


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of meter: its medium, group A of OBIS, the code of its counter and the unit where the reply has none."""

    medium: Medium
    a: int
    counter: tuple[int, int]
    unit: Unit | None


WATER = (1, 0)
KINDS: dict[int, Kind] = {
    0x10: Kind(Medium.COLD_WATER, 8, WATER, Unit.M3),
    0x11: Kind(Medium.HOT_WATER, 9, WATER, Unit.M3),
    0x12: Kind(Medium.WATER, 8, WATER, Unit.M3),
    0x13: Kind(Medium.WATER, 8, WATER, Unit.M3),
    0x20: Kind(Medium.HEAT, 6, (1, 0), None),
    0x21: Kind(Medium.COOLING, 5, (1, 0), None),
    0x30: Kind(Medium.GAS, 7, (3, 0), Unit.M3),
    0x40: Kind(Medium.ELECTRICITY, 1, (1, 8), Unit.KWH),
}
UNITS: dict[int, tuple[Unit, int]] = {
    0x01: (Unit.J, 2),
    0x02: (Unit.WH, 2),
    0x05: (Unit.KWH, 2),
    0x08: (Unit.MWH, 2),
    0x0B: (Unit.KJ, 2),
    0x0E: (Unit.MJ, 2),
    0x0F: (Unit.GJ, 2),
    0x14: (Unit.W, 2),
    0x17: (Unit.KW, 2),
    0x1A: (Unit.MW, 2),
    0x29: (Unit.L, 0),
    0x2C: (Unit.M3, 2),
    0x32: (Unit.L_PER_H, 4),
    0x35: (Unit.M3_PER_H, 4),
}
"""Unit code -> unit, decimals of the eight BCD digits before it."""
CODES = {unit: (code, decimals) for code, (unit, decimals) in UNITS.items()}


def obis(meter_type: int, c: int, d: int = 0, storage: int = 0) -> Obis | None:
    """`A-0:C.D.0*F` of a register of this type of meter; F is the storage number."""
    kind = KINDS.get(meter_type)
    return Obis(kind.a, 0, c, d, 0, storage or 255) if kind else None


@dataclass(frozen=True, slots=True)
class Part:
    """A register in a reply: `size` octets BCD, then a unit code if `coded`; else `unit` and `decimals`."""

    quantity: str
    c: int
    d: int = 0
    storage: int = 0
    size: int = 4
    coded: bool = True
    unit: Unit | None = None
    decimals: int = 2


HEAT = (
    Part("energy", 1, storage=1),
    Part("energy", 1),
    Part("power", 8),
    Part("volume flow", 9),
    Part("volume", 2),
    Part("flow temperature", 10, size=3, coded=False, unit=Unit.DEG_C),
    Part("return temperature", 11, size=3, coded=False, unit=Unit.DEG_C),
    Part("operating time", 0, size=3, coded=False, unit=Unit.H, decimals=0),
)
"""Registers of a heat or cooling meter, before time and status."""


def counters(meter_type: int) -> tuple[Part, ...]:
    """Registers of every other meter: present total and that of the settlement day."""
    c, d = KINDS[meter_type].counter if meter_type in KINDS else (1, 0)
    name = "energy" if meter_type == 0x40 else "volume"
    return Part(name, c, d), Part(name, c, d, storage=1)


def size_of(parts: tuple[Part, ...]) -> int:
    """Octets of these registers."""
    return sum(part.size + part.coded for part in parts)


def layout(meter_type: int, size: int) -> tuple[tuple[Part, ...], bool]:
    """`(registers, has time)` of a payload of `size` octets. Truncated if no layout ends there.

    Registers, 7 octets time, 2 status; makers leave out the time, or all but the present total without its unit.
    """
    short = KINDS.get(meter_type)
    plain = counters(meter_type)[0]
    only = Part(plain.quantity, plain.c, plain.d, coded=False, unit=short.unit if short else None)
    for parts in (counters(meter_type), *([HEAT] if meter_type in HEAT_TYPES else [])):
        if size in (size_of(parts) + 2, size_of(parts) + 9):
            return parts, size == size_of(parts) + 9
    if size == 6:
        return (only,), False
    raise Truncated(f"a reply of type {meter_type:02x} does not end after {size} octets")


Amount = tuple[Part, Decimal | None, int | None, Unit | None, str]


def amounts(parts: tuple[Part, ...], payload: bytes) -> Iterator[Amount]:
    """`(part, value, raw, unit, reason)`; value None where the digits are none or the unit code is not known."""
    at = 0
    for part in parts:
        digits = payload[at : at + part.size]
        raw = bcd_reversed(digits)
        reason = "" if raw is not None else "null" if digits.count(0xFF) == part.size else "not a number"
        at += part.size
        unit, decimals = part.unit, part.decimals
        if part.coded:
            found = UNITS.get(payload[at])
            unit, decimals = found or (None, 0)
            raw, reason = (raw, reason) if found else (None, "unknown unit")
            at += 1
        yield part, None if raw is None else Decimal(raw).scaleb(-decimals), raw, unit, reason


def moment(octets: bytes) -> str | None:
    """`ss mm hh DD MM`, year two octets low first: ISO 8601 text without zone; None for an impossible one."""
    digits = octets[::-1].hex()
    text = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}"
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None


def moment_octets(local: datetime) -> bytes:
    """The seven octets of a local time."""
    return bytes.fromhex(f"{local:%Y%m%d%H%M%S}")[::-1]


@dataclass(frozen=True, slots=True)
class StatusMap:
    """Which bits of `S0 | S1 << 8` mean what; makers differ, so it is a setting. A mask 0: the meter does not tell."""

    valve: int = 0x0003
    opened: int = 0x0000
    closed: int = 0x0001
    fault: int = 0x0003
    battery: int = 0x0004
    leak: int = 0x0000

    def valve_state(self, status: int) -> str:
        """open, closed, fault or unknown."""
        names = {self.opened: "open", self.closed: "closed", self.fault: "fault"}
        return names.get(status & self.valve, "unknown")

    def describe(self, status: int) -> dict[str, object]:
        """For people and rules: valve, battery_low, leak."""
        found: dict[str, object] = {"valve": self.valve_state(status), "battery_low": bool(status & self.battery)}
        return found | ({"leak": bool(status & self.leak)} if self.leak else {})


STATUS = StatusMap()
VALVE_C0 = StatusMap(0xC0, 0x00, 0x40, 0xC0, 0x20)
"""Other makers: valve in the two top bits, battery in bit 5."""
