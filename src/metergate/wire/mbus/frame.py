"""The link layer of wired M-Bus: the four frames of EN 13757-2 (FT 1.2), and how they are found in a stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from metergate.bits import sum8
from metergate.errors import BadChecksum, BadValue
from metergate.wire.base import Problem

ACK = b"\xe5"
"""The single character: the slave has understood."""
SND_NKE, SND_UD, REQ_UD1, REQ_UD2, RSP_UD = 0x40, 0x53, 0x5A, 0x5B, 0x08
FCB, FCV, ACD, DFC, PRM = 0x20, 0x10, 0x20, 0x10, 0x40
"""Bits of the C field: frame count, its validity; of the slave: urgent data, can take no more; sent by the master."""
UNCONFIGURED, SELECTED, TEST, BROADCAST = 0x00, 0xFD, 0xFE, 0xFF
"""Special addresses: fresh slave, the slave selected by its secondary address, all answer, nobody answers."""
PRIMARY = range(251)
"""Primary addresses, 0 for slaves that have none yet."""
MOST_DATA = 252
"""A long frame carries at most so many bytes behind its CI field."""
NOISE_PAGE = 1024
_START = re.compile(rb"[\x10\x68\xe5]")
_LONG = 0x68


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `control` None: the single character E5. `ci` None: a short frame; a control frame has no `data`."""

    control: int | None = None
    address: int = 0
    ci: int | None = None
    data: bytes = b""

    @property
    def kind(self) -> str:
        """`single`, `short`, `control` or `long`."""
        if self.control is None:
            return "single"
        if self.ci is None:
            return "short"
        return "long" if self.data else "control"

    @property
    def from_master(self) -> bool:
        """Whether the frame asks rather than answers."""
        return bool(self.control is not None and self.control & PRM)

    @property
    def octets(self) -> bytes:
        """The frame on the wire. BadValue if it carries more than a frame can."""
        if self.control is None:
            return ACK
        if self.ci is None:
            body = bytes((self.control, self.address))
            return b"\x10" + body + bytes((sum8(body), 0x16))
        if len(self.data) > MOST_DATA:
            raise BadValue(f"{len(self.data)} bytes of data, a frame carries {MOST_DATA}")
        body = bytes((self.control, self.address, self.ci)) + self.data
        return bytes((_LONG, len(body), len(body), _LONG)) + body + bytes((sum8(body), 0x16))


def parse(octets: bytes) -> Frame:
    """The frame in exactly these bytes. BadValue if they are none, BadChecksum if its check sum is wrong."""
    if octets == ACK:
        return Frame()
    if not octets or measure(octets, 0) != len(octets):
        raise BadValue("no M-Bus frame")
    if not _right(octets):
        raise BadChecksum("the frame's check sum or its stop octet is wrong")
    if octets[0] == 0x10:
        return Frame(octets[1], octets[2])
    return Frame(octets[4], octets[5], octets[6], bytes(octets[7:-2]))


def measure(data: bytes | bytearray, at: int) -> int:
    """Length of the frame that begins at `at`; 0: not yet known; -1: no frame begins here."""
    first = data[at]
    if first != _LONG:
        return {0xE5: 1, 0x10: 5}.get(first, -1)
    head = data[at + 1 : at + 4]
    if head[1:2] not in (b"", head[:1]) or head[2:3] not in (b"", b"\x68") or (head and head[0] < 3):
        return -1
    return head[0] + 6 if len(head) == 3 else 0


def is_long(data: bytes) -> bool:
    """Whether `data` is exactly one long (or control) frame with a right check sum."""
    return data[:4] == _STARTS.get(len(data)) and data[-1] == 0x16 and sum8(data[4:-2]) == data[-2]


_STARTS = {size + 6: bytes((_LONG, size, size, _LONG)) for size in range(3, 256)}
"""How a long frame of so many bytes begins."""


def _right(frame: bytes) -> bool:
    """Stop octet and check sum; the start is right already."""
    body = frame[4:-2] if frame[0] == _LONG else frame[1:3]
    return frame[-1] == 0x16 and sum8(body) == frame[-2]


Catch = tuple[int, bytes] | Problem


class Framer:
    """Cuts frames out of a stream; what comes out depends on the bytes alone, not on their chunking.

    Within a long frame that turned out wrong only a long frame is looked for: five bytes or one that look right there
    are more likely part of the wreck.
    """

    def __init__(self) -> None:
        self.position = 0
        """Bytes received so far."""
        self.noise = 0
        """Bytes of no frame so far."""
        self._buffer = bytearray()
        self._run = 0
        self._wreck = 0

    def feed(self, data: bytes) -> Iterator[Catch]:
        """Take in bytes; yield (offset, frame) and problems. Must be consumed."""
        self._buffer += data
        self.position += len(data)
        return self._scan(final=False)

    def whole(self, data: bytes) -> int | None:
        """The offset of `data` if it is exactly one right long frame and nothing is pending: then it is taken in."""
        if self._buffer or self._run or not is_long(data):
            return None
        self.position += len(data)
        return self.position - len(data)

    def silence(self) -> Iterator[Catch]:
        """The line went quiet: a frame that was begun is given up; right ones inside of it are still found."""
        yield from self._scan(final=True)
        yield from self._tell(self.position)

    def _scan(self, final: bool) -> Iterator[Catch]:
        buffer, size, at = self._buffer, len(self._buffer), 0
        base = self.position - size
        while at < size:
            found = _START.search(buffer, at)
            yield from self._skip(base + at, base + (found.start() if found else size))
            if found is None:
                at = size
                break
            at = found.start()
            length = self._length(buffer, at, base)
            if (length == 0 or at + length > size) and not final:
                break
            frame = bytes(buffer[at : at + length]) if length > 0 else b""
            if length > 0 and at + length <= size and (length == 1 or _right(frame)):
                yield from self._tell(base + at)
                yield base + at, frame
                at += length
                continue
            yield from self._wrong(base + at, length, size - at)
            yield from self._skip(base + at, base + at + 1)
            at += 1
        del buffer[:at]

    def _length(self, buffer: bytearray, at: int, base: int) -> int:
        if base + at < self._wreck and buffer[at] != _LONG:
            return -1
        return measure(buffer, at)

    def _wrong(self, offset: int, length: int, there: int) -> Iterator[Problem]:
        """Name a long frame that is damaged or cut off; what else begins as a frame and is none is noise."""
        if length <= 5 or offset < self._wreck:
            return
        self._wreck = offset + min(length, there)
        if length > there:
            yield Problem("truncated", offset, f"the frame has {length} bytes, {there} came")
        else:
            yield Problem("bad_checksum", offset, "the frame's check sum or its stop octet is wrong")

    def _skip(self, start: int, end: int) -> Iterator[Problem]:
        """Count noise, but not the bytes of a damaged frame; tell of it once a page."""
        start = max(start, min(self._wreck, end))
        while start < end:
            page = min(end, start // NOISE_PAGE * NOISE_PAGE + NOISE_PAGE)
            self.noise += page - start
            self._run += page - start
            start = page
            if start % NOISE_PAGE == 0:
                yield from self._tell(start)

    def _tell(self, offset: int) -> Iterator[Problem]:
        if self._run:
            yield Problem("noise", offset, f"{self._run} bytes of no frame")
            self._run = 0
