"""A meter repeats itself: the layout of its telegram, learnt once, makes the next ones cheap.

A frame of the same length that agrees with the learnt one in every byte that matters, found by one compare of a big
integer under a mask, is read by one precompiled struct. The check sums of the frame and of each message are computed
all the same. On any doubt there is no answer and the general decoder takes over, so that both ways give the same.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metergate.model import MeterIdentity, Register
from metergate.wire.base import Telegram
from metergate.wire.learnt import Book
from metergate.wire.sml.readings import Row, Slot, readings
from metergate.wire.sml.transport import ESCAPE, CrcKind
from metergate.wire.sml.values import Time


@dataclass(frozen=True, slots=True)
class Source:
    """Where a part of a row comes from: the learnt constants, the frame's fields or the times made of them."""

    section: int
    number: int


CONSTANT, FIELD, TIME = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Picks:
    """A struct over a whole frame; `wide` fields (number, signed) come as octets and are numbers of odd width."""

    form: struct.Struct
    wide: tuple[tuple[int, bool], ...]

    @classmethod
    def of(cls, length: int, fields: Sequence[tuple[int, int, str]]) -> Picks:
        """From (offset, size, code); the codes `t` and `T` are signed and unsigned numbers of odd width."""
        text, at, wide = ">", 0, []
        for index, (offset, size, code) in enumerate(fields):
            if code in "tT":
                wide.append((index, code == "t"))
            text += f"{offset - at}x{size if code in 'stT' else ''}{'s' if code in 'tT' else code}"
            at = offset + size
        return cls(struct.Struct(f"{text}{length - at}x"), tuple(wide))

    def __call__(self, frame: bytes) -> tuple[Any, ...]:
        """The fields of `frame`."""
        found = self.form.unpack(frame)
        if not self.wide:
            return found
        fields = list(found)
        for index, signed in self.wide:
            fields[index] = int.from_bytes(fields[index], "big", signed=signed)
        return tuple(fields)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What is known of all telegrams that look like one that was learnt (see `learning.learn`)."""

    length: int
    crc: CrcKind
    mask: int
    want: int
    pieces: tuple[slice, ...]
    checks: struct.Struct
    fields: Picks
    numbers: Picks
    registers: tuple[Register, ...]
    """The register of each number that `values` gives."""
    constants: tuple[object, ...]
    times: tuple[tuple[int, int], ...]
    rows: tuple[tuple[Slot, int, int, int], ...]
    meter: MeterIdentity | None
    header: dict[str, object]
    moment: tuple[str, int] | None

    def matches(self, frame: bytes) -> bool:
        """Whether `frame` has this layout and all its check sums are right."""
        if len(frame) != self.length or int.from_bytes(frame, "little") & self.mask != self.want:
            return False
        if frame.find(ESCAPE, 8) != self.length - 8:
            return False
        compute = self.crc.compute
        for piece, check in zip(self.pieces, self.checks.unpack(frame), strict=True):
            if compute(frame[piece]) != check:
                return False
        return True

    def values(self, frame: bytes) -> tuple[int, ...] | None:
        """The wire's integers of `registers`, in their order; None where the frame is not of this layout."""
        return self.numbers(frame) if self.matches(frame) else None

    def telegram(self, frame: bytes, offset: int, at: datetime | None, quirks: frozenset[str]) -> Telegram | None:
        """What the general decoder would give; None where the frame is not of this layout."""
        if not self.matches(frame):
            return None
        fields = self.fields(frame)
        parts = (*self.constants, *fields, *[Time(choice, fields[number]) for choice, number in self.times])
        found: list[Row] = [(slot, parts[value], parts[status], parts[time]) for slot, value, status, time in self.rows]
        header = dict(self.header)
        if self.moment is not None:
            header[self.moment[0]] = fields[self.moment[1]]
        told = readings(found, at, quirks)
        return Telegram("sml", offset, self.length, True, frame, self.meter, header, told)


class LayoutBook(Book[Layout]):
    """The layouts learnt on one line."""

    def telegram(self, frame: bytes, offset: int, at: datetime | None, quirks: frozenset[str]) -> Telegram | None:
        """The telegram in a frame of a known layout; else None."""
        for layout in self._by_length.get(len(frame), ()):
            found = layout.telegram(frame, offset, at, quirks)
            if found is not None:
                self.hits += 1
                return found
        return None
