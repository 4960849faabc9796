"""The DL/T 645 frame: `68 A0..A5 68 C L DATA CS 16`, the same in the editions of 1997 and 2007 (DL/T 645-2007).

Address, low byte first; every data octet travels with 33H added; CS is the sum of all octets from the first 68.
"""

from __future__ import annotations

from dataclasses import dataclass

from metergate.bits import sum8
from metergate.errors import BadChecksum, BadValue, DecodeError
from metergate.wire.hunt import Hunter

START, END, WAKE = 0x68, 0x16, 0xFE
OVERHEAD = 12
"""Octets of a frame without its data."""
MOST_DATA = 200
"""Most data octets of a frame that we send."""
REPLY, FAILED, FOLLOWS = 0x80, 0x40, 0x20
"""Bits of the control code: from the meter, it reports an error, more frames follow."""
BROADCAST = "99" * 6
ANYBODY = "aa" * 6
PLUS_33 = bytes((octet + 0x33) & 0xFF for octet in range(256))
MINUS_33 = bytes((octet - 0x33) & 0xFF for octet in range(256))


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `address` in display order (12 digits, "aa" = any octet), `data` without the 33H."""

    address: str
    control: int
    data: bytes = b""

    @property
    def function(self) -> int:
        """The function code, without direction and error bits."""
        return self.control & 0x1F

    @property
    def from_meter(self) -> bool:
        """A reply, not a request."""
        return bool(self.control & REPLY)

    @property
    def error(self) -> int | None:
        """The error octet of a reply that refuses, or None."""
        return self.data[0] if self.control & 0xC0 == REPLY | FAILED and self.data else None

    def encode(self, wake: int = 0) -> bytes:
        """The octets, after `wake` octets FE. BadValue if address or data cannot be sent."""
        if len(self.data) > 255:
            raise BadValue(f"{len(self.data)} data octets do not fit a frame")
        head = bytes((START, *address_octets(self.address), START, self.control, len(self.data)))
        body = head + self.data.translate(PLUS_33)
        return b"\xfe" * wake + body + bytes((sum8(body), END))

    @classmethod
    def decode(cls, octets: bytes) -> Frame:
        """From the octets of one whole frame, first 68 to 16. BadChecksum or BadValue if they are none."""
        if measure(octets, 0) != len(octets):
            raise BadValue("not one DL/T 645 frame")
        if wrong := verify(octets, 0):
            raise wrong
        return cls.of(octets)

    @classmethod
    def of(cls, octets: bytes) -> Frame:
        """As `decode`, of octets that a hunter has checked."""
        return cls(octets[6:0:-1].hex(), octets[8], octets[10:-2].translate(MINUS_33))


def address_octets(text: str) -> bytes:
    """The six octets as sent for an address in display order; shorter ones get zeros in front."""
    digits = text.zfill(12).lower()
    if len(digits) != 12 or set(digits) - set("0123456789abcdef"):
        raise BadValue(f"{text!r} is no DL/T 645 address: up to 12 digits, aa for any two")
    return bytes.fromhex(digits)[::-1]


def matches(pattern: str, address: str) -> bool:
    """Whether `pattern` (each octet itself or "aa") names the meter `address`; short ones have zeros in front."""
    pattern, address = pattern.zfill(12).lower(), address.zfill(12)
    pairs = ((pattern[at : at + 2], address[at : at + 2]) for at in range(0, 12, 2))
    return all(want in ("aa", have) for want, have in pairs)


def measure(buffer: bytes | bytearray, at: int) -> int:
    """See `hunt.Measure`: the two 68 must stand seven octets apart."""
    size = len(buffer) - at
    if size > 7 and buffer[at + 7] != START:
        return -1
    return 0 if size < 10 else OVERHEAD + buffer[at + 9]


def verify(frame: bytes, offset: int) -> DecodeError | None:
    """See `hunt.Verify`: sum and end octet."""
    if sum(frame[:-2]) & 0xFF != frame[-2]:
        return BadChecksum(f"check octet {frame[-2]:02x}, {sum8(frame[:-2]):02x} computed", offset)
    return None if frame[-1] == END else BadValue(f"the frame ends with {frame[-1]:02x}, not 16", offset + len(frame))


def hunter() -> Hunter:
    """A hunter for frames of this protocol."""
    return Hunter(START, measure, verify, WAKE)


ERROR_BITS = ("other error", "no such data", "password or authority", "baud rate", "year zones", "day slots", "tariffs")


def error_text(octet: int) -> str:
    """What the error octet of a reply says (DL/T 645-2007): "no such data, password or authority"."""
    told = [name for bit, name in enumerate(ERROR_BITS) if octet >> bit & 1]
    return ", ".join(told) or f"error {octet:02x}"
