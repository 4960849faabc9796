"""The DL/T 698.45 frame: `68 L(2) C SA CA HCS(2) APDU FCS(2) 16` (DL/T 698.45).

L counts all but the two frame octets, low octet first. HCS and FCS are CRC-16/X.25 of what stands before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from metergate.bits import crc_x25
from metergate.errors import BadChecksum, BadValue, DecodeError, Truncated
from metergate.wire.hunt import Hunter

START, END, WAKE = 0x68, 0x16, 0xFE
UP, STARTED, SPLIT, SCRAMBLED = 0x80, 0x40, 0x20, 0x08
"""Bits of the control octet: from the meter, by who begins, a part of an APDU, APDU with 33H added."""
LINK, USER = 1, 3
"""Functions: link management, user data."""
SINGLE, WILDCARD, GROUP, BROADCAST = range(4)
TYPES = ("single", "wildcard", "group", "broadcast")
MOST = 0x3FFF
LEAST = 12
"""Fewest octets of a frame that the length field counts."""
FIRST, LAST, ACK, MIDDLE = range(4)
PLUS_33 = bytes((octet + 0x33) & 0xFF for octet in range(256))
MINUS_33 = bytes((octet - 0x33) & 0xFF for octet in range(256))


@dataclass(frozen=True, slots=True)
class Address:
    """A server address. `text` in display order: hex digits, `a` for any; `logical` 0..3."""

    text: str
    kind: int = SINGLE
    logical: int = 0

    @property
    def octets(self) -> bytes:
        """Flag and address as sent."""
        digits = self.text.lower()
        if len(digits) % 2 or not 2 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
            raise BadValue(f"{self.text!r} is no DL/T 698.45 address: 2 to 32 digits, an even number")
        flag = self.kind << 6 | (self.logical & 3) << 4 | len(digits) // 2 - 1
        return bytes((flag,)) + bytes.fromhex(digits)[::-1]

    @classmethod
    def of(cls, octets: bytes) -> Address:
        """From flag and address; BadValue if their lengths disagree."""
        if not octets or len(octets) != (octets[0] & 0x0F) + 2:
            raise BadValue(f"address {octets.hex()}")
        return cls(octets[:0:-1].hex(), octets[0] >> 6, octets[0] >> 4 & 3)

    @property
    def particular(self) -> bool:
        """Whether it names one meter."""
        return self.kind == SINGLE and "a" not in self.text

    def names(self, meter: str) -> bool:
        """Whether the meter `meter` (digits) is meant: itself, by a wildcard, or as everybody."""
        if self.kind == BROADCAST:
            return True
        size = max(len(self.text), len(meter))
        pairs = zip(self.text.zfill(size), meter.lower().zfill(size), strict=True)
        return self.kind != GROUP and all(want in ("a", have) for want, have in pairs)


ANYBODY = Address("a" * 12, WILDCARD)
EVERYBODY = Address("aa", BROADCAST)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `apdu`: the octets without the 33H of a scrambled one; of a split frame block header and part."""

    address: Address
    apdu: bytes
    control: int = STARTED | USER
    client: int = 0

    @property
    def from_meter(self) -> bool:
        """Sent by the server, not by the client."""
        return bool(self.control & UP)

    @property
    def split(self) -> bool:
        """A part of an APDU, or the acknowledgement of one."""
        return bool(self.control & SPLIT)

    @property
    def function(self) -> int:
        """1 link management, 3 user data."""
        return self.control & 7

    def encode(self, wake: int = 0) -> bytes:
        """The octets after `wake` octets FE. BadValue if the frame would be too long."""
        address = self.address.octets
        size = len(self.apdu) + len(address) + 8
        if size > MOST:
            raise BadValue(f"{len(self.apdu)} octets do not fit a frame: split the APDU")
        head = size.to_bytes(2, "little") + bytes((self.control,)) + address + bytes((self.client,))
        apdu = self.apdu.translate(PLUS_33) if self.control & SCRAMBLED else self.apdu
        body = head + crc_x25(head).to_bytes(2, "little") + apdu
        return b"\xfe" * wake + b"\x68" + body + crc_x25(body).to_bytes(2, "little") + b"\x16"

    @classmethod
    def decode(cls, octets: bytes) -> Frame:
        """From the octets of one whole frame. BadChecksum or BadValue if they are none."""
        if measure(octets, 0) != len(octets):
            raise BadValue("not one DL/T 698.45 frame")
        if wrong := verify(octets, 0):
            raise wrong
        return cls.of(octets)

    @classmethod
    def of(cls, octets: bytes) -> Frame:
        """As `decode`, of octets that a hunter has checked."""
        client = header_size(octets[4])
        apdu = octets[client:-3]
        if octets[3] & SCRAMBLED:
            apdu = apdu.translate(MINUS_33)
        return cls(_address(octets[4 : client - 3]), apdu, octets[3], octets[client - 3])


_address = lru_cache(16384)(Address.of)


def header_size(flag: int) -> int:
    """Octets from 68 to HCS, by the flag of the address."""
    return 9 + (flag & 0x0F)


def measure(buffer: bytes | bytearray, at: int) -> int:
    """See `hunt.Measure`. A wrong header check ends the frame there, so that a wrong length makes nobody wait."""
    size = len(buffer) - at
    if size < 5:
        return 0
    length = buffer[at + 1] | buffer[at + 2] << 8
    head = header_size(buffer[at + 4])
    if length > MOST or length < head + 1:
        return -1
    if size < head:
        return 0
    check = crc_x25(bytes(buffer[at + 1 : at + head - 2]))
    if check & 0xFF != buffer[at + head - 2] or check >> 8 != buffer[at + head - 1]:
        return head
    return length + 2


def verify(frame: bytes, offset: int) -> DecodeError | None:
    """See `hunt.Verify`: both check sums and the end octet."""
    if len(frame) == header_size(frame[4]):
        return BadChecksum("header check sum HCS is wrong", offset)
    want = crc_x25(frame[1:-3])
    if want & 0xFF != frame[-3] or want >> 8 != frame[-2]:
        return BadChecksum(f"check sum {frame[-2]:02x}{frame[-3]:02x}, {want:04x} computed", offset)
    return None if frame[-1] == END else BadValue(f"the frame ends with {frame[-1]:02x}, not 16", offset + len(frame))


def hunter() -> Hunter:
    """A hunter for frames of this protocol."""
    return Hunter(START, measure, verify, WAKE)


# --- split frames: a block header of two octets, its number in bits 0-11, its stage in bits 14-15 ---------------------
def block(number: int, stage: int, part: bytes = b"") -> bytes:
    """A part of an APDU with its block header."""
    return (number & 0x0FFF | stage << 14).to_bytes(2, "little") + part


def block_of(octets: bytes) -> tuple[int, int, bytes]:
    """`(number, stage, part)`. Truncated if there is no block header."""
    if len(octets) < 2:
        raise Truncated("a split frame without its block header")
    head = int.from_bytes(octets[:2], "little")
    return head & 0x0FFF, head >> 14, octets[2:]


def blocks(frame: Frame, most: int) -> list[Frame]:
    """`frame`, or the split frames of at most `most` octets that carry its APDU; the number counts from 0."""
    room = most - len(frame.address.octets) - 12
    if len(frame.apdu) <= room + 2:
        return [frame]
    pieces = [frame.apdu[at : at + room] for at in range(0, len(frame.apdu), room)]
    stages = [FIRST, *[MIDDLE] * (len(pieces) - 2), LAST]
    control = frame.control | SPLIT
    return [
        replace(frame, control=control, apdu=block(number, stage, piece))
        for number, (stage, piece) in enumerate(zip(stages, pieces, strict=True))
    ]


class Joiner:
    """Puts the parts of split frames of one talk together again; a part that comes twice counts once."""

    LIMIT = 64 << 10
    """Most octets of an APDU."""

    def __init__(self) -> None:
        self._parts = b""
        self._next = -1

    def add(self, octets: bytes) -> bytes | None:
        """The APDU once its last part is there, None before and for an acknowledgement. DecodeError."""
        number, stage, part = block_of(octets)
        if stage == ACK:
            return None
        if stage == FIRST:
            self._parts, self._next = part, number + 1 & 0x0FFF
            return None
        if self._next >= 0 and number == self._next - 1 & 0x0FFF and stage == MIDDLE:
            return None
        if number != self._next or len(self._parts) + len(part) > self.LIMIT:
            self._parts, self._next = b"", -1
            raise Truncated(f"part {number} without the parts before it")
        self._parts, self._next = self._parts + part, number + 1 & 0x0FFF
        if stage == MIDDLE:
            return None
        whole, self._parts, self._next = self._parts, b"", -1
        return whole


def acknowledge(frame: Frame) -> Frame:
    """The acknowledgement of a split frame, from its receiver."""
    number, _, _ = block_of(frame.apdu)
    return replace(frame, control=frame.control ^ UP, apdu=block(number, ACK))


def acknowledges(frame: Frame) -> Iterator[int]:
    """The number of the block that a frame acknowledges, if it does."""
    if frame.split:
        number, stage, _ = block_of(frame.apdu)
        if stage == ACK:
            yield number
