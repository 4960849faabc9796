"""The meter's end of an M-Bus: a slave that answers as EN 13757-2 and -3 have it. Several may share one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from metergate.crypto.aes import BLOCK, Aes
from metergate.errors import DecodeError
from metergate.wire.base import Problem
from metergate.wire.mbus.frame import (
    ACK,
    BROADCAST,
    FCB,
    FCV,
    MOST_DATA,
    REQ_UD1,
    REQ_UD2,
    RSP_UD,
    SELECTED,
    SND_NKE,
    SND_UD,
    TEST,
    Frame,
    Framer,
    parse,
)
from metergate.wire.mbus.records import RawRecord, encode_records, split_records
from metergate.wire.mbus.secondary import Secondary
from metergate.wire.mbus.security import CHECK, MOST_BLOCKS, sealed
from metergate.wire.mbus.telegram import ALARM, BAUD, BUSY, DATA_SEND, ERROR, LONG, RESET, SELECT, LongHeader
from metergate.wire.mbus.times import moment

_CI_UNKNOWN, _BROKEN = 0x01, 0x04
_HEADER = 12
ROOM = MOST_DATA - _HEADER
"""Bytes of records in one telegram with a long header."""
SEALED_ROOM = MOST_BLOCKS * BLOCK - len(CHECK)
"""The same where the telegram is encrypted."""

Pages = Callable[[datetime], Sequence[bytes]]
"""The application data of every telegram of a readout, without header: values as they are at a time."""


def pages(records: Iterable[RawRecord], manufacturer_data: bytes = b"", room: int = ROOM) -> list[bytes]:
    """Records spread over as many telegrams as they need; DIF 1F ends each but the last."""
    parts: list[list[RawRecord]] = [[]]
    used = 0
    for record in records:
        size = len(record.octets)
        if parts[-1] and used + size + 1 > room:
            parts.append([])
            used = 0
        parts[-1].append(record)
        used += size
    if manufacturer_data and used + 1 + len(manufacturer_data) > room:
        parts.append([])
    found = [encode_records(part, more=True) for part in parts[:-1]]
    return [*found, encode_records(parts[-1], manufacturer_data)]


class Slave:
    """One slave. `header` says who it is, `content` what it measures, `address` where it is.

    `baud` and `clock` (ISO 8601, None until it is set) follow the master's orders; `written` collects what the master
    wrote; `busy` is how many requests it will answer with "application busy"; `alarm` is what REQ_UD1 is answered with,
    if anything; `key` has every telegram encrypted (security mode 5; pages then have `SEALED_ROOM`).
    """

    def __init__(
        self, header: LongHeader, content: Pages | Sequence[bytes], address: int = 0, key: bytes | None = None
    ) -> None:
        self._key = Aes(key) if key else None
        self.header = header
        self.address = address
        self.content: Pages = content if callable(content) else lambda now: content
        self.baud = 2400
        self.selected = False
        self.busy = 0
        self.alarm: int | None = None
        self.clock: str | None = None
        self.written: list[tuple[int, bytes]] = []
        self._framer = Framer()
        self._access = header.access
        self._error: int | None = None
        self._count: dict[int, int] = {}  # by direction: the frame count bit seen last
        self._pages: list[bytes] = []
        self._last = b""

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """Take in bytes; yield the answers. Frames of other slaves are passed over."""
        for catch in self._framer.feed(data):
            if not isinstance(catch, Problem):
                answer = self._answer(parse(catch[1]), now)
                if answer:
                    yield answer

    def silence(self) -> None:
        """The line went quiet: an unfinished request is dropped."""
        for _ in self._framer.silence():
            pass

    def _answer(self, frame: Frame, now: datetime) -> bytes:
        if not frame.from_master or frame.control is None:
            return b""
        if frame.ci == SELECT and frame.address == SELECTED:
            return self._select(frame.data)
        if not self._meant(frame.address):
            return b""
        answer = self._act(frame, now)
        return b"" if frame.address == BROADCAST else answer

    def _meant(self, address: int) -> bool:
        return address in (self.address, TEST, BROADCAST) or (address == SELECTED and self.selected)

    def _select(self, data: bytes) -> bytes:
        try:
            self.selected = Secondary.parse(data).matches(self.header)
        except DecodeError:
            self.selected = False
        if self.selected:
            self._restart()
        return ACK if self.selected else b""

    def _restart(self) -> None:
        self._count.clear()
        self._pages.clear()
        self._last = b""

    def _act(self, frame: Frame, now: datetime) -> bytes:
        control = (frame.control or 0) & ~FCB
        if control == SND_NKE:
            self._restart()
            self.selected = self.selected and frame.address != SELECTED
            return ACK
        if control == REQ_UD2:
            return self._class_two(frame, now)
        if control == REQ_UD1:
            return ACK if self.alarm is None else self._frame(ALARM, bytes((self.alarm,)))
        if control == SND_UD and frame.ci is not None:
            if not self._repeated(frame, SND_UD):
                self._write(frame.ci, frame.data)
            return ACK
        return b""

    def _repeated(self, frame: Frame, kind: int) -> bool:
        """Whether the master asks for the same again: the frame count bit did not toggle."""
        control = frame.control or 0
        last, self._count[kind] = self._count.get(kind), control & FCB
        return bool(control & FCV) and last == control & FCB

    def _class_two(self, frame: Frame, now: datetime) -> bytes:
        if self._repeated(frame, REQ_UD2) and self._last:
            return self._last
        if self.busy:
            self.busy -= 1
            self._count.pop(REQ_UD2, None)
            return self._frame(ERROR, bytes((BUSY,)))
        if self._error is not None:
            code, self._error = self._error, None
            self._last = self._frame(ERROR, bytes((code,)))
            return self._last
        if not self._pages:
            self._pages = list(self.content(now))
        self._access = self._access + 1 & 0xFF
        header = replace(self.header, access=self._access)
        page = self._pages.pop(0) if self._pages else b""
        told = sealed(header.octets, page, self._key) if self._key else header.octets + page
        self._last = self._frame(LONG, told)
        return self._last

    def _frame(self, ci: int, data: bytes) -> bytes:
        return Frame(RSP_UD, self.address, ci, data).octets

    def _write(self, ci: int, data: bytes) -> None:
        self.written.append((ci, data))
        if ci in BAUD:
            self.baud = BAUD[ci]
        elif ci == RESET:
            self._pages.clear()
        elif ci == DATA_SEND:
            self._take(data)
        else:
            self._error = _CI_UNKNOWN

    def _take(self, data: bytes) -> None:
        """Records from the master; a bus address and the time are heeded."""
        try:
            raw, _, _ = split_records(data)
        except DecodeError:
            self._error = _BROKEN
            return
        for record in raw:
            if record.vif == b"\x7a" and len(record.data) == 1 and record.data[0] <= 250:
                self.address = record.data[0]
            elif record.vif == b"\x6d" and (told := moment(record.data)[0]):
                self.clock = told
