"""Learnt layouts: a meter repeats its readout, and only digits change. The places of the values are found once.

The layout is all that is the same in every telegram of its kind: identification, addresses, brackets, points, units,
the meter's number, and whatever is odd. A telegram that agrees in all of that, and whose values are digits where they
were, is read by its plan; any other goes through the general decoder and is learnt anew. Both give the same readings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from operator import itemgetter
from typing import Any, NamedTuple

from metergate.model import Quality, Reading, TimeQuality
from metergate.model.reading import Value, quick_reading
from metergate.wire.base import Telegram
from metergate.wire.iec62056.datasets import DataSet, Item
from metergate.wire.iec62056.frame import bcc
from metergate.wire.iec62056.registers import IDS, NUMBER, meaning, short

_BRACKET = re.compile(rb"\(([^()]*)\)")
_PLAIN = bytes(octet for octet in range(0x20, 0x7F) if octet not in b"()!/")
REMEMBERED = 1024
"""Numbers that a layout remembers."""
_NONE, _GOOD, _NO_TIME = repeat(None), repeat(Quality.GOOD), repeat(TimeQuality.NONE)


class Place(NamedTuple):
    """Where a value stands in the octets, and a reading of it. `kind`: number, text, "" where it is fixed."""

    span: slice
    reading: Reading
    kind: str


class Layout:
    """The plan of one readout of one meter."""

    def __init__(self, octets: bytes, begin: int, checked: bool, places: Sequence[Place], found: Telegram) -> None:
        self._begin, self._checked, self._size = begin + 1, checked, len(octets)
        self._meter, self._frame, self._protocol = found.meter, found.frame, found.protocol
        self._mask = int.from_bytes(_mask(octets, places, checked))
        self._pattern = int.from_bytes(octets) & self._mask
        self._stop = -1 if checked else self._size
        self._signs = octets[: self._stop].translate(None, _PLAIN)
        kinds: dict[str, list[int]] = {kind: [] for kind in ("number", "text", "")}
        for number, place in enumerate(places):
            kinds[place.kind].append(number)
        self._numbers, self._texts = (
            _picker([places[number].span for number in kinds[kind]]) for kind in ("number", "text")
        )
        self._known = Numbers().__getitem__
        self._fixed = [places[number].reading for number in kinds[""]]
        self._fixed_values = [reading.value for reading in self._fixed]
        order = [number for group in kinds.values() for number in group]
        self._registers = [places[number].reading.register for number in order if places[number].kind]
        self._order = _picker([order.index(number) for number in range(len(order))])
        self.registers = tuple(place.reading.register for place in places)
        """What readings and values are of, in their order."""

    @classmethod
    def of(cls, octets: bytes, begin: int, checked: bool, sets: Sequence[DataSet], found: Telegram) -> Layout | None:
        """The plan of a telegram that was decoded; None where a data set has several brackets, or no address."""
        end = len(octets) - 1 if checked else len(octets)
        spans = [match.span(1) for match in _BRACKET.finditer(octets, begin, end)]
        if not octets.isascii() or not len(sets) == len(found.readings) == len(spans):
            return None
        each = zip(spans, sets, found.readings, strict=True)
        return cls(octets, begin, checked, [_place(*one) for one in each], found)

    def _right(self, octets: bytes) -> bool:
        """The same layout and, where there is one, a right check character."""
        if len(octets) != self._size or int.from_bytes(octets) & self._mask != self._pattern:
            return False
        if octets[: self._stop].translate(None, _PLAIN) != self._signs:
            return False
        return not self._checked or bcc(octets[self._begin : -1]) == octets[-1]

    def _values(self, octets: bytes) -> list[Value] | None:
        """Numbers, then texts. None: another layout, or something odd that the general decoder has to look at."""
        if not self._right(octets):
            return None
        text = octets.decode("latin-1")
        texts = self._texts(text)
        for one in texts:
            if "*" in one or not one.strip("- "):
                return None
        try:
            return [*map(self._known, self._numbers(text)), *texts]
        except ValueError:
            return None

    def values(self, octets: bytes) -> Sequence[Value] | None:
        """The values of `registers` alone; None if `octets` have another layout."""
        found = self._values(octets)
        return None if found is None else tuple(self._order(found + self._fixed_values))

    def telegram(self, octets: bytes, offset: int, at: datetime | None) -> Telegram | None:
        """The telegram, or None if `octets` have another layout."""
        values = self._values(octets)
        if values is None:
            return None
        found = [*map(quick_reading, self._registers, values, _NONE, _NONE, repeat(at), _NONE, _GOOD, _NO_TIME)]
        found += [replace(reading, received=at) for reading in self._fixed]
        readings = tuple(self._order(found))
        return Telegram(self._protocol, offset, self._size, True, octets, self._meter, self._frame, readings)


class Numbers(dict[str, Decimal]):
    """Numbers by their text. Most of a readout is as it was: then a look suffices. ValueError for what is none."""

    def __missing__(self, text: str) -> Decimal:
        if not NUMBER.fullmatch(text):
            raise ValueError(text)
        if len(self) >= REMEMBERED:
            self.clear()
        value = self[text] = Decimal(text)
        return value


def _picker(places: Sequence[slice] | Sequence[int]) -> Callable[[Any], Any]:
    """What takes these places out of a sequence, in one go."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: [row[place] for place in places]


def _place(span: tuple[int, int], one: DataSet, reading: Reading) -> Place:
    item, value = one.items[0], reading.value
    where = slice(span[0], span[0] + len(item.text))
    kind = ""
    if isinstance(value, Decimal):
        kind = "number" if NUMBER.fullmatch(item.text) else ""
    elif value == item.text and item.unit is None and short(one.address) not in IDS:
        kind = "text" if meaning("", one.address, Item("0")).textual else ""
    return Place(where, reading, kind)


def _mask(octets: bytes, places: Sequence[Place], checked: bool) -> bytes:
    """Ones where nothing changes."""
    mask = bytearray(b"\xff" * len(octets))
    for place in places:
        for at in range(*place.span.indices(len(octets))) if place.kind else ():
            mask[at] = 0xFF if octets[at] == ord(".") and place.kind != "text" else 0
    if checked:
        mask[-1] = 0
    return bytes(mask)
