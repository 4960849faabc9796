"""The fixed data structure: two counters in one telegram (EN 13757-3, CI 73 and 77), as old meters answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metergate.errors import BadValue, Truncated
from metergate.model import Medium, Quality, Reading, Register, Unit
from metergate.wire.mbus.names import identification, identification_octets
from metergate.wire.mbus.values import EXACT

SIZE = 16
BINARY, STORED = 0x01, 0x02
"""Status bits: the counters are binary (else BCD); they are of the last due date (else actual)."""
HISTORIC, UNITLESS = 0x3E, 0x3F
_STEPS = (
    (0x02, 3, "energy", Unit.WH),
    (0x05, 3, "energy", Unit.KWH),
    (0x08, 3, "energy", Unit.MWH),
    (0x0B, 3, "energy", Unit.KJ),
    (0x0E, 3, "energy", Unit.MJ),
    (0x11, 3, "energy", Unit.GJ),
    (0x14, 3, "power", Unit.W),
    (0x17, 3, "power", Unit.KW),
    (0x1A, 3, "power", Unit.MW),
    (0x1D, 3, "power", Unit.KJ_PER_H),
    (0x20, 3, "power", Unit.MJ_PER_H),
    (0x23, 3, "power", Unit.GJ_PER_H),
    (0x29, 3, "volume", Unit.L),
    (0x2C, 3, "volume", Unit.M3),
    (0x32, 3, "volume_flow", Unit.L_PER_H),
    (0x35, 3, "volume_flow", Unit.M3_PER_H),
    (0x39, 1, "hca", Unit.HCA),
)
UNITS: dict[int, tuple[str, Unit, int]] = {
    first + step: (quantity, unit, step) for first, count, quantity, unit in _STEPS for step in range(count)
}
"""Unit code to quantity, unit and power of ten; millilitres and thousandths of a degree besides."""
UNITS |= {0x26 + step: ("volume", Unit.L, step - 3) for step in range(3)}
UNITS |= {0x2F + step: ("volume_flow", Unit.L_PER_H, step - 3) for step in range(3)}
UNITS |= {0x38: ("temperature", Unit.DEG_C, -3)}
MEDIA = (
    Medium.OTHER,
    Medium.OIL,
    Medium.ELECTRICITY,
    Medium.GAS,
    Medium.HEAT,
    Medium.STEAM,
    Medium.HOT_WATER,
    Medium.WATER,
    Medium.HEAT_COST_ALLOCATOR,
    None,
    Medium.GAS,
    Medium.HEAT,
    Medium.HOT_WATER,
    Medium.WATER,
    Medium.HEAT_COST_ALLOCATOR,
    None,
)
"""By the four bits that the two unit octets carry on top; codes above 8 are those of mode 2."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The structure. `units` are the two unit codes, `counters` the two numbers; None where BCD holds other digits."""

    id: str
    access: int
    status: int
    medium_code: int
    units: tuple[int, int]
    counters: tuple[int | None, int | None]

    @property
    def medium(self) -> Medium | None:
        """What is measured."""
        return MEDIA[self.medium_code]

    @classmethod
    def parse(cls, data: bytes, base: int = 0, swapped: bool = False) -> Fixed:
        """From the bytes behind the CI field; `swapped`: high byte first (CI 77). Truncated or BadValue by size."""
        if len(data) < SIZE:
            raise Truncated(f"the fixed data structure has {SIZE} bytes, {len(data)} came", base + len(data))
        if len(data) > SIZE:
            raise BadValue(f"{len(data) - SIZE} bytes after the fixed data structure", base + SIZE)
        step = -1 if swapped else 1
        status = data[5]
        one, two = data[8:12][::step], data[12:16][::step]
        return cls(
            identification(data[:4][::step]),
            data[4],
            status,
            data[6] >> 6 | data[7] >> 6 << 2,
            (data[6] & 63, data[7] & 63),
            (_counter(one, status), _counter(two, status)),
        )

    @property
    def octets(self) -> bytes:
        """The bytes behind CI 73. BadValue if a counter does not fit."""
        units = (self.units[0] | (self.medium_code & 3) << 6, self.units[1] | self.medium_code >> 2 << 6)
        head = identification_octets(self.id) + bytes((self.access, self.status, *units))
        return head + b"".join(_counter_octets(counter, self.status) for counter in self.counters)

    def readings(self, at: datetime | None = None) -> tuple[Reading, ...]:
        """The two counters; the second is `historic` where its unit code says that it is the first one's, stored."""
        return tuple(self._readings(at))

    def _readings(self, at: datetime | None) -> Iterator[Reading]:
        storage = 1 if self.status & STORED else 0
        for number, (code, raw) in enumerate(zip(self.units, self.counters, strict=True), 1):
            notes = ("historic",) if code == HISTORIC else ()
            quantity, unit, power = UNITS.get(self.units[0] if notes else code, (None, None, 0))
            register = Register(
                self.id, None, quantity, unit, power, storage, address=None if number == 1 else f"counter {number}"
            )
            if raw is None:
                yield Reading(register, None, None, None, at, self.status, Quality.BAD, reason="no number", notes=notes)
            else:
                factor = Decimal(10**power) if power >= 0 else Decimal(1).scaleb(power)
                yield Reading(register, EXACT.multiply(raw, factor), raw, None, at, self.status, notes=notes)


def _counter(data: bytes, status: int) -> int | None:
    if status & BINARY:
        return int.from_bytes(data, "little", signed=True)
    digits = data[::-1].hex()
    return int(digits) if digits.isdecimal() else None


def _counter_octets(counter: int | None, status: int) -> bytes:
    try:
        if status & BINARY:
            return (counter or 0).to_bytes(4, "little", signed=True)
        return bytes.fromhex("a" * 8 if counter is None else f"{counter:08d}")[::-1]
    except (OverflowError, ValueError):
        raise BadValue(f"counter {counter} does not fit four bytes") from None
