"""As much of protocol buffers as Sparkplug needs: varints, fixed numbers, byte strings (Protocol Buffers Encoding)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from metergate.errors import BadValue, Truncated

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
Value = int | bytes


def varint(value: int) -> bytes:
    """An unsigned number of up to 64 bits."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def tag(number: int, kind: int) -> bytes:
    """The head of a field."""
    return varint(number << 3 | kind)


def number(field: int, value: int) -> bytes:
    """A field that holds an unsigned number."""
    return tag(field, VARINT) + varint(value)


def octets(field: int, value: bytes) -> bytes:
    """A field that holds bytes, a text or another message."""
    return tag(field, BYTES) + varint(len(value)) + value


def float32(field: int, value: float) -> bytes:
    """A field that holds a single-precision number."""
    return tag(field, FIXED32) + struct.pack("<f", value)


def float64(field: int, value: float) -> bytes:
    """A field that holds a double-precision number."""
    return tag(field, FIXED64) + struct.pack("<d", value)


def fields(data: bytes, base: int = 0) -> Iterator[tuple[int, int, Value, int]]:
    """Field number, wire type, value and offset (from `base`) of each field; fixed numbers stay bytes.

    Truncated or BadValue where it is no message.
    """
    at = 0
    while at < len(data):
        start = at
        head, at = _varint(data, at, base)
        field, kind = head >> 3, head & 7
        if field == 0:
            raise BadValue("field number 0", base + start)
        if kind == VARINT:
            value, at = _varint(data, at, base)
            yield field, kind, value, base + start
            continue
        size = _FIXED.get(kind)
        if size is None:
            if kind != BYTES:
                raise BadValue(f"wire type {kind}", base + start)
            size, at = _varint(data, at, base)
        if size > len(data) - at:
            raise Truncated(f"{size} bytes wanted, {len(data) - at} left", base + start)
        yield field, kind, data[at : at + size], base + at
        at += size


def _varint(data: bytes, at: int, base: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(at + 10, len(data))):
        value |= (data[place] & 0x7F) << shift
        if data[place] < 0x80:
            if value >= 1 << 64:
                raise BadValue("a number of more than 64 bits", base + at)
            return value, place + 1
        shift += 7
    if len(data) - at >= 10:
        raise BadValue("a number of more than 10 bytes", base + at)
    raise Truncated("a number is cut off", base + at)
