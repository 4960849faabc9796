"""A meter repeats itself: the layout of its telegram, learnt once, makes the next ones cheap.

A frame of the same length that agrees with the learnt one in every byte that is no digit of a value or a time stamp
(one compare of a big integer under a mask) is read by slices at known places. Its check sum is computed all the same.
On any doubt there is no answer and the general decoder takes over, so that both ways give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from metergate.bits import crc_arc
from metergate.model import MeterIdentity, Register
from metergate.wire.learnt import Book
from metergate.wire.p1.frame import TAIL
from metergate.wire.p1.objects import CLOCK, NUMBER, Cell, Slot
from metergate.wire.p1.readings import Content, Texts

END = 8
"""Bytes of `!XXXX` CR LF, and one that counts."""
_DIGIT, _LETTER = 0xF0, 0xFB
Pick = Callable[[Any], tuple[str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What is known of all telegrams that look like one that was learnt."""

    length: int
    mask: int
    want: int
    registers: tuple[Register, ...]
    """The register of each number that `values` gives."""
    pick_values: Pick
    pick_stamps: Pick
    pick_digits: Pick
    rows: tuple[tuple[Slot, int, str | None, int], ...]
    """Slot, number of its value (-1: the constant that follows), number of its time stamp (-1: none)."""
    time: int
    meter: MeterIdentity
    header: dict[str, object]

    def matches(self, frame: bytes) -> bool:
        """Whether `frame` has this layout, as far as the mask tells, and a right check sum."""
        if len(frame) != self.length or int.from_bytes(frame, "little") & self.mask != self.want:
            return False
        return b"%04X" % crc_arc(frame[:-6]) == frame[-6:-2]

    def values(self, frame: bytes) -> tuple[int, ...] | None:
        """The integers of `registers` (to be scaled by their scalers); None where the frame is not of this layout."""
        if not self.matches(frame):
            return None
        try:
            return tuple(map(int, self.pick_digits(frame.translate(None, b".").decode("latin-1"))))
        except ValueError:
            return None

    def texts(self, frame: bytes) -> tuple[list[Texts], str | None] | None:
        """The rows with their texts, and the telegram's time stamp; None where the frame is not of this layout."""
        if not self.matches(frame):
            return None
        text = frame.decode("latin-1")
        numbers, stamps = self.pick_values(text), self.pick_stamps(text)
        if not "".join([stamp[:12] for stamp in stamps]).isdecimal() and stamps:
            return None
        values = (*numbers, *stamps)
        stamps = (*stamps, "")
        found = [
            (slot, values[value] if value >= 0 else constant, stamps[stamp] if stamp >= 0 else None)
            for slot, value, constant, stamp in self.rows
        ]
        return found, stamps[self.time] or None


def _picker(places: Sequence[slice]) -> Pick:
    if not places:
        return lambda text: ()
    if len(places) == 1:
        return lambda text: (text[places[0]],)
    return itemgetter(*places)


def learn(frame: bytes, content: Content) -> Layout | None:
    """The layout of a frame that the general decoder read as `content`; None if it has no fixed one.

    Needed are a check sum of four capital digits and M-Bus devices that no time stamp has to tell apart.
    """
    tail = TAIL.fullmatch(frame, len(frame) - 7) if len(frame) > END else None
    if content.superseded or tail is None or len(tail[1]) != 4 or tail[1] != tail[1].upper():
        return None
    numbers: dict[int, Cell] = {}
    stamps: dict[int, Cell] = {cell.at: cell for cell in [content.time] if cell}
    for slot, value, stamp in content.rows:
        if value is not None and slot.kind is NUMBER:
            numbers[value.at] = value
        if stamp is not None:
            stamps[stamp.at] = stamp
    order = {at: place for place, at in enumerate([*numbers, *stamps])}
    stamp_order = {at: place for place, at in enumerate(stamps)}
    mask, want = _mask(frame, numbers.values(), stamps.values())
    rows = tuple(
        (
            slot,
            order[value.at] if value is not None and slot.kind in (NUMBER, CLOCK) else -1,
            value.text if value is not None else None,
            stamp_order[stamp.at] if stamp is not None else -1,
        )
        for slot, value, stamp in content.rows
    )
    counted = {value.at: slot.register for slot, value, _ in content.rows if value is not None and value.at in numbers}
    return Layout(
        len(frame),
        mask,
        want,
        tuple(counted.values()),
        _picker(_places(numbers.values())),
        _picker(_places(stamps.values())),
        _picker(_dotless(frame, numbers.values())),
        rows,
        stamp_order[content.time.at] if content.time else -1,
        content.meter,
        content.header,
    )


def _places(cells: Iterable[Cell]) -> list[slice]:
    return [slice(cell.at, cell.at + len(cell.text)) for cell in cells]


def _dotless(frame: bytes, cells: Iterable[Cell]) -> list[slice]:
    """Where the digits of the cells stand when all points are taken out of the frame."""
    found = []
    for cell in cells:
        begin = cell.at - frame.count(b".", 0, cell.at)
        found.append(slice(begin, begin + len(cell.text) - cell.text.count(".")))
    return found


def _mask(frame: bytes, numbers: Iterable[Cell], stamps: Iterable[Cell]) -> tuple[int, int]:
    mask = bytearray(b"\xff" * (len(frame) - 6) + b"\0\0\0\0\xff\xff")
    for cell in (*numbers, *stamps):
        for at in range(cell.at, cell.at + len(cell.text)):
            mask[at] = _DIGIT if chr(frame[at]).isdecimal() else 0xFF
    for cell in stamps:
        if len(cell.text) == 13:
            mask[cell.at + 12] = _LETTER
    number = int.from_bytes(mask, "little")
    return number, int.from_bytes(frame, "little") & number


class LayoutBook(Book[Layout]):
    """The layouts learnt on one line."""

    def __init__(self) -> None:
        super().__init__(per_length=8, tries=16, hits_per_try=64)

    def find(self, frame: bytes) -> tuple[Layout, list[Texts], str | None] | None:
        """The layout of a frame, its rows and its time stamp; else None."""
        for layout in self._by_length.get(len(frame), ()):
            found = layout.texts(frame)
            if found is not None:
                self.hits += 1
                return layout, *found
        return None
