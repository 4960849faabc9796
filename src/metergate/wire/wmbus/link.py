"""The link layer of wireless M-Bus: frame formats A and B with their CRCs, and frames whose CRCs a stick removed.

A frame is L, C, M (2 bytes), A (6 bytes) and what follows. Here a *telegram* is the frame without CRCs, L as it was
sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter

from metergate.bits import crc_en13757, le
from metergate.errors import BadValue, Truncated
from metergate.wire.mbus import names

FIRST = 10
"""Bytes of the first block of format A: L C M M A A A A A A."""
NEXT = 16
"""Bytes of its further blocks."""
B_FIRST = 126
"""Most bytes before the first CRC of format B."""
SHORTEST = 9
"""Least L: C, M and A."""

CONTROLS = {
    0x44: "SND_NR",
    0x46: "SND_IR",
    0x06: "CNF_IR",
    0x47: "ACC_NR",
    0x48: "ACC_DMD",
    0x08: "RSP_UD",
    0x18: "RSP_UD",
    0x28: "RSP_UD",
    0x38: "RSP_UD",
    0x00: "ACK",
    0x10: "ACK",
    0x40: "SND_NKE",
    0x43: "SND_UD2",
    0x53: "SND_UD",
    0x73: "SND_UD",
    0x5A: "REQ_UD1",
    0x7A: "REQ_UD1",
    0x5B: "REQ_UD2",
    0x7B: "REQ_UD2",
}
"""C fields by name (EN 13757-4)."""


Cut = Callable[[bytes], tuple[bytes, ...]]


class Format(Enum):
    """How the link layer protects a frame."""

    A = "A"
    B = "B"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Mode:
    """A radio mode: carrier in kHz, chips a second, line coding; what the meter sends, and down to the meter."""

    carrier: int
    rate: int
    coding: str
    both_ways: bool


MODES = {
    "S1": Mode(868_300, 32_768, "manchester", both_ways=False),
    "S2": Mode(868_300, 32_768, "manchester", both_ways=True),
    "T1": Mode(868_950, 100_000, "3of6", both_ways=False),
    "T2": Mode(868_950, 100_000, "3of6", both_ways=True),
    "C1": Mode(868_950, 100_000, "nrz", both_ways=False),
    "C2": Mode(868_950, 100_000, "nrz", both_ways=True),
}
"""Radio modes by name. Down to a T2 meter: 868.30 MHz, Manchester."""
C_SYNC = {b"\x54\x3d\x54\xcd": Format.A, b"\x54\x3d\x54\x3d": Format.B}
"""Mode C marks the frame format in its synchronisation word."""


@dataclass(frozen=True, slots=True)
class Address:
    """Who sent it, or whom it is about: M field (2 bytes), id (4 bytes, BCD, low byte first), version, device type."""

    maker: bytes
    number: bytes
    version: int
    device: int

    @classmethod
    def of(cls, octets: bytes) -> Address:
        """From 8 bytes in the order of the link layer: M, id, version, type."""
        return cls(octets[:2], octets[2:6], octets[6], octets[7])

    @classmethod
    def long(cls, octets: bytes) -> Address:
        """From 8 bytes in the order of the transport layer's long header: id, M, version, type."""
        return cls(octets[4:6], octets[:4], octets[6], octets[7])

    @classmethod
    def named(cls, text: str, letters: str, version: int, device: int) -> Address:
        """From what is printed on the meter: "12345678", "ELS"."""
        maker = names.manufacturer_code(letters).to_bytes(2, "little")
        return cls(maker, names.identification_octets(text), version, device)

    @property
    def octets(self) -> bytes:
        """In the order of the link layer; also the first half of initialisation vectors."""
        return self.maker + self.number + bytes((self.version, self.device))

    @property
    def long_octets(self) -> bytes:
        """In the order of the long header."""
        return self.number + self.maker + bytes((self.version, self.device))

    @property
    def id(self) -> str:
        """As printed on the meter."""
        return names.identification(self.number)

    @property
    def manufacturer(self) -> str:
        """Three letters."""
        return names.manufacturer(le(self.maker))


def size(length: int, form: Format) -> int:
    """Bytes on the air of a frame whose L field is `length`, L and CRCs included."""
    if form is Format.A:
        return length + 1 + 2 * (1 + -(-max(length + 1 - FIRST, 0) // NEXT))
    return length + 1


def blocks(total: int, form: Format) -> list[tuple[int, int]]:
    """Where the CRC-protected blocks of a frame of `total` bytes stand: (begin, end), the CRC's 2 bytes after `end`."""
    found = []
    at = 0
    while at < total:
        room = B_FIRST if form is Format.B and not at else total if form is Format.B else NEXT if at else FIRST
        end = min(at + room, total - 2)
        found.append((at, end))
        at = end + 2
    return found


def on_line(at: int, form: Format) -> int:
    """Where byte `at` of a telegram stands in its frame."""
    if form is Format.A:
        return at + (2 + (at - FIRST) // NEXT * 2 if at >= FIRST else 0)
    return at + 2 if form is Format.B and at >= B_FIRST else at


def checks(data: bytes | bytearray, begin: int, end: int) -> bool:
    """Is the CRC right that follows `data[begin:end]`, high byte first?"""
    return bool(crc_en13757(bytes(data[begin:end])) == int.from_bytes(data[end : end + 2]))


def strip(frame: bytes, form: Format) -> bytes | None:
    """The telegram in a whole frame; None where a CRC is wrong."""
    if form is Format.NONE:
        return frame
    if len(frame) < FIRST + 2:
        return None
    whole, inner = _cuts(len(frame), form)
    if any(crc != _RESIDUE for crc in map(crc_en13757, whole(frame))):
        return None
    return b"".join(inner(frame))


_RESIDUE = crc_en13757(b"\xff\xff")
"""The CRC of whatever is followed by its own CRC."""


@lru_cache(512)
def _cuts(total: int, form: Format) -> tuple[Cut, Cut]:
    """What takes the blocks out of a frame of `total` bytes, with their CRCs and without."""
    parts = blocks(total, form)
    return _cut([slice(begin, end + 2) for begin, end in parts]), _cut([slice(*part) for part in parts])


def _cut(parts: list[slice]) -> Cut:
    return itemgetter(*parts) if len(parts) > 1 else lambda frame: (frame[parts[0]],)


def seal(telegram: bytes, form: Format) -> bytes:
    """The frame of a telegram, CRCs and L put in. BadValue if it is longer than L can say."""
    if form is Format.NONE:
        return _with_length(telegram, len(telegram) - 1)
    if form is Format.A:
        body = _with_length(telegram, len(telegram) - 1)
        cuts = [0, *range(FIRST, len(body), NEXT), len(body)]
    else:
        crcs = 2 if len(telegram) <= B_FIRST else 4
        body = _with_length(telegram, len(telegram) - 1 + crcs)
        cuts = [0, *([B_FIRST] if crcs == 4 else []), len(body)]
    pieces = [body[begin:end] for begin, end in pairwise(cuts)]
    return b"".join(piece + crc_en13757(piece).to_bytes(2) for piece in pieces)


def _with_length(telegram: bytes, length: int) -> bytes:
    if not SHORTEST <= length <= 255:
        raise BadValue(f"a frame's L is {SHORTEST} to 255, not {length}")
    return bytes((length,)) + telegram[1:]


@dataclass(frozen=True, slots=True)
class Link:
    """The link layer's header: C field and the sender's address."""

    control: int
    address: Address

    @classmethod
    def of(cls, telegram: bytes) -> Link:
        """From a telegram; Truncated if it is shorter than a header."""
        if len(telegram) < FIRST:
            raise Truncated(f"a telegram has at least {FIRST} bytes, here are {len(telegram)}", len(telegram))
        return cls(telegram[1], Address.of(telegram[2:10]))

    @property
    def octets(self) -> bytes:
        """With L still 0."""
        return bytes((0, self.control)) + self.address.octets
