"""Bytes taken apart: check sums, BCD and a reader that never runs over its end."""

from __future__ import annotations

from functools import partial
from zlib import adler32

from fastcrc import crc16 as _crc

from metergate.errors import Truncated

crc_x25 = _crc.ibm_sdlc
"""CRC-16/X.25: SML, HDLC, DL/T 698.45. Check of b"123456789": 906EH."""
crc_kermit = _crc.kermit
"""CRC-16/KERMIT: some Holley SML meters. Check 2189H."""
crc_en13757 = _crc.en_13757
"""CRC-16/EN-13757: wireless M-Bus blocks. Check C2B7H."""
crc_arc = _crc.arc
"""CRC-16/ARC: DSMR P1. Check BB3DH."""
crc_modbus = _crc.modbus
"""CRC-16/MODBUS: Modbus RTU, MGC/1. Check 4B37H."""


_SHORT = 256


def sum8(data: bytes | bytearray | memoryview) -> int:
    """Sum of all bytes modulo 256: M-Bus, DL/T 645, CJ/T 188, Q/GDW 376.1."""
    if len(data) > _SHORT:
        return sum(data) & 0xFF
    return (adler32(data) - 1) & 0xFF  # the low half of an Adler-32 is 1 + the sum, as long as that is below 65521


def bcd(data: bytes) -> int | None:
    """The number in packed BCD, high byte first; None where a nibble is no digit. `b"\\x12\\x34"` -> 1234."""
    text = data.hex()
    return int(text) if text.isdecimal() else None


def bcd_reversed(data: bytes) -> int | None:
    """As `bcd`, low byte first: the order of M-Bus, DL/T 645 and CJ/T 188."""
    return bcd(data[::-1])


def to_bcd(value: int, size: int) -> bytes:
    """`value` as packed BCD of `size` bytes, high byte first. OverflowError if it does not fit or is negative."""
    text = f"{value:0{2 * size}d}"
    if value < 0 or len(text) > 2 * size:
        raise OverflowError(f"{value} does not fit {2 * size} BCD digits")
    return bytes.fromhex(text)


def to_bcd_reversed(value: int, size: int) -> bytes:
    """As `to_bcd`, low byte first."""
    return to_bcd(value, size)[::-1]


class Cursor:
    """Reads a byte string from the front; past the end it raises `Truncated` with the place, never IndexError.

    `base` is added to every offset that an error names, so that errors point into the original input.
    """

    __slots__ = ("at", "base", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None, base: int = 0) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else min(end, len(data))
        self.base = base

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self.end - self.at

    @property
    def offset(self) -> int:
        """Where the next byte stands in the original input."""
        return self.base + self.at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        stop = self.at + count
        if count < 0 or stop > self.end:
            raise Truncated(f"{count} bytes wanted, {self.left} left", self.offset)
        found = self.data[self.at : stop]
        self.at = stop
        return found

    def byte(self) -> int:
        """The next byte as a number."""
        if self.at >= self.end:
            raise Truncated("a byte wanted, none left", self.offset)
        value = self.data[self.at]
        self.at += 1
        return value

    def peek(self) -> int | None:
        """The next byte without taking it; None at the end."""
        return self.data[self.at] if self.at < self.end else None

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def uint(self, size: int, order: str = "little") -> int:
        """An unsigned number of `size` bytes, `order` "little" or "big"."""
        return int.from_bytes(self.take(size), "little" if order == "little" else "big")


le = partial(int.from_bytes, byteorder="little")
"""Unsigned number, low byte first."""
be = partial(int.from_bytes, byteorder="big")
"""Unsigned number, high byte first."""
