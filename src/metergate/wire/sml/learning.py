"""Learning a layout: which bytes of a frame may change without changing how it is read, and where they lie."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from metergate.errors import DecodeError
from metergate.model import Register
from metergate.wire.base import Telegram
from metergate.wire.sml.codec import Message
from metergate.wire.sml.layout import CONSTANT, FIELD, TIME, Layout, Picks, Source
from metergate.wire.sml.messages import CloseResponse, GetListResponse, ListEntry, OpenResponse
from metergate.wire.sml.readings import Slot, moment, row
from metergate.wire.sml.tlv import SIGNED, UNSIGNED, Integer, Outline, outline
from metergate.wire.sml.transport import ESCAPE, CrcKind
from metergate.wire.sml.values import LOCAL, SEC_INDEX, Time

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_COUNTER = Time(SEC_INDEX, 0)
"""Of a secIndex a reading keeps only that it is one."""


class _NotLearnable(Exception):
    """The telegram has something that only the general decoder reads."""


def learn(frame: bytes, crc: CrcKind, messages: Sequence[Message], telegram: Telegram) -> Layout | None:
    """The layout of a frame that the general decoder read as `messages` and `telegram`; None if it has no fixed one.

    Learnt are Open, Close and GetList responses without escapes, errors, booleans and times as values.
    """
    if telegram.problems or frame.find(ESCAPE, 8) != len(frame) - 8:
        return None
    pattern = _Pattern(frame)
    try:
        for message, element in zip(messages, _outlines(frame), strict=True):
            pattern.message(message, element)
    except (_NotLearnable, DecodeError, ValueError):
        return None
    return pattern.layout(crc, telegram)


def _outlines(frame: bytes) -> list[Outline]:
    found: list[Outline] = []
    at, end = 8, len(frame) - 8 - frame[-3]
    while at < end:
        if frame[at] == 0:
            at += 1
            continue
        found.append(outline(frame, at, end))
        at = found[-1].end
    return found


class _Pattern:
    """What is learnt of one frame, in the order of its bytes."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._mask = bytearray(b"\xff" * (len(frame) - 2)) + b"\0\0"
        self._fields: list[tuple[int, int, str]] = []
        self._numbers: list[tuple[int, int, str]] = []
        self._registers: list[Register] = []
        self._constants: list[object] = [None, _COUNTER]
        self._times: list[tuple[int, int]] = []
        self._rows: list[tuple[Slot, Source, Source, Source]] = []
        self._pieces: list[slice] = []
        self._checks: list[int] = []
        self._moment: tuple[str, int] | None = None

    def message(self, message: Message, element: Outline) -> None:
        """Learn one message."""
        transaction, _, _, content, check, _ = element.items
        if check.size != 2:
            raise _NotLearnable
        self._blank(transaction)
        self._body(message.body, content.items[1].items)
        self._blank(check)
        self._pieces.append(slice(element.at, check.at))
        self._checks.append(check.content)

    def _body(self, body: object, parts: tuple[Outline, ...]) -> None:
        if isinstance(body, OpenResponse):
            self._blank(parts[2])
            self._spoken(body.time, parts[4])
        elif isinstance(body, CloseResponse):
            self._blank(parts[0])
        elif isinstance(body, GetListResponse):
            time = self._spoken(body.time, parts[3])
            for entry, items in zip(body.values or (), parts[4].items, strict=True):
                self._entry(body.server or b"", entry, items.items, time)
            self._blank(parts[5])
            self._time(body.gateway_time, parts[6])
        else:
            raise _NotLearnable

    def _entry(self, server: bytes, entry: ListEntry, items: tuple[Outline, ...], list_time: Source) -> None:
        _, status, time, _, _, value, signature = items
        slot, _ = row(server, entry.name, entry.unit, entry.scaler, entry.value)
        has_status = self._field(status) if entry.status is not None else self._constant(None)
        when = self._time(entry.time, time) if entry.time is not None else list_time
        self._rows.append((slot, self._value(entry, value, slot), has_status, when))
        self._blank(signature)

    def _value(self, entry: ListEntry, element: Outline, slot: Slot) -> Source:
        if entry.value is None:
            return self._constant(None)
        if isinstance(entry.value, bool | Time):
            raise _NotLearnable
        found = self._field(element)
        if isinstance(entry.value, Integer):
            self._numbers.append(self._fields[found.number])
            self._registers.append(slot.register)
        return found

    def _blank(self, element: Outline) -> None:
        """Bytes that do not matter."""
        self._mask[element.content : element.end] = bytes(element.end - element.content)

    def _field(self, element: Outline) -> Source:
        """Bytes to be read."""
        self._blank(element)
        signed, code = element.kind == SIGNED, "s"
        if element.kind in (SIGNED, UNSIGNED):
            code = _CODES.get(element.size, "T")
        self._fields.append((element.content, element.size, code.lower() if signed else code))
        return Source(FIELD, len(self._fields) - 1)

    def _constant(self, value: object) -> Source:
        return Source(CONSTANT, self._constants.index(value))

    def _time(self, time: Time | None, element: Outline) -> Source:
        if time is None:
            return self._constant(None)
        local = element.items if time.bare else element.items[1].items if element.items else ()
        seconds = local[0] if time.choice == LOCAL else element if time.bare else element.items[1]
        if seconds.kind != UNSIGNED or seconds.size > 4:
            raise _NotLearnable
        field = self._field(seconds)
        if time.choice == SEC_INDEX:
            return self._constant(_COUNTER)
        self._times.append((time.choice, field.number))
        return Source(TIME, len(self._times) - 1)

    def _spoken(self, time: Time | None, element: Outline) -> Source:
        """The meter's own time, which the header tells too."""
        before = len(self._fields)
        found = self._time(time, element)
        if time is not None:
            self._moment = next(iter(moment(time))), before
        return found

    def layout(self, crc: CrcKind, telegram: Telegram) -> Layout:
        """All of it together."""
        length, mask = len(self._frame), int.from_bytes(self._mask, "little")
        starts = (0, len(self._constants), len(self._constants) + len(self._fields))
        order = "<" if crc.order == "little" else ">"
        places = [*self._checks, length - 2]
        gaps = [place - before for place, before in zip(places, [0, *(check + 2 for check in places)], strict=False)]
        moving = {self._moment[0]} if self._moment else set()
        return Layout(
            length,
            crc,
            mask,
            int.from_bytes(self._frame, "little") & mask,
            (*self._pieces, slice(0, length - 2)),
            struct.Struct(order + "".join(f"{gap}xH" for gap in gaps)),
            Picks.of(length, self._fields),
            Picks.of(length, self._numbers),
            tuple(self._registers),
            tuple(self._constants),
            tuple(self._times),
            tuple((slot, *(starts[part.section] + part.number for part in parts)) for slot, *parts in self._rows),  # type: ignore[misc]
            telegram.meter,
            {name: value for name, value in telegram.frame.items() if name not in moving},
            self._moment,
        )
