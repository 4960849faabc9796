"""Lengths and counts as A-XDR writes them."""

from __future__ import annotations

from metergate.bits import Cursor
from metergate.errors import BadValue, Truncated


def length_of(cursor: Cursor) -> int:
    """An A-XDR length: below 80H itself, else 80H + count of the octets that hold it (at most four)."""
    first = cursor.byte()
    if first < 0x80:
        return first
    if not 0x81 <= first <= 0x84:
        raise BadValue(f"no length begins with {first:02X}H", cursor.offset - 1)
    return cursor.uint(first - 0x80, "big")


def count_of(cursor: Cursor) -> int:
    """As `length_of`, for elements that take an octet or more each. Truncated if there are fewer octets left."""
    at, count = cursor.offset, length_of(cursor)
    if count > cursor.left:
        raise Truncated(f"{count} elements in {cursor.left} octets", at)
    return count


def length(count: int) -> bytes:
    """`count` as an A-XDR length. OverflowError past four octets."""
    if count < 0x80:
        return bytes((count,))
    size = (count.bit_length() + 7) // 8
    if size > 4:
        raise OverflowError(f"{count} is no length")
    return bytes((0x80 + size,)) + count.to_bytes(size, "big")


def prefixed(octets: bytes) -> bytes:
    """Octets behind their length."""
    return length(len(octets)) + octets
