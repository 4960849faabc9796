"""Learnt layouts: a meter repeats its records, so their places are found once and read with one mask and one struct.

The layout of a telegram is the bytes that are the same in every telegram of its kind: DIF, VIF, length octets, fillers.
Data that agrees with a learnt layout in all of them is read by its plan; any other goes through the general decoder and
is learnt anew. Both give the same readings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from operator import itemgetter
from struct import Struct
from typing import Any, NamedTuple

from metergate.model import Function, Quality, Reading, Register, TimeQuality
from metergate.model.reading import Value, quick_reading
from metergate.wire.mbus.records import Header, RawRecord, header, readings, registers, shifted, split_records
from metergate.wire.mbus.times import moment
from metergate.wire.mbus.values import EXACT, Cell, convert
from metergate.wire.mbus.vif import Sense
from metergate.wire.mbus.vif_tables import Kind

_NO_TIME = TimeQuality.NONE
_NOTHING, _UNTIMED = repeat(None), repeat(_NO_TIME)
_FORMATS = {1: "b", 2: "h", 4: "i", 8: "q"}
_multiply = EXACT.multiply

Reader = Callable[[Any, datetime | None, int | None], Reading]
"""`reader(cell, at, status)`: the reading for a field of the struct, an integer or bytes."""
Valuer = Callable[[Any], Value]
"""`valuer(cell)`: its value alone."""
Field = tuple[str, Reader, Valuer]
"""The struct format of a record's value and what makes a reading or a value of it."""


class Found(NamedTuple):
    """What a telegram's data holds, as in `records.Records`, without the raw records."""

    readings: tuple[Reading, ...]
    manufacturer_data: bytes = b""
    more: bool = False


class Layout:
    """The plan of one telegram layout of one meter."""

    __slots__ = (
        "_batch",
        "_mask",
        "_pattern",
        "_readers",
        "_size",
        "_tail",
        "_unpack",
        "_valuers",
        "more",
        "registers",
    )

    def __init__(self, data: bytes, meter: str, raw: Sequence[RawRecord], maker: bytes, more: bool) -> None:
        heads = [header(record.dif, record.vif) for record in raw]
        self.registers = tuple(registers(heads, meter))
        """What the readings and values are of, in their order."""
        fields = [_field(*each) for each in zip(raw, heads, self.registers, strict=True)]
        self.more = more
        self._size = len(data)
        self._tail = len(data) - len(maker)
        self._readers = tuple(reader for _, reader, _ in fields)
        self._valuers = tuple(valuer for _, _, valuer in fields)
        self._unpack = Struct(_struct(raw, [form for form, _, _ in fields], len(data))).unpack
        self._mask = int.from_bytes(_mask(raw, self._tail, len(data)))
        self._pattern = int.from_bytes(data) & self._mask
        self._batch = Batch(raw, heads, self.registers, len(data))

    def read(self, data: bytes, at: datetime | None, status: int | None) -> Found | None:
        """The readings of `data`, or None if it has another layout."""
        if len(data) != self._size or int.from_bytes(data) & self._mask != self._pattern:
            return None
        cells = self._unpack(data)
        try:
            found = self._batch.readings(data, cells, self._readers, at, status)
        except ValueError:  # digits that are none: a sign, or the mark of no number
            found = tuple([read(cell, at, status) for read, cell in zip(self._readers, cells, strict=True)])
        return Found(found, data[self._tail :], self.more)

    def values(self, data: bytes) -> Sequence[Value] | None:
        """The values of `registers` alone, None for absent ones; None altogether if `data` has another layout."""
        if len(data) != self._size or int.from_bytes(data) & self._mask != self._pattern:
            return None
        cells = self._unpack(data)
        try:
            return self._batch.values(data, cells, self._valuers)
        except ValueError:
            return [value(cell) for value, cell in zip(self._valuers, cells, strict=True)]


class Batch:
    """The numbers of a layout taken in a few sweeps instead of one by one: BCD out of the hex text, then integers."""

    __slots__ = ("_digits", "_factors", "_integers", "_notes", "_order", "_others", "_qualities", "_registers")

    def __init__(
        self, raw: Sequence[RawRecord], heads: Sequence[Header], places: Sequence[Register], size: int
    ) -> None:
        kinds = [_sweep(*each) for each in zip(raw, heads, strict=True)]
        bcd, ints, others = ([n for n, kind in enumerate(kinds) if kind == name] for name in ("bcd", "int", ""))
        ends = [2 * (size - raw[n].offset - len(raw[n].octets)) for n in bcd]
        digits = [slice(end, end + 2 * len(raw[n].data)) for n, end in zip(bcd, ends, strict=True)]
        self._digits = _picker(digits) if digits else None
        self._integers = _picker(ints)
        self._others = others
        numbers = bcd + ints
        self._factors = [heads[n].sense.factor for n in numbers]
        self._registers = [places[n] for n in numbers]
        self._qualities = [_quality(heads[n]) for n in numbers]
        self._notes = [heads[n].sense.notes for n in numbers]
        order = numbers + others
        straight = order == sorted(order)
        self._order = None if straight else _picker([order.index(n) for n in range(len(order))])

    def _numbers(self, data: bytes, cells: Sequence[Any]) -> list[int]:
        if self._digits is None:
            return [*self._integers(cells)]
        return [*map(int, self._digits(data[::-1].hex())), *self._integers(cells)]

    def values(self, data: bytes, cells: Sequence[Any], valuers: Sequence[Valuer]) -> Sequence[Value]:
        """All values in their order. ValueError if the digits of one are none."""
        found: list[Value] = [*map(_multiply, self._numbers(data, cells), self._factors)]
        found += [valuers[place](cells[place]) for place in self._others]
        return self._order(found) if self._order else found

    def readings(
        self, data: bytes, cells: Sequence[Any], readers: Sequence[Reader], at: datetime | None, status: int | None
    ) -> tuple[Reading, ...]:
        """All readings in their order. ValueError if the digits of one are none."""
        raw = self._numbers(data, cells)
        values = map(_multiply, raw, self._factors)
        when, state = repeat(at), repeat(status)
        found = [
            *map(
                quick_reading,
                self._registers,
                values,
                raw,
                _NOTHING,
                when,
                state,
                self._qualities,
                _UNTIMED,
                _NOTHING,
                self._notes,
            )
        ]
        found += [readers[place](cells[place], at, status) for place in self._others]
        return tuple(self._order(found)) if self._order else tuple(found)


def _picker(places: Sequence[int] | Sequence[slice]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What takes these places out of a sequence, in one go."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: [row[place] for place in places]


def _sweep(raw: RawRecord, head: Header) -> str:
    """How a record's number is taken: `bcd`, `int`, or by itself."""
    dib, sense = head.dib, head.sense
    if sense.error or sense.offset is not None or sense.kind is Kind.TIME or not raw.data:
        return ""
    return "bcd" if dib.coding == "bcd" else "int" if dib.coding == "int" and dib.size in _FORMATS else ""


def _quality(head: Header) -> Quality:
    return Quality.SUSPECT if head.dib.function is Function.ERROR else Quality.GOOD


def _mask(raw: Sequence[RawRecord], tail: int, size: int) -> bytes:
    mask = bytearray(b"\xff" * tail + b"\0" * (size - tail))
    for record in raw:
        end = record.offset + len(record.octets)
        mask[end - len(record.data) : end] = bytes(len(record.data))
    return bytes(mask)


def _struct(raw: Sequence[RawRecord], forms: Sequence[str], size: int) -> str:
    """The struct format that takes the values and skips what is between them."""
    text, at = "<", 0
    for record, form in zip(raw, forms, strict=True):
        end = record.offset + len(record.octets)
        text += f"{end - len(record.data) - at}x{form}"
        at = end
    return f"{text}{size - at}x"


def _field(raw: RawRecord, head: Header, register: Register) -> Field:
    dib, sense = head.dib, head.sense
    octets = f"{len(raw.data)}s"
    general = _general(register, head, raw.lvar)
    quality = _quality(head)
    if sense.error or sense.offset is not None or dib.coding in ("real", "variable", "none"):
        return octets, *general
    if sense.kind is Kind.TIME:
        return octets, *_time(register, quality, sense.notes)
    if dib.coding == "bcd":
        return octets, *_bcd(register, sense, quality, general)
    form = _FORMATS.get(dib.size)
    if form is None:
        return octets, *general
    return form.upper() if sense.kind is Kind.BITS else form, *_integer(register, sense, quality)


def _integer(register: Register, sense: Sense, quality: Quality) -> tuple[Reader, Valuer]:
    factor, notes = sense.factor, sense.notes

    def read(raw: int, at: datetime | None, status: int | None) -> Reading:
        return quick_reading(register, _multiply(raw, factor), raw, None, at, status, quality, _NO_TIME, None, notes)

    def value(raw: int) -> Decimal:
        return _multiply(raw, factor)

    return read, value


def _bcd(register: Register, sense: Sense, quality: Quality, general: tuple[Reader, Valuer]) -> tuple[Reader, Valuer]:
    """Plain digits; a sign, or other hex digits, is for the general conversion."""
    factor, notes = sense.factor, sense.notes

    def read(data: bytes, at: datetime | None, status: int | None) -> Reading:
        try:
            raw = int(data[::-1].hex())
        except ValueError:
            return general[0](data, at, status)
        return quick_reading(register, _multiply(raw, factor), raw, None, at, status, quality, _NO_TIME, None, notes)

    def value(data: bytes) -> Value:
        try:
            return _multiply(int(data[::-1].hex()), factor)
        except ValueError:
            return general[1](data)

    return read, value


def _time(register: Register, quality: Quality, more: tuple[str, ...]) -> tuple[Reader, Valuer]:
    def read(data: bytes, at: datetime | None, status: int | None) -> Reading:
        text, reason, notes = moment(data)
        sure = quality if text else Quality.BAD
        return quick_reading(register, text, None, None, at, status, sure, _NO_TIME, reason, notes + more)

    def value(data: bytes) -> str | None:
        return moment(data)[0]

    return read, value


def _general(register: Register, head: Header, lvar: int | None) -> tuple[Reader, Valuer]:
    """Through the general conversion; the last value is remembered, as texts and numbers of devices do not change."""
    last: tuple[bytes, Cell] | None = None

    def cell_of(data: bytes) -> Cell:
        nonlocal last
        if last is None or last[0] != data:
            last = data, convert(data, head.dib, head.sense, lvar)
        return last[1]

    def read(data: bytes, at: datetime | None, status: int | None) -> Reading:
        cell = cell_of(data)
        return quick_reading(
            register, cell.value, cell.raw, None, at, status, cell.quality, _NO_TIME, cell.reason, cell.notes
        )

    return read, lambda data: cell_of(data).value


class Layouts:
    """Decodes records, learning layouts as it goes. One for each stream of telegrams; `most` layouts are kept."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._known: dict[tuple[str, int], Layout] = {}
        self.learnt = 0
        """How many telegrams went through the general decoder."""

    def values(self, data: bytes, meter: str) -> tuple[tuple[Register, ...], Sequence[Value]] | None:
        """Registers and values of data whose layout is known: the fastest way, for archives of a great many meters.

        None: `decode` it, which learns the layout.
        """
        layout = self._known.get((meter, len(data)))
        found = layout.values(data) if layout else None
        return (layout.registers, found) if layout and found is not None else None

    def decode(
        self, data: bytes, meter: str, *, base: int = 0, at: datetime | None = None, status: int | None = None
    ) -> Found:
        """As `records.decode_records`, and the same errors."""
        layout = self._known.get((meter, len(data)))
        if layout is not None:
            found = layout.read(data, at, status)
            if found is not None:
                return found
        raw, maker, more = split_records(data, base)
        found = Found(readings(raw, meter, at, status), maker, more)
        if layout is None and len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self.learnt += 1
        self._known[meter, len(data)] = Layout(data, meter, shifted(raw, -base), maker, more)
        return found
