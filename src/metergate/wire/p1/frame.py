"""A telegram's text: identification, data lines, check sum (DSMR P1 §6.2, IEC 62056-21 mode D).

`Frame` is the typed form of the bytes; it knows lines and brackets, not what they mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from metergate.bits import crc_arc
from metergate.errors import BadChecksum, BadValue, DecodeError, Truncated

LIMIT = 8192
"""Bytes of the longest telegram."""
HEAD = re.compile(rb"/[A-Za-z]{3}[\x02\x20\x22-\x2e\x30-\x7e]{0,60}\r?\n")
TAIL = re.compile(rb"!([0-9A-Fa-f]{0,4})\0?(?:\r?\n)?")
"""Some meters put a NUL behind the check sum."""
_MODE = re.compile(r"\A(?:\\\d|\x02)", re.ASCII)
_LINE = re.compile(r"(\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(?:[*&]\d{1,3})?)?((?:\([^()]*\))+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """A data line: OBIS code as sent and what stands in its brackets.

    A line of brackets alone has an empty `code` and continues the line before; one that is neither is all in `code`,
    with no `groups`. `at` is where its first bracket opens, in the bytes of the frame.
    """

    code: str
    groups: tuple[str, ...] = ()
    at: int = field(default=0, compare=False)

    @property
    def text(self) -> str:
        """The line as sent."""
        return f"{self.code}({')('.join(self.groups)})" if self.groups else self.code


@dataclass(frozen=True, slots=True)
class Frame:
    """`identification` without the `/`; `checked`: it ends with a check sum."""

    identification: str
    lines: tuple[Line, ...] = ()
    checked: bool = True

    @property
    def manufacturer(self) -> str:
        """The maker's three letters."""
        return self.identification[:3].upper()

    @property
    def model(self) -> str:
        """What follows maker and baud rate, without the mark of mode E (`\\2`, or a bare 02H)."""
        rest = self.identification[3:]
        rest = rest[1:] if rest[:1].isdecimal() else rest
        return _MODE.sub("", rest).lstrip("\\-")

    def encode(self) -> bytes:
        """The bytes, check sum included. BadValue where they would not be read again as they are."""
        head = f"/{self.identification}\r\n"
        if not HEAD.fullmatch(head.encode("latin-1", "replace")):
            raise BadValue(f"{self.identification!r} is no identification: three letters of the maker come first")
        text = "".join(f"{line.text}\r\n" for line in self.lines)
        body = f"{head}\r\n{text}!".encode("ascii", "replace")
        return body + (f"{crc_arc(body):04X}\r\n".encode() if self.checked else b"\r\n")


def decode_frame(octets: bytes) -> Frame:
    """The frame in the bytes from `/` to the end of the line that begins with `!`. DecodeError; see `check`."""
    wrong = check(octets)
    if wrong is not None:
        raise wrong
    return split(octets)


def split(octets: bytes) -> Frame:
    """As `decode_frame`, without looking at the check sum."""
    text = octets.decode("latin-1")
    end = text.rindex("!")
    lines: list[Line] = []
    at = text.index("\n") + 1
    identification = text[1:at].rstrip("\r\n")
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        line = text[at:stop].removesuffix("\r")
        if line:
            lines.append(_line(line, at))
        at = stop + 1
    return Frame(identification, tuple(lines), bool(sent(octets)))


def _line(line: str, at: int) -> Line:
    found = _LINE.fullmatch(line)
    if not found:
        return Line(line, (), at)
    code, groups = found[1] or "", found[2]
    return Line(code, tuple(groups[1:-1].split(")(")), at + len(code))


def sent(octets: bytes) -> bytes:
    """The digits of the check sum as sent; none where there is none."""
    found = TAIL.fullmatch(octets, octets.rfind(b"!"))
    return found[1] if found else b""


def check(octets: bytes, offset: int = 0) -> DecodeError | None:
    """What is wrong with the end and the check sum; None where there is none, or none is sent.

    The number counts, not how it is written (`!B9F` is 0B9F).
    """
    at = octets.rfind(b"!")
    found = TAIL.fullmatch(octets, at) if at >= 0 else None
    if found is None:
        return BadChecksum("what follows the ! is no check sum", offset + max(at, 0))
    if not found[1]:
        if octets[at - 1 : at] != b"\n":  # without a check sum one wrong bit makes a ! of the ) that ends a line
            return BadChecksum("the ! does not begin its line, and no check sum follows it", offset + at)
        return None if octets.endswith(b"\n") else Truncated("the telegram ends behind its !", offset + at)
    right = crc_arc(octets[: at + 1])
    if int(found[1], 16) != right:
        return BadChecksum(f"the check sum {found[1].decode()} is wrong, {right:04X} would be right", offset + at + 1)
    return None
