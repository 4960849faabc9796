"""The types of COSEM data and a value of each: see `data`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Any

from metergate.errors import BadValue


class Tag(IntEnum):
    """The types of COSEM data."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    INT32 = 5
    UINT32 = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INT8 = 15
    INT16 = 16
    UINT8 = 17
    UINT16 = 18
    COMPACT_ARRAY = 19
    INT64 = 20
    UINT64 = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27


Value = None | bool | int | Decimal | bytes | str | tuple["Data", ...]


@dataclass(frozen=True, slots=True)
class Data:
    """One value with its type."""

    tag: Tag
    value: Value = None

    def __getitem__(self, index: int) -> Data:
        """An element of an array or structure. TypeError if it is none, IndexError past its end."""
        return self.items[index]

    @property
    def items(self) -> tuple[Data, ...]:
        """The elements of an array, structure or compact array. TypeError if it is none."""
        if not isinstance(self.value, tuple):
            raise TypeError(f"{self.tag.name} has no elements")
        return self.value

    @property
    def number(self) -> int:
        """The value of an integer, enum or bcd. BadValue if it is none."""
        if isinstance(self.value, int) and self.tag in INTEGERS:
            return self.value
        raise BadValue(f"a number is wanted here, not {self.tag.name}")

    @property
    def octets(self) -> bytes:
        """The octets of an octet-string, date-time, date or time; of a string its UTF-8. BadValue if it is none."""
        if isinstance(self.value, bytes):
            return self.value
        if isinstance(self.value, str) and self.tag != Tag.BIT_STRING:
            return self.value.encode("utf-8", "surrogateescape")
        raise BadValue(f"octets are wanted here, not {self.tag.name}")


class _Draft:
    """A value being filled in: the same slots as `Data`, but not frozen yet."""

    __slots__ = ("tag", "value")


def quick_data(tag: Tag, value: Value) -> Data:
    """`Data(...)` at half its cost, for decoders in a hurry."""
    draft: Any = _Draft()
    draft.tag = tag
    draft.value = value
    draft.__class__ = Data
    return draft  # type: ignore[no-any-return]


SIZES: dict[Tag, tuple[int, bool]] = {
    Tag.INT8: (1, True),
    Tag.UINT8: (1, False),
    Tag.ENUM: (1, False),
    Tag.INT16: (2, True),
    Tag.UINT16: (2, False),
    Tag.INT32: (4, True),
    Tag.UINT32: (4, False),
    Tag.INT64: (8, True),
    Tag.UINT64: (8, False),
}
INTEGERS = frozenset((*SIZES, Tag.BCD))
"""The types whose value is an int."""
RAW = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}
LISTS = (Tag.ARRAY, Tag.STRUCTURE)
TAGS = {int(tag): tag for tag in Tag}

NULL = Data(Tag.NULL)


def i8(value: int) -> Data:
    """integer"""
    return Data(Tag.INT8, value)


def u8(value: int) -> Data:
    """unsigned"""
    return Data(Tag.UINT8, value)


def i16(value: int) -> Data:
    """long"""
    return Data(Tag.INT16, value)


def u16(value: int) -> Data:
    """long-unsigned"""
    return Data(Tag.UINT16, value)


def i32(value: int) -> Data:
    """double-long"""
    return Data(Tag.INT32, value)


def u32(value: int) -> Data:
    """double-long-unsigned"""
    return Data(Tag.UINT32, value)


def i64(value: int) -> Data:
    """long64"""
    return Data(Tag.INT64, value)


def u64(value: int) -> Data:
    """long64-unsigned"""
    return Data(Tag.UINT64, value)


def enum(value: int) -> Data:
    """enum"""
    return Data(Tag.ENUM, value)


def boolean(value: bool) -> Data:
    """boolean"""
    return Data(Tag.BOOLEAN, value)


def octets(value: bytes) -> Data:
    """octet-string"""
    return Data(Tag.OCTET_STRING, value)


def visible(value: str) -> Data:
    """visible-string"""
    return Data(Tag.VISIBLE_STRING, value)


def bits(value: str) -> Data:
    """bit-string from 0 and 1"""
    return Data(Tag.BIT_STRING, value)


def array(*items: Data) -> Data:
    """array"""
    return Data(Tag.ARRAY, items)


def structure(*items: Data) -> Data:
    """structure"""
    return Data(Tag.STRUCTURE, items)
