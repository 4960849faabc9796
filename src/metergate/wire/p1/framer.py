"""Finding telegrams, clear and encrypted, in a stream of bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from metergate.errors import DecodeError
from metergate.wire.base import Problem
from metergate.wire.hunt import Catch, Hunter
from metergate.wire.p1.frame import HEAD, LIMIT, TAIL, check
from metergate.wire.p1.sealed import GENERAL_GLO
from metergate.wire.p1.sealed import measure as measure_sealed

_START = re.compile(rb"[/\xdb]")
_FOREIGN = re.compile(rb"[^\x02\x20-\x7e\r\n]")
_UNFINISHED = re.compile(rb"![0-9A-Fa-f]{0,4}\0?\r?")


def measure(buffer: bytes | bytearray, at: int) -> int:
    """Length of the telegram at `at`; 0: not yet known; -1: none begins there.

    A telegram in which another one begins was cut off: the last `/` before its data counts.
    """
    if buffer[at] == GENERAL_GLO:
        return measure_sealed(buffer, at)
    end = buffer.find(b"!", at, at + LIMIT)
    stop = end if end >= 0 else min(len(buffer), at + LIMIT)
    if _FOREIGN.search(buffer, at, stop) or (buffer.find(b"\n", at, stop) >= 0 and not HEAD.match(buffer, at)):
        return -1
    if end < 0:
        return 0 if stop < at + LIMIT else -1
    if not HEAD.match(buffer, at) or HEAD.search(buffer, at + 1, end):
        return -1
    tail = TAIL.match(buffer, end)
    if tail is not None and tail[0].endswith(b"\n"):
        return tail.end() - at
    return 0 if _UNFINISHED.fullmatch(buffer, end) else end + 1 - at


def verify(frame: bytes, offset: int) -> DecodeError | None:
    """What is wrong with a telegram's check sum; of an encrypted one its key will tell."""
    return check(frame, offset) if frame[0] != GENERAL_GLO else None


def verify_nothing(frame: bytes, offset: int) -> DecodeError | None:
    """For those who take telegrams with wrong check sums too."""
    return None


class Framer(Hunter):
    """As `Hunter`, with two octets that a frame may begin with, and line ends that are no noise."""

    def __init__(self, strict: bool = True) -> None:
        super().__init__(0x2F, measure, verify if strict else verify_nothing)

    @property
    def idle(self) -> bool:
        """Whether nothing is unfinished: what comes now begins something."""
        return not self._buffer and not self._run

    def _scan(self, final: bool) -> Iterator[Catch]:
        buffer, at, size = self._buffer, 0, len(self._buffer)
        base = self.position - size
        while at < size:
            found = _START.search(buffer, at)
            begin = found.start() if found else size
            yield from self._skip(at, begin, base)
            at = begin
            if at == size:
                break
            length = measure(buffer, at)
            if final and length == 0:
                length = _at_the_end(buffer, at)
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
            elif HEAD.match(buffer, at) and base + at >= self._told:
                yield Problem("truncated", base + at, "the telegram was cut off")
            yield from self._skip(at, at + 1, base)
            at += 1
        del buffer[:at]


def _at_the_end(buffer: bytearray, at: int) -> int:
    """Length of a telegram whose check sum is there, only the line end behind it is missing; else 0."""
    end = buffer.find(b"!", at) if buffer[at] != GENERAL_GLO else -1
    tail = TAIL.match(buffer, end) if end >= 0 else None
    return len(buffer) - at if tail and len(tail[1]) == 4 and _UNFINISHED.fullmatch(buffer, end) else 0
