"""Cutting a stream into messages: both ends' talk, pushed readouts, what is overheard, and what a reader hears itself.

What comes out depends on the bytes alone, never on how they were cut into chunks. Octets are looked at with seven bits,
so that a line of 7E1 that is read as 8N1 is understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from metergate.wire.base import Problem
from metergate.wire.hunt import NOISE_PAGE
from metergate.wire.iec62056.frame import IDENTIFICATION, MASK, OPTION, REQUEST

LIMIT = 256 * 1024
"""Octets of the longest message."""
LINE = 64
"""Octets of the longest request or identification."""
FILLERS = frozenset(b"\x00\r\n")
"""Octets that stand between messages and mean nothing: line ends, and what wakes meters up."""
GAP = 8
"""Fillers that may stand between an identification and its readout."""
_LINE_END = re.compile(rb"[\x00-\x0c\x0e-\x1f/]")
_SIGNS = (b"\x01", b"\x02", b"\x03", b"\x04")
_INSIDE = bytes(octet for octet in range(0x20, 0x80) if octet not in b"/!") + b"\r\n"
_TEXT = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x1f/!]")
_BEGIN = re.compile(rb"[/\x01\x02]")
_OPTION_BEGUN = re.compile(rb"\x06(?:[0-9](?:[0-9A-I ](?:[0-9A-Z]\r?)?)?)?")


class Piece(NamedTuple):
    """A message: where it begins, its octets as they came, the fillers in front of it, and what it is.

    `kind`: request, identification, option, ack, nak, command, block (STX ... BCC), open (STX and an exclamation mark,
    but neither ETX nor BCC), text (a readout without any control character).
    """

    offset: int
    octets: bytes
    kind: str
    gap: bytes | None = b""


Measured = tuple[int, str]
"""Size and kind of a message; 0: not known yet; negative: so many octets are none, with the problem's code."""
WAIT: Measured = (0, "")


class Scanner:
    """Cuts messages out of a stream. `options` False: none is expected, an ACK is an ACK at once."""

    def __init__(self, limit: int = LIMIT, options: bool = True) -> None:
        self.options = options
        self.position = 0
        """Octets received so far."""
        self.noise = 0
        """Octets of noise so far."""
        self._limit = limit
        self._raw, self._seven = bytearray(), bytearray()
        self._seen = 0  # up to here the unfinished message at the front holds no end
        self._gap: bytearray | None = bytearray()
        self._run = 0

    def feed(self, data: bytes) -> Iterator[Piece | Problem]:
        """Take in octets; yield what they complete. Must be consumed."""
        self._raw += data
        self._seven += data.translate(MASK)
        self.position += len(data)
        return self._scan(final=False)

    def silence(self) -> Iterator[Piece | Problem]:
        """The line went quiet: what was begun ends here."""
        yield from self._scan(final=True)
        yield from self._tell(self.position)
        self._gap = bytearray()

    def _scan(self, final: bool) -> Iterator[Piece | Problem]:
        seven, at = self._seven, 0
        base = self.position - len(seven)
        while at < len(seven):
            if seven[at] in FILLERS:
                self._fill(self._raw[at])
                at += 1
                continue
            size, kind = self._measure(at, final)
            if size == 0:
                break
            self._seen = 0
            if size > 0:
                yield from self._tell(base + at)
                yield Piece(base + at, bytes(self._raw[at : at + size]), kind, self._taken())
            else:
                size, self._gap = -size, None
                if kind == "noise":
                    yield from self._dirt(base + at, size)
                else:
                    yield from self._tell(base + at)
                    yield Problem(kind, base + at, f"a message breaks off after {size} bytes")
            at += size
        del self._raw[:at], seven[:at]

    def _fill(self, octet: int) -> None:
        if self._gap is not None:
            self._gap.append(octet)
            if len(self._gap) > GAP:
                self._gap = None

    def _taken(self) -> bytes | None:
        gap, self._gap = self._gap, bytearray()
        return None if gap is None else bytes(gap)

    def _dirt(self, offset: int, size: int) -> Iterator[Problem]:
        """Count noise; it is told of where the stream passes a page, so that endless noise is seen."""
        self.noise += size
        end = offset + size
        while offset < end:
            page = min(end, offset - offset % NOISE_PAGE + NOISE_PAGE)
            self._run += page - offset
            offset = page
            if offset % NOISE_PAGE == 0:
                yield from self._tell(offset)

    def _tell(self, offset: int) -> Iterator[Problem]:
        if self._run:
            yield Problem("noise", offset, f"{self._run} bytes of no message")
            self._run = 0

    # What begins here?

    def _measure(self, at: int, final: bool) -> Measured:
        return _BEGINNINGS.get(self._seven[at], Scanner._bare)(self, at, final)

    def _end(self, at: int) -> int:
        """Where the next SOH, STX, ETX or EOT stands behind `at`; -1: none so far. What was searched is not again."""
        begin, stop = self._from(at), at + self._limit
        found = [place for sign in _SIGNS if (place := self._seven.find(sign, begin, stop)) >= 0]
        return min(found, default=-1)

    def _from(self, at: int) -> int:
        return max(at + 1, self._seen - 2 if at == 0 else 0)

    def _broken(self, at: int, stop: int, code: str = "truncated") -> Measured:
        """A message that breaks off at `stop`, or earlier where another may begin."""
        other = _BEGIN.search(self._seven, at + 1, stop)
        return at - (other.start() if other else stop), code

    def _unended(self, at: int, final: bool, code: str) -> Measured:
        """No end so far."""
        size = len(self._seven) - at
        if size >= self._limit:
            return self._broken(at, at + self._limit, code)
        if final:
            return self._broken(at, at + size, code)
        self._seen = size
        return WAIT

    def _line(self, at: int, final: bool) -> Measured:
        """A request or an identification."""
        seven = self._seven
        end = _LINE_END.search(seven, at + 1, at + LINE)
        if end is None:
            whole = len(seven) - at >= LINE
            return (-1, "noise") if whole else (at - len(seven), "truncated") if final else WAIT
        if end[0] != b"\n":
            return at - end.start(), "noise"
        for pattern, kind in ((REQUEST, "request"), (IDENTIFICATION, "identification")):
            if pattern.fullmatch(seven, at, end.end()):
                return end.end() - at, kind
        return at - end.end(), "noise"

    def _ack(self, at: int, final: bool) -> Measured:
        """An option, or an ACK alone."""
        if not self.options:
            return 1, "ack"
        if OPTION.match(self._seven, at):
            return 6, "option"
        begun = _OPTION_BEGUN.fullmatch(self._seven, at)
        return WAIT if begun and not final else (1, "ack")

    def _nak(self, at: int, final: bool) -> Measured:
        return 1, "nak"

    def _command(self, at: int, final: bool) -> Measured:
        """SOH, name, perhaps STX and data, end, BCC."""
        early = next((place for place in (at + 1, at + 2) if self._seven[place : place + 1] in _SIGNS), -1)
        if early >= 0:
            return self._sealed(at, early, "command", final)
        if len(self._seven) <= at + 3:
            return self._unended(at, final, "truncated")
        end = self._end(at + 3) if self._seven[at + 3] == 2 else self._end(at)
        return self._sealed(at, end, "command", final) if end >= 0 else self._unended(at, final, "truncated")

    def _block(self, at: int, final: bool) -> Measured:
        """STX, data, end, BCC; a readout may lack the last two."""
        end = self._end(at)
        mark = self._seven.find(b"!\r\n", self._from(at), end if end >= 0 else at + self._limit) + 3
        if mark == end:
            return self._sealed(at, end, "block", final)
        if mark > 2:
            return (mark - at, "open") if mark < len(self._seven) or final else WAIT
        return self._sealed(at, end, "block", final) if end >= 0 else self._unended(at, final, "truncated")

    def _sealed(self, at: int, end: int, kind: str, final: bool) -> Measured:
        if self._seven[end] in (1, 2):
            return self._broken(at, end)
        if end + 1 < len(self._seven):
            return end + 2 - at, kind
        return self._broken(at, end + 1) if final else WAIT

    def _bare(self, at: int, final: bool) -> Measured:
        """A readout without control characters, up to its exclamation mark; or noise."""
        seven = self._seven
        if seven[at] < 0x20:
            return -1, "noise"
        stop = seven.find(b"!", at, at + self._limit)
        if stop < 0 or seven[at:stop].translate(None, _INSIDE):
            end = _TEXT.search(seven, max(at, self._seen if at == 0 else 0), at + self._limit)
            if end is None:
                begun = b"(" in seven[at : at + self._limit]
                return self._unended(at, final, "truncated" if begun else "noise")
            if end[0] != b"!":
                return at - end.start(), "noise"
        tail = bytes(seven[stop + 1 : stop + 3])
        if tail != b"\r\n" and (not b"\r\n".startswith(tail) or not final):
            return WAIT if b"\r\n".startswith(tail) else (at - stop - 1, "noise")
        return (stop + 1 + len(tail) - at, "text") if seven.find(b"(", at, stop) >= 0 else (at - stop - 1, "noise")


_BEGINNINGS: dict[int, Callable[[Scanner, int, bool], Measured]] = {
    0x01: Scanner._command,
    0x02: Scanner._block,
    0x06: Scanner._ack,
    0x15: Scanner._nak,
    0x2F: Scanner._line,
}
