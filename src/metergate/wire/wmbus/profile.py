"""Compact profiles: one record that holds a row of earlier values of the same register (EN 13757-3)."""

from __future__ import annotations

from dataclasses import replace

from metergate.bits import le
from metergate.model import Quality, Reading
from metergate.wire.mbus.dib import SIZES, Dib
from metergate.wire.mbus.records import RawRecord, header
from metergate.wire.mbus.values import convert

_KINDS = {
    0x13: ("inverse_compact_profile", "before"),
    0x1F: ("compact_profile", "after"),
    0x1E: ("compact_profile", "after"),
}
_MODES = ("", "increment", "decrement", "difference")
_UNITS = ("s", "min", "h", "d")
_HALF_MONTH, _MONTH = 0xFD, 0xFE


def expand(raw: RawRecord, reading: Reading) -> list[Reading] | None:
    """The values of a compact profile, one reading each; None if the record is none or cannot be taken apart.

    The register's `address` ends in the value's place in the row, `notes` say how far apart and whether before or
    after the time of the same storage number; values that the meter marks as invalid are None.
    """
    kind = _KINDS.get(raw.vif[-1]) if len(raw.vif) > 1 else None
    if kind is None or raw.lvar is None or len(raw.data) < 2:
        return None
    coding, size = SIZES.get(raw.data[0] & 15, ("none", 0))
    if not size or coding not in ("int", "bcd"):
        return None
    values = [raw.data[at : at + size] for at in range(2, len(raw.data) - size + 1, size)]
    return [_value(raw, reading, cell, place, Dib(coding, size)) for place, cell in enumerate(values, 1)]


def _value(raw: RawRecord, reading: Reading, cell: bytes, place: int, dib: Dib) -> Reading:
    name, side = _KINDS[raw.vif[-1]]
    vif = raw.vif[:-2] + bytes((raw.vif[-2] & 0x7F,))
    sense = header(raw.dif, vif).sense
    mode = _MODES[raw.data[0] >> 6]
    notes = (f"{place} x {_spacing(raw.data[0], raw.data[1])} {side}", *([mode] if mode else []))
    where = replace(
        reading.register,
        address=f"{sense.quantity}:{name}#{place}",
        quantity=sense.quantity,
        unit=sense.unit,
        scaler=sense.exponent,
    )
    if dib.coding == "int" and le(cell) == 1 << 8 * len(cell) - 1:
        return replace(reading, register=where, value=None, quality=Quality.ABSENT, reason="invalid", notes=notes)
    found = convert(cell, dib, sense)
    return replace(
        reading,
        register=where,
        value=found.value,
        raw=found.raw,
        quality=found.quality,
        reason=found.reason,
        notes=notes + found.notes,
    )


def _spacing(control: int, count: int) -> str:
    if count in (_MONTH, _HALF_MONTH):
        return "1 month" if count == _MONTH else "half a month"
    return f"{count} {_UNITS[control >> 4 & 3]}"
