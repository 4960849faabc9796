"""Frames out of a stream of bytes: by flag and length, whatever the chunks; what is no frame is skipped and counted."""

from __future__ import annotations

from collections.abc import Iterator

from metergate.errors import DecodeError
from metergate.wire.base import Problem
from metergate.wire.hdlc.frame import FLAG, header_size, length_of, verify, verify_header
from metergate.wire.hunt import Catch, Hunter

_UNKNOWN, _NONE = 0, -1
_SHORTEST = 7
_HEAD = 16
"""Bytes in which the longest header ends, its check included."""


def _measure(octets: bytes | bytearray, at: int) -> int:
    """Bytes of the frame, flags included, as far as its length field can be believed. As `hunt.Measure`."""
    if len(octets) < at + 2:
        return _UNKNOWN
    if octets[at + 1] & 0xF0 != 0xA0:
        return _NONE
    if len(octets) < at + 3:
        return _UNKNOWN
    length = length_of(octets, at)
    return length + 2 if length >= _SHORTEST else _NONE


class Framer(Hunter):
    """Cuts frames out of a stream; holds at most one frame (2,049 bytes) beside the chunk that it is given.

    One flag may end a frame and begin the next. A header whose check is wrong ends the wait for the rest at once, so
    that a broken length swallows no other frame.
    """

    def __init__(self) -> None:
        super().__init__(FLAG, _measure, verify, FLAG)

    def _scan(self, final: bool) -> Iterator[Catch]:
        buffer, at, size = self._buffer, 0, len(self._buffer)
        base = self.position - size
        while at < size:
            begin = buffer.find(self._start, at)
            yield from self._skip(at, begin if begin >= 0 else size, base)
            at = begin if begin >= 0 else size
            if at == size:
                break
            length = _measure(buffer, at)
            head = buffer[at : at + min(length, _HEAD)] if length > 0 else b""
            header = _header(head, length)
            wrong: DecodeError | None = verify_header(head, base + at) if header else None
            if wrong is None and (length == _UNKNOWN or at + length > size):
                if not final:
                    break
                if at + 1 < size:
                    yield from self._cut_off(base + at)
            elif wrong is None and length > 0:
                frame = bytes(buffer[at : at + length])
                wrong = verify(frame, base + at)
                self._told = max(self._told, base + at + length)
                if wrong is None:
                    yield from self._tell(base + at)
                    yield base + at, frame
                    at += length - 1
                    continue
            if wrong is not None:
                self._told = max(self._told, base + at + header)
                yield Problem.of(wrong)
            yield from self._skip(at, at + 1, base)
            at += 1
        del buffer[:at]


def _header(head: bytes | bytearray, length: int) -> int:
    """Bytes from the flag to the header check of a frame of `length`, once they are there or cannot come; else 0.

    Looks at nothing behind the frame, so that it makes no difference when that arrives.
    """
    size = header_size(head)
    if size < 0 or (size == 0 and 0 < length == len(head)):
        return _SHORTEST
    return size + 3 if size and (len(head) >= size + 3 or length < size + 6) else 0
