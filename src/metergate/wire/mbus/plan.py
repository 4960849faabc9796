"""How telegrams of one layout are read: one mask that tells the layout, one struct, numbers in a few sweeps.

Nothing in a plan is of a single meter: all meters of a model share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain, repeat
from operator import itemgetter
from struct import Struct
from typing import Any

from metergate.model import Reading, Register
from metergate.model.reading import Value, quick_reading
from metergate.wire.mbus.fields import (
    BCD,
    INTEGER,
    NO_TIME,
    OTHER,
    TIME,
    WIDE,
    form,
    kind,
    multiply,
    quality,
    stamp,
    way,
)
from metergate.wire.mbus.records import Header, RawRecord

_NOTHING, _UNTIMED = repeat(None), repeat(NO_TIME)


class Plan:
    """The plan of data of `size` bytes whose bytes under `mask` are `pattern`."""

    __slots__ = (
        "_digits",
        "_factors",
        "_integers",
        "_mask",
        "_notes",
        "_numbered",
        "_order",
        "_others",
        "_pattern",
        "_qualities",
        "_rest",
        "_size",
        "_times",
        "_unpack",
        "_ways",
    )

    def __init__(self, raw: Sequence[RawRecord], heads: Sequence[Header], size: int, mask: int, pattern: int) -> None:
        self._size, self._mask, self._pattern = size, mask, pattern
        self._ways = [way(head, len(one.data), one.lvar) for one, head in zip(raw, heads, strict=True)]
        self._unpack = Struct(_struct(raw, heads, size)).unpack
        kinds = [kind(head, len(one.data)) for one, head in zip(raw, heads, strict=True)]
        bcd, ints, times = ([n for n, one in enumerate(kinds) if one == name] for name in (BCD, INTEGER, TIME))
        others = [n for n, one in enumerate(kinds) if one in (WIDE, OTHER)]
        self._digits = _picker([_digits(raw[n], size) for n in bcd]) if bcd else None
        self._integers = _picker(ints)
        self._times = _picker(times) if times else None
        self._others = [(n, self._ways[n][1]) for n in others]
        self._rest = [(n, self._ways[n][0]) for n in times + others]
        numbers = bcd + ints
        self._numbered = _picker(numbers)
        self._factors = [heads[n].sense.factor for n in numbers]
        self._qualities = [quality(heads[n]) for n in numbers]
        self._notes = [heads[n].sense.notes for n in numbers]
        order = numbers + times + others
        self._order = None if order == sorted(order) else _picker([order.index(n) for n in range(len(order))])

    def values(self, data: bytes) -> Sequence[Value] | None:
        """The values of all records, None for absent ones; None altogether if `data` has another layout."""
        if len(data) != self._size or int.from_bytes(data) & self._mask != self._pattern:
            return None
        cells = self._unpack(data)
        try:
            found: list[Value] = [*map(multiply, self._numbers(data, cells), self._factors)]
        except ValueError:  # digits that are none: a sign, or the mark of no number
            return [value(cell) for (_, value), cell in zip(self._ways, cells, strict=True)]
        if self._times:
            found += map(stamp, self._times(cells))
        for place, value in self._others:
            found.append(value(cells[place]))
        return self._order(found) if self._order else found

    def readings(
        self, data: bytes, registers: Sequence[Register], at: datetime | None, status: int | None
    ) -> tuple[Reading, ...] | None:
        """The readings of a meter's `registers`, or None if `data` has another layout."""
        if len(data) != self._size or int.from_bytes(data) & self._mask != self._pattern:
            return None
        cells = self._unpack(data)
        try:
            raw = [*self._numbers(data, cells)]
        except ValueError:
            each = zip(self._ways, registers, cells, strict=True)
            return tuple([read(where, cell, at, status) for (read, _), where, cell in each])
        found = self._sweep(raw, self._numbered(registers), at, status)
        found += [read(registers[place], cells[place], at, status) for place, read in self._rest]
        return tuple(self._order(found)) if self._order else tuple(found)

    def _numbers(self, data: bytes, cells: Sequence[Any]) -> Iterable[int]:
        """BCD out of the hex text, which ends with the first byte; then integers. ValueError if digits are none."""
        if self._digits is None:
            return self._integers(cells)
        return chain(map(int, self._digits(data[::-1].hex())), self._integers(cells))

    def _sweep(
        self, raw: list[int], where: Iterable[Register], at: datetime | None, status: int | None
    ) -> list[Reading]:
        values = map(multiply, raw, self._factors)
        when, state = repeat(at), repeat(status)
        rest = (_NOTHING, when, state, self._qualities, _UNTIMED, _NOTHING, self._notes)
        return [*map(quick_reading, where, values, raw, *rest)]


def _picker(places: Sequence[int] | Sequence[slice]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What takes these places out of a sequence, in one go."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: [row[place] for place in places]


def _end(raw: RawRecord) -> int:
    return raw.offset + len(raw.octets)


def _digits(raw: RawRecord, size: int) -> slice:
    """Where the digits of a record stand in the hex text of the reversed data."""
    begin = 2 * (size - _end(raw))
    return slice(begin, begin + 2 * len(raw.data))


def mask(raw: Iterable[RawRecord], tail: int, size: int) -> int:
    """Ones where data of a layout is the same in every telegram: up to `tail`, but for the records' values."""
    found = bytearray(b"\xff" * tail + b"\0" * (size - tail))
    for record in raw:
        end = _end(record)
        found[end - len(record.data) : end] = bytes(len(record.data))
    return int.from_bytes(found)


def _struct(raw: Sequence[RawRecord], heads: Sequence[Header], size: int) -> str:
    """The struct format that takes the values and skips what is between them."""
    text, at = "<", 0
    for record, head in zip(raw, heads, strict=True):
        end, length = _end(record), len(record.data)
        text += f"{end - length - at}x{form(head, length)}"
        at = end
    return f"{text}{size - at}x"
