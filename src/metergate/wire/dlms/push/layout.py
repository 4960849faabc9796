"""A meter repeats itself: the layout of its notification, learnt once, makes the next ones cheap.

A notification (in clear) of the same length that agrees with the learnt one in every octet that matters, found by one
compare of a big integer under a mask, is read by one precompiled struct. On any doubt there is no answer and the
general decoder takes over, so that both ways give the same.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metergate.model import MeterIdentity, Register
from metergate.wire.dlms.push.header import Header
from metergate.wire.dlms.push.readings import Row, Slot, shown
from metergate.wire.learnt import Book


def picks(length: int, fields: Sequence[tuple[int, int, str]]) -> struct.Struct:
    """A struct over all `length` octets, for fields (offset, size, code) in the order of their offsets."""
    text, at = ">", 0
    for offset, size, code in fields:
        text += f"{offset - at}x{size if code == 's' else ''}{code}"
        at = offset + size
    return struct.Struct(f"{text}{length - at}x")


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What is known of all notifications that look like one that was learnt (see `learning.learn`)."""

    length: int
    mask: int
    want: int
    fields: struct.Struct
    numbers: struct.Struct
    registers: tuple[Register, ...]
    """The register of each number that `values` gives."""
    rows: tuple[tuple[Slot, int | None, Any], ...]
    """Slot, number of the field, constant where there is no field."""
    clocks: frozenset[int]
    """Fields that are 12 octets of time."""
    time: int | None
    """The field with the time that holds for all readings."""
    invoke: int | None
    header_time: int | None
    meter: MeterIdentity | None
    title: bytes
    told: bool
    """Whether the notification itself, or its sender's title, tells whose it is."""
    header: Mapping[str, object]
    body: int
    """Where the body begins."""

    @property
    def whose(self) -> str | None:
        """The meter's id, as far as it is known."""
        return self.meter.id if self.meter else None

    def matches(self, octets: bytes) -> bool:
        """Whether the notification has this layout."""
        return len(octets) == self.length and int.from_bytes(octets, "little") & self.mask == self.want

    def values(self, octets: bytes) -> tuple[int, ...] | None:
        """The wire's integers of `registers`, in their order; None where the notification is not of this layout."""
        if len(octets) != self.length or int.from_bytes(octets, "little") & self.mask != self.want:
            return None
        return self.numbers.unpack(octets)

    def read(self, octets: bytes) -> tuple[list[Row], bytes, Header]:
        """Rows, the time that holds for them, and the header, of a notification that `matches`."""
        fields = self.fields.unpack(octets)
        rows: list[Row] = []
        for slot, field, constant in self.rows:
            value = constant if field is None else fields[field]
            rows.append((slot, shown(value) if field in self.clocks else value))
        header = dict(self.header)
        if self.invoke is not None:
            header["invoke"] = fields[self.invoke]
        if self.header_time is not None:
            header["time"] = shown(fields[self.header_time])
        time = b"" if self.time is None else fields[self.time]
        return rows, time, Header(header, octets[self.body :])


class LayoutBook(Book[Layout]):
    """The layouts learnt on one line."""

    def find(self, octets: bytes, title: bytes = b"", known: str | None = None) -> Layout | None:
        """The layout that a notification of the system `title` has; None if none that is known.

        `known`: the meter that lists are of which do not tell it themselves.
        """
        for layout in self._by_length.get(len(octets), ()):
            if layout.title == title and layout.matches(octets) and (layout.told or layout.whose == known):
                self.hits += 1
                return layout
        return None

    def of_length(self, length: int) -> Sequence[Layout]:
        """The layouts of notifications of so many octets."""
        return self._by_length.get(length, ())
