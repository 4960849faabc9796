"""SML transport version 1: start and end marks, doubled escapes, padding, CRC, and finding all that in a stream.

1B1B1B1B 01010101 | messages, 1B1B1B1B in them doubled | 00 x 0..3 | 1B1B1B1B 1A pp cl ch
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from metergate.bits import crc_kermit, crc_x25
from metergate.wire.base import Found, Problem

ESCAPE = b"\x1b" * 4
START = ESCAPE + b"\x01" * 4
END_CODE = 0x1A
LIMIT = 64 * 1024
"""Bytes of a telegram at most."""
NOISE_PAGE = 1024
"""Noise is told at the latest where the stream passes a multiple of this."""
_BEGIN = re.compile(rb"\x1b{4}(?:\x01{4}|\x02{4})")
_RUN = re.compile(rb"\x1b*")


class CrcKind(NamedTuple):
    """A check sum as SML uses it: X.25 is sent low byte first, the Kermit one of some Holley meters high byte first."""

    name: str
    compute: Callable[[bytes], int]
    order: str

    def stored(self, data: bytes) -> bytes:
        """The two bytes that follow `data` on the wire."""
        return self.compute(data).to_bytes(2, "little" if self.order == "little" else "big")


X25 = CrcKind("x25", crc_x25, "little")
KERMIT = CrcKind("kermit", crc_kermit, "big")
CRC_KINDS = (X25, KERMIT)


def wrap(payload: bytes, crc: CrcKind = X25) -> bytes:
    """A transport frame around encoded messages."""
    padding = -len(payload) % 4
    body = START + payload.replace(ESCAPE, ESCAPE * 2) + bytes(padding) + ESCAPE + bytes((END_CODE, padding))
    return body + crc.stored(body)


def unwrap(frame: bytes) -> bytes:
    """The messages in a transport frame whose CRC is right, padding included where it is not told rightly."""
    padding = frame[-3] if frame[-3] < 4 else 0
    return frame[8 : len(frame) - 8 - padding].replace(ESCAPE * 2, ESCAPE)


def crc_of(frame: bytes, kinds: tuple[CrcKind, ...] = CRC_KINDS) -> CrcKind | None:
    """Which of `kinds` makes the frame's CRC right; None: none does."""
    body, stored = frame[:-2], frame[-2:]
    return next((kind for kind in kinds if kind.stored(body) == stored), None)


def find_mark(buffer: bytes | bytearray, at: int) -> tuple[int, int]:
    """The next escape from `at` on that is no doubled one: (its place or -1, where to go on looking).

    Of a run of 1B each eight are a doubled escape; of the rest the last four, if it has them, are a mark. So a mark is
    found wherever it stands, also behind payload that ends in 1B. -1 also while the four bytes behind are not there.
    """
    while True:
        run = buffer.find(ESCAPE, at)
        if run < 0:
            return -1, max(at, len(buffer) - 3)
        found = _RUN.match(buffer, run)
        stop = found.end() if found else run
        if stop + 4 > len(buffer):
            return -1, run
        if (stop - run) % 8 >= 4:
            return stop - 4, stop
        at = stop


class Accepted(NamedTuple):
    """What a whole frame gave. Not `good`: the search goes on right behind its start, not behind its end."""

    found: Found
    good: bool


class Framer:
    """Cuts transport frames out of a stream; `accept(frame, offset)` checks and decodes them.

    Searches byte by byte, never by groups of four. A start mark inside a telegram ends the old one. What comes out
    depends on the bytes alone, never on their chunking.
    """

    def __init__(self, accept: Callable[[bytes, int], Accepted], limit: int = LIMIT) -> None:
        self.position = 0
        """Bytes received so far."""
        self.noise = 0
        """Bytes of noise so far."""
        self._accept = accept
        self._limit = limit
        self._buffer = bytearray()
        self._inside = False  # the buffer begins with a start mark
        self._seen = 0  # no start, or no mark, lies before this place of the buffer
        self._clear = 0  # up to here in the stream no telegram that began before it has a mark
        self._run = 0  # bytes of noise not yet told of
        self._told = 0  # up to here a problem has accounted for the bytes

    def feed(self, data: bytes) -> Iterator[Found]:
        """Take in bytes; yield what they complete. Must be consumed."""
        self._buffer += data
        self.position += len(data)
        return self._scan()

    def silence(self) -> Iterator[Found]:
        """The line went quiet: what was begun is cut off; telegrams inside of it are still found."""
        while self._inside:
            if self._told < self.position:
                yield self._lose("truncated", f"the telegram ends after {len(self._buffer)} bytes", len(self._buffer))
            self._give_up(1)
            yield from self._scan()
        yield from self._skip(len(self._buffer))
        yield from self._tell(self.position)

    @property
    def _base(self) -> int:
        return self.position - len(self._buffer)

    def _scan(self) -> Iterator[Found]:
        going = True
        while going:
            if not self._inside:
                yield from self._hunt()
            going = self._inside
            if going:
                before = (self._base, self._inside)
                yield from self._advance()
                going = before != (self._base, self._inside)

    def _hunt(self) -> Iterator[Found]:
        """Look for a start mark; all before it is noise."""
        found = _BEGIN.search(self._buffer, self._seen)
        if found is None:
            yield from self._skip(max(len(self._buffer) - 7, 0))
            return
        if found.start() or self._run:
            yield from self._skip(found.start())
            yield from self._tell(self._base)
        self._inside, self._seen = True, max(8, self._clear - self._base)

    def _advance(self) -> Iterator[Found]:
        """Look for the mark that ends the telegram at the front of the buffer, one way or another."""
        buffer = self._buffer
        if buffer[4] != 1:
            if self._base >= self._told:
                yield self._lose("unsupported", "unsupported-escape: transport version 2", 8)
            self._give_up(1)
            return
        mark, self._seen = find_mark(buffer, self._seen)
        self._clear = self._base + (self._seen if mark < 0 else mark)
        if max(mark, self._seen if mark < 0 else 0) > self._limit - 8:
            yield self._lose("bad_value", f"no end within {self._limit} bytes", self._limit)
            self._give_up(1)
        elif mark >= 0:
            yield from self._marked(mark, bytes(buffer[mark + 4 : mark + 8]))

    def _marked(self, mark: int, code: bytes) -> Iterator[Found]:
        if code[0] == END_CODE:
            yield from self._whole(bytes(self._buffer[: mark + 8]))
        elif code == START[4:]:
            yield self._lose("truncated", f"a new telegram begins after {mark} bytes", mark)
            self._give_up(mark)
        else:
            yield self._lose("unsupported", f"unsupported-escape: {code.hex()} after {mark} bytes", mark + 8)
            self._give_up(1)

    def _whole(self, frame: bytes) -> Iterator[Found]:
        result = self._accept(frame, self._base)
        self._told = max(self._told, self._base + len(frame))
        self._give_up(len(frame) if result.good else 1)
        yield result.found

    def _lose(self, code: str, message: str, length: int) -> Problem:
        self._told = max(self._told, self._base + length)
        return Problem(code, self._base, message)

    def _give_up(self, count: int) -> None:
        """Go on hunting `count` bytes further on."""
        del self._buffer[:count]
        self._inside, self._seen = False, 0

    def _skip(self, count: int) -> Iterator[Problem]:
        """Drop `count` bytes from the front; those that no problem accounts for are noise."""
        at, end = max(self._base, self._told), self._base + count
        while at < end:
            page = min(end, at // NOISE_PAGE * NOISE_PAGE + NOISE_PAGE)
            self.noise += page - at
            self._run += page - at
            at = page
            if at % NOISE_PAGE == 0:
                yield from self._tell(at)
        del self._buffer[:count]
        self._seen = 0

    def _tell(self, offset: int) -> Iterator[Problem]:
        if self._run:
            yield Problem("noise", offset, f"{self._run} bytes of no telegram")
            self._run = 0
