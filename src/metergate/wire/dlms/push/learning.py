"""Learning a layout: which octets of a notification may change without changing how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from metergate.bits import Cursor
from metergate.model import MeterIdentity, Register
from metergate.wire.dlms.data import Data, Tag, decode
from metergate.wire.dlms.kinds import LISTS
from metergate.wire.dlms.lengths import length_of
from metergate.wire.dlms.push.layout import Layout, picks
from metergate.wire.dlms.push.lists import CLOCK, Item
from metergate.wire.dlms.push.notice import Notice
from metergate.wire.dlms.push.readings import Row, Slot

_CODES = {
    Tag.INT8: "b",
    Tag.UINT8: "B",
    Tag.ENUM: "B",
    Tag.INT16: "h",
    Tag.UINT16: "H",
    Tag.INT32: "i",
    Tag.UINT32: "I",
    Tag.INT64: "q",
    Tag.UINT64: "Q",
}
_UNSTEADY = (*LISTS, Tag.COMPACT_ARRAY, Tag.FLOAT32, Tag.FLOAT64)
"""Values that only the general decoder reads."""
Place = tuple[int, int, str]
"""Offset, size and struct code of a field."""


class Whose(NamedTuple):
    """Whose a notification is, its sender's system title, and whether one of both tells the meter."""

    meter: MeterIdentity | None
    title: bytes
    told: bool


def places(octets: bytes, offset: int, value: Data) -> list[tuple[Data, int, int]]:
    """Every value that is no list inside of `value`, which begins at `offset`: itself, where its content lies, size."""
    found: list[tuple[Data, int, int]] = []
    _place(Cursor(octets, offset), value, found)
    return found


def _place(cursor: Cursor, value: Data, found: list[tuple[Data, int, int]]) -> None:
    if value.tag in LISTS:
        cursor.byte()
        length_of(cursor)
        for item in value.items:
            _place(cursor, item, found)
        return
    begin = cursor.at
    _, cursor.at = decode(cursor.data, begin)
    content = Cursor(cursor.data, begin + 1)
    if value.tag == Tag.OCTET_STRING:
        length_of(content)
    found.append((value, content.at, cursor.at - content.at))


def learn(
    octets: bytes,
    found: Notice,
    told: Sequence[tuple[Item, Row]],
    clock: bytes | None,
    whose: Whose,
    header: dict[str, Any],
) -> Layout | None:
    """The layout of a notification that the general decoder read; None if it has no fixed one.

    `told`: its items and rows; `clock`: the 12 octets of the time that holds; `header`: its fields.
    """
    if found.kind != "data-notification" or any(item.value.tag in _UNSTEADY for item, _ in told):
        return None
    pattern = _Pattern(octets, found)
    for item, row in told:
        pattern.item(item, row)
    return pattern.layout(clock, whose, header)


class _Pattern:
    """What is learnt of one notification."""

    def __init__(self, octets: bytes, found: Notice) -> None:
        self._octets, self._found = octets, found
        self._body = len(octets) - len(found.octets)
        self._mask = bytearray(b"\xff" * len(octets))
        self._fields: list[Place] = []
        self._clocks: dict[Place, bytes] = {}
        self._rows: list[tuple[Slot, Place | None, Any]] = []
        self._numbers: list[tuple[Place, Register]] = []
        self._where = {id(value): (at, size) for value, at, size in places(octets, self._body, found.body)}
        self._invoke = self._field(1, 4, "I")
        time = self._body - len(found.time)
        self._time = self._clock(time, found.time) if len(found.time) == 12 else None

    def _field(self, at: int, size: int, code: str) -> Place:
        self._mask[at : at + size] = bytes(size)
        self._fields.append((at, size, code))
        return self._fields[-1]

    def _clock(self, at: int, held: bytes) -> Place:
        place = self._field(at, len(held), "s")
        self._clocks[place] = held
        return place

    def item(self, item: Item, row: Row) -> None:
        """Learn one value: numbers and times may change, texts may not."""
        slot, value = row
        at, size = self._where[id(item.value)]
        place: Place | None = None
        held = item.value.value
        if isinstance(held, bytes) and len(held) == 12 and (item.obis == CLOCK or item.value.tag == Tag.DATE_TIME):
            place = self._clock(at, held)
        elif item.value.tag in _CODES:
            place = self._field(at, size, _CODES[item.value.tag])
            self._numbers.append((place, slot.register))
        self._rows.append((slot, place, value))

    def layout(self, clock: bytes | None, whose: Whose, header: dict[str, Any]) -> Layout:
        """All of it together."""
        fields = sorted(self._fields)
        numbers = sorted(self._numbers, key=lambda pair: pair[0])
        length, mask = len(self._octets), int.from_bytes(self._mask, "little")
        number = {place: index for index, place in enumerate(fields)}
        clocks = [place for place, _ in self._clocks.items() if self._clocks[place] is clock]
        return Layout(
            length,
            mask,
            int.from_bytes(self._octets, "little") & mask,
            picks(length, fields),
            picks(length, [place for place, _ in numbers]),
            tuple(register for _, register in numbers),
            tuple((slot, None if place is None else number[place], value) for slot, place, value in self._rows),
            frozenset(number[place] for place in self._clocks),
            number[clocks[0]] if clocks else None,
            number[self._invoke],
            number[self._time] if self._time else None,
            whose.meter,
            whose.title,
            whose.told,
            header,
            self._body,
        )
