"""COSEM data: a type octet before every value (IEC 62056-5-3, A-XDR).

A value is a `Data`: its type and plain Python, so that it is written as it was read:

    null-data                     None
    boolean                       bool
    integers, enum, bcd           int
    float32, float64              Decimal by the shortest text that is this number (NaN and infinities too)
    bit-string                    str of 0 and 1
    visible-, utf8-string         str (octets that are no UTF-8 are kept as lone surrogates)
    octet-string                  bytes
    date-time, date, time         their 12, 5 or 4 octets; see `times.DateTime`
    array, structure              tuple of Data
    compact-array                 tuple of Data, all of the first one's shape
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from operator import methodcaller
from typing import Any

from metergate.bits import Cursor
from metergate.errors import BadValue, Truncated
from metergate.wire.dlms import compact
from metergate.wire.dlms.kinds import (
    INTEGERS,
    LISTS,
    NULL,
    RAW,
    SIZES,
    TAGS,
    Data,
    Tag,
    Value,
    array,
    bits,
    boolean,
    enum,
    i8,
    i16,
    i32,
    i64,
    octets,
    quick_data,
    structure,
    u8,
    u16,
    u32,
    u64,
    visible,
)
from metergate.wire.dlms.lengths import count_of, length, length_of, prefixed
from metergate.wire.dlms.times import DateTime

MAX_DEPTH = 16
_FLOAT32, _FLOAT64 = struct.Struct(">f"), struct.Struct(">d")


def decode(data: bytes, offset: int = 0) -> tuple[Data, int]:
    """The value at `offset` and where the next one begins. Truncated or BadValue; offsets count within `data`."""
    cursor = Cursor(data, offset)
    return read(cursor), cursor.at


def decode_all(data: bytes) -> Data:
    """The one value that `data` is. BadValue if octets follow it."""
    value, end = decode(data)
    if end != len(data):
        raise BadValue(f"{len(data) - end} octets after the value", end)
    return value


def read(cursor: Cursor, depth: int = 0) -> Data:
    """The value at the cursor. Truncated or BadValue."""
    octet = cursor.byte()
    tag = TAGS.get(octet)
    if tag is None:
        raise BadValue(f"{octet:02X}H is no data type", cursor.offset - 1)
    if tag in LISTS:
        if depth >= MAX_DEPTH:
            raise BadValue(f"values nested deeper than {MAX_DEPTH}", cursor.offset - 1)
        return Data(tag, _items(cursor, count_of(cursor), depth + 1))
    if tag == Tag.COMPACT_ARRAY:
        return Data(tag, compact.read(cursor, _READERS, depth + 1))
    return Data(tag, _READERS[tag](cursor))


def _items(cursor: Cursor, count: int, depth: int) -> tuple[Data, ...]:
    """`count` elements. Numbers, short strings and short lists, nearly all, are read here as `read` would."""
    data, at, end = cursor.data, cursor.at, cursor.end
    items: list[Data] = []
    for _ in range(count):
        octet, short = (data[at], data[at + 1]) if at + 1 < end else (0, 0x80)
        form = _NUMBERS.get(octet)
        if form is not None and at + form[1] < end:
            tag, size, signed = form
            stop = at + 1 + size
            items.append(quick_data(tag, int.from_bytes(data[at + 1 : stop], "big", signed=signed)))
        elif octet == 9 and short < 0x80 and at + 2 + short <= end:
            stop = at + 2 + short
            items.append(quick_data(Tag.OCTET_STRING, data[at + 2 : stop]))
        elif octet == 2 and short < 0x80 and depth < MAX_DEPTH and at + 2 + short <= end:
            cursor.at = at + 2
            items.append(quick_data(Tag.STRUCTURE, _items(cursor, short, depth + 1)))
            stop = cursor.at
        else:
            cursor.at = at
            items.append(read(cursor, depth))
            stop = cursor.at
        at = stop
    cursor.at = at
    return tuple(items)


_NUMBERS = {int(tag): (tag, *form) for tag, form in SIZES.items()}


def _integer(size: int, signed: bool) -> Callable[[Cursor], int]:
    return lambda cursor: int.from_bytes(cursor.take(size), "big", signed=signed)


def _bcd(cursor: Cursor) -> int:
    text = f"{cursor.byte():02x}"
    if not text.isdecimal():
        raise BadValue(f"{text.upper()}H is no BCD", cursor.offset - 1)
    return int(text)


def _bits(cursor: Cursor) -> str:
    at, count = cursor.offset, length_of(cursor)
    if count > 8 * cursor.left:
        raise Truncated(f"{count} bits in {cursor.left} octets", at)
    held = cursor.take((count + 7) // 8)
    return f"{int.from_bytes(held, 'big'):0{8 * len(held)}b}"[:count] if count else ""


def _text(cursor: Cursor) -> str:
    return cursor.take(length_of(cursor)).decode("utf-8", "surrogateescape")


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    return Decimal(f"{number:f}") if number.is_finite() else number


def _float32(cursor: Cursor) -> Decimal:
    held = cursor.take(4)
    value: float = _FLOAT32.unpack(held)[0]
    if not isfinite(value):
        return Decimal(repr(value))
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    return _decimal(next(text for text in texts if not value or _same32(text, held)))


def _same32(text: str, held: bytes) -> bool:
    try:
        return _FLOAT32.pack(float(text)) == held
    except OverflowError:  # rounded up past the greatest
        return False


def _float64(cursor: Cursor) -> Decimal:
    return _decimal(repr(_FLOAT64.unpack(cursor.take(8))[0]))


_READERS: dict[Tag, Callable[[Cursor], Any]] = {
    Tag.NULL: lambda cursor: None,
    Tag.BOOLEAN: lambda cursor: cursor.byte() != 0,
    Tag.BIT_STRING: _bits,
    Tag.OCTET_STRING: lambda cursor: cursor.take(length_of(cursor)),
    Tag.VISIBLE_STRING: _text,
    Tag.UTF8_STRING: _text,
    Tag.BCD: _bcd,
    Tag.FLOAT32: _float32,
    Tag.FLOAT64: _float64,
    **{tag: _integer(*form) for tag, form in SIZES.items()},
    **{tag: methodcaller("take", size) for tag, size in RAW.items()},
}


def encode(data: Data) -> bytes:
    """The octets of a value. OverflowError or ValueError if the value does not fit its type."""
    return bytes((data.tag,)) + content(data)


def content(data: Data) -> bytes:
    """A value without its type octet. Errors as `encode`."""
    value: Any = data.value
    if data.tag in SIZES:
        size, signed = SIZES[data.tag]
        return int(value).to_bytes(size, "big", signed=signed)
    if data.tag in LISTS:
        return length(len(value)) + b"".join(map(encode, value))
    return _WRITERS[data.tag](value)


def _bit_octets(value: str) -> bytes:
    padded = value + "0" * (-len(value) % 8)
    return length(len(value)) + (int(padded, 2).to_bytes(len(padded) // 8, "big") if padded else b"")


def _sized(size: int) -> Callable[[bytes], bytes]:
    def check(value: bytes) -> bytes:
        if len(value) != size:
            raise ValueError(f"{len(value)} octets where {size} are wanted")
        return value

    return check


_WRITERS: dict[Tag, Callable[[Any], bytes]] = {
    Tag.NULL: lambda value: b"",
    Tag.BOOLEAN: lambda value: b"\x01" if value else b"\x00",
    Tag.BIT_STRING: _bit_octets,
    Tag.OCTET_STRING: prefixed,
    Tag.VISIBLE_STRING: lambda value: prefixed(value.encode("utf-8", "surrogateescape")),
    Tag.UTF8_STRING: lambda value: prefixed(value.encode("utf-8", "surrogateescape")),
    Tag.BCD: lambda value: bytes.fromhex(f"{value:02d}"),
    Tag.FLOAT32: lambda value: _FLOAT32.pack(float(value)),
    Tag.FLOAT64: lambda value: _FLOAT64.pack(float(value)),
    Tag.COMPACT_ARRAY: lambda value: compact.write(value, content),
    **{tag: _sized(size) for tag, size in RAW.items()},
}

__all__ = [
    "INTEGERS",
    "MAX_DEPTH",
    "NULL",
    "Data",
    "DateTime",
    "Tag",
    "Value",
    "array",
    "bits",
    "boolean",
    "content",
    "decode",
    "decode_all",
    "encode",
    "enum",
    "i8",
    "i16",
    "i32",
    "i64",
    "octets",
    "read",
    "structure",
    "u8",
    "u16",
    "u32",
    "u64",
    "visible",
]
