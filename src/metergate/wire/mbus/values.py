"""Values of data records: the bytes of a coding to numbers, text and times, and back (EN 13757-3 §6.3, Annex A)."""

from __future__ import annotations

import struct
from decimal import Context, Decimal, Inexact
from math import isfinite
from typing import NamedTuple

from metergate.bits import to_bcd_reversed
from metergate.errors import BadValue, Unsupported
from metergate.model import Function, Quality
from metergate.model.reading import Value
from metergate.wire.mbus.dib import Dib
from metergate.wire.mbus.times import encode_moment, moment
from metergate.wire.mbus.vif import Sense
from metergate.wire.mbus.vif_tables import Kind

EXACT = Context(prec=400, traps=[Inexact])
"""Arithmetic that never rounds, whatever context the caller has set."""
_REAL = struct.Struct("<f")
_NUMBER_BYTES = 8


class Cell(NamedTuple):
    """One value as a reading has it."""

    value: Value
    raw: int | None = None
    quality: Quality = Quality.GOOD
    reason: str | None = None
    notes: tuple[str, ...] = ()


NOTHING = Cell(None, quality=Quality.ABSENT, reason="no data")


def convert(data: bytes, dib: Dib, sense: Sense, lvar: int | None = None) -> Cell:
    """The value in `data`; `lvar` is the length octet of a value of variable length, which is not in `data`."""
    cell = _coded(data, dib, sense, lvar)
    if sense.absent:
        return cell._replace(value=None, quality=Quality.ABSENT, reason=sense.error)
    doubtful = sense.error or dib.function is Function.ERROR
    if doubtful and cell.quality is Quality.GOOD:
        cell = cell._replace(quality=Quality.SUSPECT)
    return cell._replace(notes=(*cell.notes, *sense.notes)) if sense.notes else cell


def _coded(data: bytes, dib: Dib, sense: Sense, lvar: int | None) -> Cell:
    if dib.coding == "none":
        return NOTHING
    if dib.coding == "variable":
        return _variable(data, 0 if lvar is None else lvar, sense)
    if sense.kind is Kind.TIME:
        return _time(data)
    if dib.coding == "int":
        return _integer(data, sense)
    return _bcd(data, sense) if dib.coding == "bcd" else _real(data, sense)


def _time(data: bytes) -> Cell:
    text, reason, notes = moment(data)
    return Cell(text, None, Quality.GOOD if text else Quality.BAD, reason, notes)


def scaled(number: int | Decimal, sense: Sense) -> Decimal:
    """A raw number in the sense's unit, exact."""
    value = EXACT.multiply(Decimal(number), sense.factor)
    return value if sense.offset is None else EXACT.add(value, sense.offset)


def _integer(data: bytes, sense: Sense) -> Cell:
    raw = int.from_bytes(data, "little", signed=sense.kind is not Kind.BITS)
    return Cell(scaled(raw, sense), raw)


def _bcd(data: bytes, sense: Sense, sign: int = 1) -> Cell:
    """Low byte first; F as the highest digit is a minus sign, other hex digits mean that there is no number."""
    digits = data[::-1].hex()
    if digits[:1] == "f":
        sign, digits = -sign, "0" + digits[1:]
    if not digits.isdecimal():
        return Cell(None, None, Quality.BAD, f"no number: {data[::-1].hex().upper()}")
    raw = sign * int(digits)
    return Cell(scaled(raw, sense), raw)


def _real(data: bytes, sense: Sense) -> Cell:
    """The shortest decimal number that is this binary32."""
    value: float = _REAL.unpack(data)[0]
    if not isfinite(value):
        return Cell(None, None, Quality.BAD, "not a number")
    texts = (f"{value:.{digits}g}" for digits in range(6, 10))
    number = Decimal(next(text for text in texts if _REAL.pack(float(text)) == data))
    return Cell(scaled(Decimal(f"{number:f}"), sense), None, notes=("inexact",))


def variable_size(lvar: int) -> int:
    """Bytes of a value whose length octet this is. Unsupported for one that is reserved."""
    if lvar < 0xC0:
        return lvar
    if lvar < 0xF0:
        return lvar & 15
    if lvar <= 0xF4:
        return 4 * (lvar - 0xEC)
    if lvar == 0xF8:
        return 4
    raise Unsupported(f"length octet {lvar:02X}H is reserved")


def _variable(data: bytes, lvar: int, sense: Sense) -> Cell:
    if lvar < 0xC0:
        return Cell(data[::-1].decode("latin-1"))
    if lvar < 0xE0:
        return _bcd(data, sense, 1 if lvar < 0xD0 else -1) if data else NOTHING
    if lvar == 0xF8:
        return _real(data, sense)
    if sense.kind is Kind.TIME and len(data) in (2, 4, 6):
        return _time(data)
    numeric = sense.kind is not Kind.OCTETS and (sense.unit or sense.kind is Kind.BITS)
    if numeric and 0 < len(data) <= _NUMBER_BYTES:
        return _integer(data, sense)
    return Cell(data if sense.kind is Kind.OCTETS else data[::-1])


def encode_value(value: Value, dib: Dib, sense: Sense) -> tuple[bytes, int | None]:
    """The bytes of a value and, for variable length, its length octet. BadValue if the coding cannot hold it.

    None becomes the coding's way of saying "no value": hex digits in BCD, a NaN, an impossible date.
    """
    if dib.coding == "variable":
        return _encode_variable(value, sense)
    if dib.coding == "none":
        return b"", None
    if value is None:
        return _encode_none(dib, sense), None
    if sense.kind is Kind.TIME:
        return encode_moment(str(value), dib.size), None
    if not isinstance(value, Decimal):
        raise BadValue(f"{value!r} is no number")
    if dib.coding == "real":
        return _REAL.pack(float(unscaled(value, sense))), None
    return _encode_integer(value, dib, sense), None


def _encode_variable(value: Value, sense: Sense) -> tuple[bytes, int]:
    """Text as ASCII, octets as a binary string: both low byte first, but structures in their own order."""
    if isinstance(value, bytes):
        lvar = 0xE0 + len(value) if len(value) < 16 else 0xEC + len(value) // 4
        if lvar > 0xF4 or variable_size(lvar) != len(value):
            raise BadValue(f"no length octet says {len(value)} bytes")
        return value if sense.kind is Kind.OCTETS else value[::-1], lvar
    data = str("" if value is None else value).encode("latin-1", "replace")[::-1]
    if len(data) >= 0xC0:
        raise BadValue(f"a text of {len(data)} characters, at most 191 are allowed")
    return data, len(data)


def _encode_none(dib: Dib, sense: Sense) -> bytes:
    if dib.coding == "real":
        return _REAL.pack(float("nan"))
    if dib.coding == "bcd":
        return b"\xaa" * dib.size
    if sense.kind is Kind.TIME:
        return b"\xff" * dib.size
    raise BadValue("an integer cannot say that there is no value")


def unscaled(value: Decimal, sense: Sense) -> Decimal:
    """The raw number of a value in the sense's unit."""
    less = value if sense.offset is None else EXACT.subtract(value, sense.offset)
    try:
        return EXACT.divide(less, sense.factor)
    except Inexact:
        raise BadValue(f"{value} is no multiple of {sense.factor}") from None


def _encode_integer(value: Decimal, dib: Dib, sense: Sense) -> bytes:
    number = unscaled(value, sense)
    raw = int(number)
    if raw != number:
        raise BadValue(f"{value} is finer than the scale {sense.factor}")
    try:
        if dib.coding == "int":
            return raw.to_bytes(dib.size, "little", signed=sense.kind is not Kind.BITS)
        if raw >= 0:
            return to_bcd_reversed(raw, dib.size)
        digits = f"{-raw:0{2 * dib.size - 1}d}"
        if len(digits) > 2 * dib.size - 1:
            raise OverflowError
        return bytes.fromhex("f" + digits)[::-1]
    except OverflowError:
        raise BadValue(f"{raw} does not fit {dib.size} bytes of {dib.coding}") from None
