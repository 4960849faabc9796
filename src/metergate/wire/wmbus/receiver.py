"""The listening end: telegrams out of a stream of bytes or of single datagrams.

Frame format A shows itself by the CRC of its first block, B by those of the whole frame. What has neither is a telegram
whose CRCs the stick removed, unless its length says that it ought to have them, or the line has shown that it uses
them. That takes what follows into account: while `link_crc` is unknown, a telegram without CRCs waits for more bytes or
for `silence()`; `datagram()` is both in one. The result depends on the bytes alone, not on how they were cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache

from metergate.errors import BadChecksum, BadValue, DecodeError, Truncated
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.wmbus.layers import AFL, ELL, TPL
from metergate.wire.wmbus.link import CONTROLS, FIRST, SHORTEST, Format, checks, size, strip
from metergate.wire.wmbus.memory import Memory

Decode = Callable[[bytes, int, Format, bytes, "datetime | None"], Telegram]
"""`decode(telegram, offset, format, frame, at)`."""
Cut = tuple[Format, int, bytes]
"""Format, length on the line, telegram."""

_BEGIN = re.compile(b"[%c-\xff][%b]" % (SHORTEST, re.escape(bytes(CONTROLS))), re.DOTALL)
_KNOWN = frozenset((*TPL, *ELL, AFL))
"""CI fields that a telegram may begin with."""
_HEAD = FIRST + 2
"""Bytes that tell a header: the first block of format A, or header and CI."""
_LEAST = 4
"""Fewer bytes than this at the end are noise, not a telegram cut off."""
_SURE = 8
"""So many corrupt frames in a row it takes to believe that a line with CRCs has none any more."""
_NOTHING = BadValue("no telegram begins here")


class Receiver:
    """Cuts telegrams out of bytes and has them decoded. `form` None: find out which frame format it is."""

    def __init__(self, decode: Decode, form: Format | None = None) -> None:
        self.position = 0
        self.noise = 0
        """Bytes so far that belonged to no telegram."""
        self.memory: Memory | None = None
        """What was learnt and is to be kept over a restart, where there is any."""
        self._decode = decode
        self._form = form
        self._trust = 0  # how sure it is that this line carries CRCs
        self._buffer = bytearray()
        self._at: datetime | None = None
        self._skipped = 0
        self._blamed = False  # the bytes being skipped belong to a frame that a problem was told of

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """Take in bytes; yield what they complete."""
        self.position += len(data)
        if not self._buffer and not self._skipped and (found := self._single(data)):
            self._blamed = False
            return iter((self._decode(found[1], self.position - len(data), found[0], data, at),))
        self._buffer += data
        self._at = at
        return self._scan(final=False)

    def silence(self) -> Iterator[Found]:
        """No more bytes for now: decide what was open, name what was cut off."""
        yield from self._scan(final=True)
        yield from self._tell(self.position)

    def datagram(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """One radio telegram, whole."""
        yield from self.receive(data, at)
        yield from self.silence()

    def _single(self, data: bytes) -> tuple[Format, bytes] | None:
        """The telegram in data that is exactly one frame of a format which shows itself: A, or that of the line."""
        form = self._form or Format.A
        if len(data) <= FIRST or len(data) != size(data[0], form) or data[1] not in CONTROLS or not _letters(data, 0):
            return None
        telegram = strip(data, form)
        if telegram is None or data[0] < SHORTEST:
            return None
        if form is not Format.NONE:
            self._trust = min(self._trust + 1, _SURE)
        return form, telegram

    def _scan(self, final: bool) -> Iterator[Found]:
        place = self._begin(0, final)
        while place < len(self._buffer):
            verdict = self._verdict(place, final)
            if verdict is None:
                break
            if isinstance(verdict, DecodeError):
                yield from self._blame(verdict, place)
                place = self._begin(self._skip(place, place + 1), final)
                continue
            form, length, telegram = verdict
            yield from self._tell(self._offset(place))
            frame = bytes(self._buffer[place : place + length])
            yield self._decode(telegram, self._offset(place), form, frame, self._at)
            place = self._begin(place + length, final)
        del self._buffer[:place]

    def _begin(self, place: int, final: bool) -> int:
        """Skip noise up to what looks like a header, or to what may still become one."""
        end = len(self._buffer)
        while place < end:
            found = _BEGIN.search(self._buffer, place)
            place = self._skip(place, found.start() if found else end if final else max(place, end - 1))
            if found is None or (end - place < _LEAST and not final):
                break
            if end - place >= _LEAST and _letters(self._buffer, place):
                break
            place = self._skip(place, place + 1)
        return place

    def _verdict(self, place: int, final: bool) -> Cut | DecodeError | None:
        """What begins at `place`: a telegram, an error (`_NOTHING` for noise), or None for "more bytes"."""
        left = len(self._buffer) - place
        if left < _HEAD and not final:
            return None
        length = self._buffer[place]
        if self._form is not None:
            return self._take(place, self._form, final)
        if left >= _HEAD and checks(self._buffer, place, place + FIRST):
            return self._take(place, Format.A, final)
        if left < length + 1:
            return self._cut_off(place, length + 1) if final else None
        found = self._take(place, Format.B, final)
        return self._bare(place, final) if isinstance(found, DecodeError) else found

    def _take(self, place: int, form: Format, final: bool) -> Cut | DecodeError | None:
        """The frame of a known format."""
        total = size(self._buffer[place], form)
        if len(self._buffer) - place < total:
            return self._cut_off(place, total) if final else None
        telegram = strip(bytes(self._buffer[place : place + total]), form)
        if telegram is None:
            return BadChecksum(f"a CRC of the frame (format {form.value}) is wrong", self._offset(place))
        if form is not Format.NONE:
            self._trust = min(self._trust + 1, _SURE)
        elif self._noisy and not self._known(place):
            return _NOTHING
        return form, total, telegram

    def _bare(self, place: int, final: bool) -> Cut | DecodeError | None:
        """A frame in which no CRC is right: without CRCs, or corrupt."""
        length, end = self._buffer[place], len(self._buffer)
        after, full = place + length + 1, place + size(length, Format.A)
        fits = self._looks(after) or (final and after == end)
        if not fits and not final and end < full + _HEAD:
            return None
        corrupt = BadChecksum("the CRCs of the frame are wrong", self._offset(place))
        if not fits and (self._looks(full) or full == end):
            return corrupt
        if not self._known(place) and not (final and after == end and not self._noisy):
            return _NOTHING
        if not fits and self._noisy:
            return _NOTHING
        if self._trust:
            self._trust -= 1
            return corrupt
        return self._take(place, Format.NONE, final)

    @property
    def _noisy(self) -> bool:
        """Whether the bytes just before belong to no telegram, so that a header may be chance."""
        return bool(self._skipped) or self._blamed

    def _looks(self, place: int) -> bool:
        """Whether a whole header is here and could be one."""
        head = self._buffer[place : place + _HEAD]
        return len(head) == _HEAD and _BEGIN.match(head) is not None and _letters(head, 0)

    def _known(self, place: int) -> bool:
        """Whether the telegram at `place` goes on with a CI that is known."""
        return self._buffer[place] == SHORTEST or self._buffer[place + FIRST] in _KNOWN

    def _cut_off(self, place: int, total: int) -> Truncated:
        left = len(self._buffer) - place
        return Truncated(f"a frame of {total} bytes ends after {left}", self._offset(place))

    def _offset(self, place: int) -> int:
        return self.position - len(self._buffer) + place

    def _skip(self, place: int, end: int) -> int:
        self.noise += end - place
        if not self._blamed:
            self._skipped += end - place
        return end

    def _blame(self, error: DecodeError, place: int) -> Iterator[Found]:
        if error is not _NOTHING and not self._blamed:
            yield from self._tell(self._offset(place))
            yield Problem.of(error)
            self._blamed = True

    def _tell(self, offset: int) -> Iterator[Found]:
        if self._skipped:
            yield Problem("noise", offset - self._skipped, f"{self._skipped} bytes of no telegram")
        self._skipped, self._blamed = 0, False


def _letters(data: bytes | bytearray, place: int) -> bool:
    """Whether the M field of a header is three letters."""
    return _maker(data[place + 2] | data[place + 3] << 8)


@lru_cache(4096)
def _maker(code: int) -> bool:
    return all(0 < code >> shift & 31 <= 26 for shift in (10, 5, 0))
