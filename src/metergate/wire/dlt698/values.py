"""Values of DL/T 698.45: a tag octet and what belongs to it (DL/T 698.45).

`Data(tag, value)` keeps the tag, so that what was read is written again octet for octet. Value by tag: None; int; bool;
text; bytes; a tuple of `Data` (array, structure); `(bits, octets)` for a bit string; naive datetimes where all fields
are told, else the octets; an OAD is a number of 32 bits (`OI attribute index`), a ROAD `(oad, (oad, ...))`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from struct import pack, unpack
from typing import Any

from metergate.bits import Cursor
from metergate.errors import BadValue, Truncated
from metergate.wire.dlt698.layout import (
    Choice,
    Codec,
    Fixed,
    Int,
    Lazy,
    Many,
    Nothing,
    Octets,
    Row,
    Text,
    Uint,
    read_length,
    whole,
    write_length,
)

NULL, ARRAY, STRUCTURE, BOOLEAN, BITS, INT32, UINT32, OCTETS, VISIBLE = 0, 1, 2, 3, 4, 5, 6, 9, 10
UTF8, INT8, INT16, UINT8, UINT16, INT64, UINT64, ENUM, FLOAT32, FLOAT64 = 12, 15, 16, 17, 18, 20, 21, 22, 23, 24
DATE_TIME, DATE, TIME, DATE_TIME_S = 25, 26, 27, 28
OI, OAD, ROAD, OMD, TI, TSA, MAC, RN, REGION, SCALER_UNIT = 80, 81, 82, 83, 84, 85, 86, 87, 88, 89
RSD, CSD, MS, SID, SID_MAC, COMDCB, RCSD = 90, 91, 92, 93, 94, 95, 96
NUMBERS = frozenset((INT32, UINT32, INT8, INT16, UINT8, UINT16, INT64, UINT64, ENUM))
UNTOLD = b"\xff" * 7


@dataclass(frozen=True, slots=True)
class Data:
    """A value with its tag."""

    tag: int
    value: Any = None


NOTHING = Data(NULL)


@dataclass(frozen=True, slots=True)
class Bits:
    """A bit string: how many bits, and the octets that hold them, first bit highest."""

    def read(self, cursor: Cursor, depth: int = 0) -> tuple[int, bytes]:
        """See `Codec`."""
        count = read_length(cursor)
        return count, cursor.take((count + 7) // 8)

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        count, octets = value
        if len(octets) != (count + 7) // 8:
            raise BadValue(f"{len(octets)} octets for {count} bits")
        return write_length(count) + bytes(octets)


@dataclass(frozen=True, slots=True)
class Boolean:
    """00 false, anything else true."""

    def read(self, cursor: Cursor, depth: int = 0) -> bool:
        """See `Codec`."""
        return bool(cursor.byte())

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        return b"\1" if value else b"\0"


@dataclass(frozen=True, slots=True)
class Real:
    """A float of the wire as the exact Decimal of its shortest text; what is no number as its octets."""

    size: int

    def read(self, cursor: Cursor, depth: int = 0) -> Decimal | bytes:
        """See `Codec`."""
        octets = cursor.take(self.size)
        value = Decimal(_shortest(octets))
        return value if value.is_finite() and self.write(value) == octets else octets

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        if isinstance(value, bytes):
            return value
        try:
            return pack(">f" if self.size == 4 else ">d", float(value))
        except OverflowError:
            raise BadValue(f"{value} is too large") from None


def _shortest(octets: bytes) -> str:
    if len(octets) == 8:
        return repr(unpack(">d", octets)[0])
    value = unpack(">f", octets)[0]
    return next((text for digits in range(1, 9) if _same(text := f"{value:.{digits}g}", octets)), repr(value))


def _same(text: str, octets: bytes) -> bool:
    try:
        return pack(">f", float(text)) == octets
    except OverflowError:
        return False


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant of the meter's own clock, naive; the octets where some field is untold or impossible.

    7 octets: year (2) month day hour minute second; 10: year month day-of-month weekday h m s milliseconds (2).
    """

    size: int

    def read(self, cursor: Cursor, depth: int = 0) -> datetime | bytes:
        """See `Codec`."""
        octets = cursor.take(self.size)
        at = moment(octets)
        return at if at is not None and self.write(at) == octets else octets

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        if isinstance(value, bytes):
            return Fixed(self.size).write(value)
        return moment_octets(value, self.size)


def moment(octets: bytes) -> datetime | None:
    """The instant in 7 or 10 octets; None where a field is untold or impossible, and for other octets."""
    if len(octets) not in (7, 10):
        return None
    year = int.from_bytes(octets[:2], "big")
    month, day, hour, minute, second = octets[2:] if len(octets) == 7 else octets[2:4] + octets[5:8]
    milli = int.from_bytes(octets[8:], "big") if len(octets) == 10 else 0
    try:
        return datetime(year, month, day, hour, minute, second, milli * 1000)  # noqa: DTZ001  (the meter's own time)
    except ValueError:
        return None


def moment_octets(at: datetime, size: int = 7) -> bytes:
    """An instant as sent; the weekday of the long form counts from Sunday, 0."""
    head = at.year.to_bytes(2, "big") + bytes((at.month, at.day))
    clock = bytes((at.hour, at.minute, at.second))
    if size == 7:
        return head + clock
    return head + bytes((at.isoweekday() % 7,)) + clock + (at.microsecond // 1000).to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Value:
    """Tag and value."""

    def read(self, cursor: Cursor, depth: int = 0) -> Data:
        """See `Codec`."""
        tag = cursor.byte()
        codec = TYPES.get(tag)
        if codec is None:
            raise BadValue(f"data type {tag} is none", cursor.offset - 1)
        return Data(tag, codec.read(cursor, depth))

    def write(self, value: Data) -> bytes:
        """See `Codec`."""
        codec = TYPES.get(value.tag)
        if codec is None:
            raise BadValue(f"data type {value.tag} is none")
        return bytes((value.tag,)) + codec.write(value.value)


@dataclass(frozen=True, slots=True)
class Some:
    """The items of an array or structure; a nesting deeper than 16 is BadValue."""

    def read(self, cursor: Cursor, depth: int = 0) -> tuple[Data, ...]:
        """See `Codec`."""
        count = read_length(cursor)
        if count > cursor.left:
            raise Truncated(f"{count} values announced, {cursor.left} octets left", cursor.offset)
        return tuple([VALUE_INSIDE.read(cursor, depth) for _ in range(count)])

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        return write_length(len(value)) + b"".join([VALUE.write(one) for one in value])


VALUE: Codec = Value()
VALUE_INSIDE: Codec = Lazy(lambda: VALUE)
OAD_CODEC = Uint(4)
_OCTET, _LONG = Uint(1), Uint(2)
TI_CODEC = Row((_OCTET, _LONG))
ROAD_CODEC = Row((OAD_CODEC, Many(OAD_CODEC)))
CSD_CODEC = Choice("column", {0: OAD_CODEC, 1: ROAD_CODEC})
RCSD_CODEC = Many(CSD_CODEC, "column")
REGION_CODEC = Row((_OCTET, VALUE_INSIDE, VALUE_INSIDE))
MS_CODEC = Choice(
    "set of meters",
    {
        0: Nothing(),
        1: Nothing(),
        2: Many(_OCTET),
        3: Many(Octets()),
        4: Many(_LONG),
        5: Many(REGION_CODEC),
        6: Many(REGION_CODEC),
        7: Many(REGION_CODEC),
    },
)
_RANGE = Row((OAD_CODEC, VALUE_INSIDE, VALUE_INSIDE, VALUE_INSIDE))
_AT, _SPAN = Row((Moment(7), MS_CODEC)), Row((Moment(7), Moment(7), TI_CODEC, MS_CODEC))
RSD_CODEC = Choice(
    "selector",
    {
        0: Nothing(),
        1: Row((OAD_CODEC, VALUE_INSIDE)),
        2: _RANGE,
        3: Many(_RANGE),
        4: _AT,
        5: _AT,
        6: _SPAN,
        7: _SPAN,
        8: _SPAN,
        9: _OCTET,
        10: Row((_OCTET, MS_CODEC)),
    },
)
"""Rows of a table: 0 all, 1 value equal, 2 range, 3 ranges, 4 5 at a time, 6-8 times, 9 the n-th last, 10 last n."""
SID_CODEC = Row((Uint(4), Octets()))
COMDCB_CODEC = Row((_OCTET,) * 5)
TYPES: dict[int, Codec] = {
    NULL: Nothing(),
    ARRAY: Some(),
    STRUCTURE: Some(),
    BOOLEAN: Boolean(),
    BITS: Bits(),
    INT32: Int(4),
    UINT32: Uint(4),
    OCTETS: Octets(),
    VISIBLE: Text(),
    UTF8: Text("utf-8"),
    INT8: Int(1),
    INT16: Int(2),
    UINT8: Uint(1),
    UINT16: Uint(2),
    INT64: Int(8),
    UINT64: Uint(8),
    ENUM: Uint(1),
    FLOAT32: Real(4),
    FLOAT64: Real(8),
    DATE_TIME: Moment(10),
    DATE: Fixed(5),
    TIME: Fixed(3),
    DATE_TIME_S: Moment(7),
    OI: Uint(2),
    OAD: OAD_CODEC,
    ROAD: ROAD_CODEC,
    OMD: Uint(4),
    TI: TI_CODEC,
    TSA: Octets(),
    MAC: Octets(),
    RN: Octets(),
    REGION: REGION_CODEC,
    SCALER_UNIT: Row((Int(1), _OCTET)),
    RSD: RSD_CODEC,
    CSD: CSD_CODEC,
    MS: MS_CODEC,
    SID: SID_CODEC,
    SID_MAC: Row((SID_CODEC, Octets())),
    COMDCB: COMDCB_CODEC,
    RCSD: RCSD_CODEC,
}


def decode(octets: bytes) -> Data:
    """One value from all of `octets`. DecodeError."""
    found: Data = whole(VALUE, octets)
    return found


def encode(value: Data) -> bytes:
    """The octets of a value. BadValue if it does not fit its tag."""
    return VALUE.write(value)


def plain(value: Data) -> Any:
    """A value without tags, as the decode contract shows it: ints, text, hex, ISO times, nested lists, None."""
    found = value.value
    if value.tag in (ARRAY, STRUCTURE):
        return [plain(one) for one in found]
    if value.tag in (DATE_TIME, DATE_TIME_S) and isinstance(found, bytes):
        found = moment(found) or found
    if isinstance(found, bytes):
        return None if found and not found.strip(b"\xff") else found.hex()
    if isinstance(found, datetime):
        return found.isoformat()
    if value.tag == BITS:
        return f"{int.from_bytes(found[1], 'big'):0{8 * len(found[1])}b}"[: found[0]]
    if value.tag in (OAD, OMD):
        return f"{found:08x}"
    return found if isinstance(found, int | str | Decimal | None) else _bare(found)


def _bare(found: Any) -> Any:
    if isinstance(found, Data):
        return plain(found)
    if isinstance(found, tuple):
        return [_bare(one) for one in found]
    return found.hex() if isinstance(found, bytes) else found.isoformat() if isinstance(found, datetime) else found


def leaves(value: Data) -> Iterator[Data]:
    """The values without members, in wire order."""
    if value.tag in (ARRAY, STRUCTURE):
        for one in value.value:
            yield from leaves(one)
    else:
        yield value
