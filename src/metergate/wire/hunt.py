"""Finding frames in a stream of bytes: start octet, length, check; everything else is noise, skipped and counted.

For protocols whose frame begins with a known octet and tells its own length: DL/T 645, CJ/T 188, MGC/1. What comes out
depends on the bytes alone, never on how they were cut into chunks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime

from metergate.errors import DecodeError
from metergate.wire.base import Found, Problem, Telegram

SURE = 90
"""Of `likeness`: at least so much where a right frame was found."""
NOISE_PAGE = 1024
"""Noise is told at the latest where the stream passes a multiple of this, so that endless noise is seen."""

Measure = Callable[[bytes | bytearray, int], int]
"""`measure(buffer, at)`: the length of the frame that begins at `at`; 0: not yet known; -1: no frame begins here."""
Verify = Callable[[bytes, int], DecodeError | None]
"""`verify(frame, offset)`: what is wrong with a frame of full length, or None."""
Catch = tuple[int, bytes] | Problem
"""`(offset, frame)` of a right frame, or a problem."""


class Hunter:
    """Cuts frames out of a stream. `start` is the first octet (None: any may be), `filler` an octet between frames that
    is no noise."""

    def __init__(self, start: int | None, measure: Measure, verify: Verify, filler: int | None = None) -> None:
        self.position = 0
        """Bytes received so far."""
        self.noise = 0
        """Bytes of noise so far."""
        self._start = b"" if start is None else bytes((start,))
        self._filler = b"" if filler is None else bytes((filler,))
        self._measure = measure
        self._verify = verify
        self._buffer = bytearray()
        self._run = 0  # bytes of noise not yet told of
        self._told = 0  # up to here a problem has accounted for the bytes

    def feed(self, data: bytes) -> Iterator[Catch]:
        """Take in bytes; yield what they complete. Must be consumed."""
        self._buffer += data
        self.position += len(data)
        return self._scan(final=False)

    def whole(self, data: bytes) -> tuple[int, bytes] | None:
        """The short way for what lines mostly bring: `data` is one right frame after filler, and nothing is pending.

        None otherwise, and nothing was taken in: then `feed` it.
        """
        if self._buffer or self._run or not data:
            return None
        begin = 0 if data.startswith(self._start) else data.find(self._start)
        size = len(data) - begin
        if begin < 0 or (begin and data.count(self._filler, 0, begin) != begin) or self._measure(data, begin) != size:
            return None
        frame = data[begin:] if begin else data
        if self._verify(frame, 0) is not None:
            return None
        offset = self.position + begin
        self.position += len(data)
        return offset, frame

    def silence(self) -> Iterator[Catch]:
        """The line went quiet: what was begun is given up; good frames inside of it are still found."""
        yield from self._scan(final=True)
        yield from self._tell(self.position)

    def is_filler(self, data: bytes) -> bool:
        """Whether `data` is nothing but filler."""
        return not data.strip(self._filler) if self._filler else not data

    def _scan(self, final: bool) -> Iterator[Catch]:
        buffer, at, size = self._buffer, 0, len(self._buffer)
        base = self.position - size
        while at < size:
            begin = buffer.find(self._start, at)
            yield from self._skip(at, begin if begin >= 0 else size, base)
            at = begin if begin >= 0 else size
            if at == size:
                break
            length = self._measure(buffer, at)
            if length == 0 or at + length > size:
                if not final:
                    break
                yield from self._cut_off(base + at)
            elif length > 0:
                frame = bytes(buffer[at : at + length])
                wrong = self._verify(frame, base + at)
                if wrong is None:
                    yield from self._tell(base + at)
                    yield base + at, frame
                    at += length
                    continue
                self._told = max(self._told, base + at + length)
                yield Problem.of(wrong)
            yield from self._skip(at, at + 1, base)
            at += 1
        del buffer[:at]

    def _cut_off(self, offset: int) -> Iterator[Problem]:
        """Once per silence: the first frame that was begun and not finished."""
        if self._told < self.position:
            self._told = self.position
            yield Problem("truncated", offset, f"the frame ends after {self.position - offset} bytes")

    def _skip(self, at: int, end: int, base: int) -> Iterator[Problem]:
        """Count the bytes `at..end` of the buffer that are neither filler nor part of a frame found wrong."""
        at = max(at, self._told - base)
        while at < end:
            page = min(end, (base + at) // NOISE_PAGE * NOISE_PAGE + NOISE_PAGE - base)
            dirt = page - at - (self._buffer.count(self._filler, at, page) if self._filler else 0)
            self.noise += dirt
            self._run += dirt
            at = page
            if (base + at) % NOISE_PAGE == 0:
                yield from self._tell(base + at)

    def _tell(self, offset: int) -> Iterator[Problem]:
        if self._run:
            yield Problem("noise", offset, f"{self._run} bytes of no frame")
            self._run = 0


def likeness(hunter: Hunter, data: bytes) -> int:
    """How much `data` look like frames of a fresh hunter: 100: nothing but right ones; 90: right ones among others;
    30: one whose check is wrong at the front, behind fillers; 0: none."""
    catches = [*hunter.feed(data), *hunter.silence()]
    right = sum(not isinstance(catch, Problem) for catch in catches)
    if right:
        return 100 if right == len(catches) else 90
    wrong = [catch.offset for catch in catches if isinstance(catch, Problem) and catch.code == "bad_checksum"]
    return 30 if wrong and hunter.is_filler(data[: min(wrong)]) else 0


class HuntingReceiver(ABC):
    """The listening end of a protocol whose frames a `Hunter` finds: a `wire.base.Receiver` but for `telegram`."""

    def __init__(self, hunter: Hunter) -> None:
        self._hunter = hunter

    @property
    def position(self) -> int:
        """Bytes received so far."""
        return self._hunter.position

    @position.setter
    def position(self, value: int) -> None:
        self._hunter.position = value

    @property
    def noise(self) -> int:
        """Bytes of noise so far."""
        return self._hunter.noise

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """See `wire.base.Receiver`."""
        for catch in self._hunter.feed(data):
            yield catch if isinstance(catch, Problem) else self.telegram(*catch, at)

    def silence(self) -> Iterator[Found]:
        """See `wire.base.Receiver`."""
        for catch in self._hunter.silence():
            yield catch if isinstance(catch, Problem) else self.telegram(*catch, None)

    @abstractmethod
    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The telegram of a whole, right frame."""
