"""Load records of DL/T 645-2007 (identifiers 06): six classes of values, stored every so many minutes.

A record is `A0 A0 length time(5) class1 AA ... class6 AA check E5`; classes that are not stored are empty. The frame of
a record and the order of its classes are to be checked per meter; the check octet guards against another layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from metergate.bits import Cursor, sum8
from metergate.errors import BadChecksum, BadValue
from metergate.model import Obis, Quality, Reading, Register
from metergate.wire.dlt645.items import Field, item
from metergate.wire.dlt645.values import NULL, Format

MINUTE = Format.parse("YYMMDDhhmm")
BEGIN, SPLIT, END = b"\xa0\xa0", 0xAA, 0xE5
AT_TIME, LATEST = 1, 2
CLASSES: dict[int, tuple[int, ...]] = {
    1: (0x02010100, 0x02010200, 0x02010300, 0x02020100, 0x02020200, 0x02020300, 0x02800002),
    2: tuple(0x02030000 | phase << 8 for phase in range(4)) + tuple(0x02040000 | phase << 8 for phase in range(4)),
    3: tuple(0x02060000 | phase << 8 for phase in range(4)),
    4: (0x00010000, 0x00020000, 0x00030000, 0x00040000),
    5: (0x00050000, 0x00060000, 0x00070000, 0x00080000),
    6: (0x02800004, 0x02800005),
}
"""Class -> the identifiers whose values it holds."""
INTERVALS = {number: 0x04000A01 + number for number in CLASSES}
"""Class -> the identifier of its period in minutes."""


def fields(number: int) -> list[tuple[int, Field]]:
    """`(identifier, field)` of a class."""
    found = [(di, item(di)) for di in CLASSES[number]]
    return [(di, one[0]) for di, one in found if one]


def class_of(obis: Obis) -> int | None:
    """The class that holds a code, if one does."""
    return next((number for number in CLASSES for _, field in fields(number) if field.obis == obis), None)


@dataclass(frozen=True, slots=True)
class Record:
    """One load record: when (the meter's own time), and the octets of each class that it has."""

    time: str | None
    classes: dict[int, bytes]

    def encode(self) -> bytes:
        """The octets."""
        when = MINUTE.encode(self.time)
        body = when + b"".join(self.classes.get(number, b"") + bytes((SPLIT,)) for number in CLASSES)
        head = BEGIN + bytes((len(body),)) + body
        return head + bytes((sum8(head), END))


def records(octets: bytes) -> Iterator[Record]:
    """The records one after the other. BadValue, BadChecksum, Truncated."""
    cursor = Cursor(octets)
    while cursor.left:
        begin = cursor.at
        if cursor.take(2) != BEGIN:
            raise BadValue("a load record begins with a0a0", begin)
        cursor.byte()
        time = MINUTE.decode(cursor.take(5))[0]
        found = {number: one for number in CLASSES if (one := _class(cursor, number))}
        check = sum8(octets[begin : cursor.at])
        if cursor.byte() != check:
            raise BadChecksum("check octet of a load record", cursor.offset - 1)
        if cursor.byte() != END:
            raise BadValue("a load record ends with e5", cursor.offset - 1)
        yield Record(time if isinstance(time, str) else None, found)


def _class(cursor: Cursor, number: int) -> bytes:
    if cursor.peek() == SPLIT:
        cursor.take(1)
        return b""
    found = cursor.take(sum(field.layout.size for _, field in fields(number)))
    if cursor.byte() != SPLIT:
        raise BadValue(f"class {number} of a load record does not end with aa", cursor.offset - 1)
    return found


def readings(meter: str, octets: bytes, received: datetime | None = None) -> Iterator[Reading]:
    """Every value of every record, and before them the record's time as the meter's clock showed it."""
    for record in records(octets):
        yield Reading(Register(meter, None, "time_point", address="06"), record.time, received=received)
        for number, values in record.classes.items():
            at = 0
            for di, field in fields(number):
                layout = field.layout
                yield _reading(meter, di, field, values[at : at + layout.size], received)
                at += layout.size


def _reading(meter: str, di: int, field: Field, octets: bytes, received: datetime | None) -> Reading:
    layout = field.layout
    value, raw, reason = layout.decode(octets)
    quality = Quality.GOOD if reason is None else Quality.ABSENT if reason == NULL else Quality.BAD
    register = Register(
        meter, field.obis, field.quantity, field.unit, -layout.decimals, 0, 0, field.subunit, address=f"{di:08x}"
    )
    return Reading(register, value, raw, None, received, None, quality, reason=reason)
