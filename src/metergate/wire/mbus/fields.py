"""Single fields of a learnt layout: how a record's value is taken out of its bytes, made out once for each header."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from metergate.model import Function, Quality, Reading, Register, TimeQuality
from metergate.model.reading import Value, quick_reading
from metergate.wire.mbus.records import Header
from metergate.wire.mbus.times import moment
from metergate.wire.mbus.values import EXACT, Cell, convert
from metergate.wire.mbus.vif_tables import Kind

Reader = Callable[[Register, Any, "datetime | None", "int | None"], Reading]
"""`reader(register, cell, at, status)`: the reading for a field of the struct, an integer or bytes."""
Valuer = Callable[[Any], Value]
"""`valuer(cell)`: its value alone."""
Way = tuple[Reader, Valuer]
NO_TIME = TimeQuality.NONE
multiply = EXACT.multiply
BCD, INTEGER, WIDE, TIME, OTHER = "bcd", "integer", "wide", "time", ""
_FORMATS = {1: "b", 2: "h", 4: "i", 8: "q"}
_KEPT = 256
"""Values of a field without a short way whose conversion is remembered: texts and numbers of devices do not change."""


def kind(head: Header, size: int) -> str:
    """In which sweep a value of `size` bytes is taken; `WIDE` and `OTHER`: by itself."""
    dib, sense = head.dib, head.sense
    if sense.error or sense.offset is not None or dib.coding not in ("bcd", "int") or not size:
        return OTHER
    if sense.kind is Kind.TIME:
        return TIME
    return BCD if dib.coding == "bcd" else INTEGER if size in _FORMATS else WIDE


def form(head: Header, size: int) -> str:
    """The struct format of the value."""
    if kind(head, size) is not INTEGER:
        return f"{size}s"
    letter = _FORMATS[size]
    return letter.upper() if head.sense.kind is Kind.BITS else letter


def way(head: Header, size: int, lvar: int | None) -> Way:
    """What makes a reading of the value, and what makes its value alone."""
    general = _general(head, lvar)
    makers: dict[str, Callable[[Header, Way], Way]] = {BCD: _bcd, INTEGER: _integer, WIDE: _wide, TIME: _time}
    found = makers.get(kind(head, size))
    return found(head, general) if found else general


def quality(head: Header) -> Quality:
    """How sure a value is whose bytes are sound."""
    return Quality.SUSPECT if head.dib.function is Function.ERROR else Quality.GOOD


@lru_cache(8192)
def stamp(data: bytes) -> str | None:
    """A point in time, without what there is to be said about it."""
    return moment(data)[0]


def _integer(head: Header, general: Way) -> Way:
    factor, notes, sure = head.sense.factor, head.sense.notes, quality(head)

    def read(where: Register, raw: int, at: datetime | None, status: int | None) -> Reading:
        return quick_reading(where, multiply(raw, factor), raw, None, at, status, sure, NO_TIME, None, notes)

    def value(raw: int) -> Decimal:
        return multiply(raw, factor)

    return read, value


def _wide(head: Header, general: Way) -> Way:
    """An integer of a size that no struct has."""
    number = partial(int.from_bytes, byteorder="little", signed=head.sense.kind is not Kind.BITS)
    read, value = _integer(head, general)
    return lambda where, data, at, status: read(where, number(data), at, status), lambda data: value(number(data))


def _bcd(head: Header, general: Way) -> Way:
    """Plain digits; a sign, or other hex digits, is for the general conversion."""
    factor, notes, sure = head.sense.factor, head.sense.notes, quality(head)

    def read(where: Register, data: bytes, at: datetime | None, status: int | None) -> Reading:
        try:
            raw = int(data[::-1].hex())
        except ValueError:
            return general[0](where, data, at, status)
        return quick_reading(where, multiply(raw, factor), raw, None, at, status, sure, NO_TIME, None, notes)

    def value(data: bytes) -> Value:
        try:
            return multiply(int(data[::-1].hex()), factor)
        except ValueError:
            return general[1](data)

    return read, value


def _time(head: Header, general: Way) -> Way:
    more, sound = head.sense.notes, quality(head)

    def read(where: Register, data: bytes, at: datetime | None, status: int | None) -> Reading:
        text, reason, notes = moment(data)
        sure = sound if text else Quality.BAD
        return quick_reading(where, text, None, None, at, status, sure, NO_TIME, reason, notes + more)

    return read, stamp


def _general(head: Header, lvar: int | None) -> Way:
    """Through the general conversion."""

    @lru_cache(_KEPT)
    def cell_of(data: bytes) -> Cell:
        return convert(data, head.dib, head.sense, lvar)

    def read(where: Register, data: bytes, at: datetime | None, status: int | None) -> Reading:
        cell = cell_of(data)
        return quick_reading(
            where, cell.value, cell.raw, None, at, status, cell.quality, NO_TIME, cell.reason, cell.notes
        )

    return read, lambda data: cell_of(data).value
