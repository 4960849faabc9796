"""The CJ/T 188 frame: `68 T A0..A6 C L DI0 DI1 SER DATA CS 16` (CJ/T 188-2004).

T is the type of meter, the address travels low octet first (A5 A6: maker), CS is the sum of all octets from 68.
"""

from __future__ import annotations

from dataclasses import dataclass

from metergate.bits import sum8
from metergate.errors import BadChecksum, BadValue, DecodeError
from metergate.wire.hunt import Hunter

START, END, WAKE = 0x68, 0x16, 0xFE
OVERHEAD = 13
REPLY, FAILED = 0x80, 0x40
ANYBODY, ANY_TYPE = "aa" * 7, 0xAA
READ, READ_ADDRESS, WRITE, KEY_VERSION, SET_ADDRESS, SET_BASE, WRITE_VARIANT = 0x01, 0x03, 0x04, 0x09, 0x15, 0x16, 0x2A
FUNCTIONS = {
    READ: "read",
    READ_ADDRESS: "read address",
    WRITE: "write",
    KEY_VERSION: "key version",
    SET_ADDRESS: "set address",
    SET_BASE: "set base",
    WRITE_VARIANT: "write, a maker's variant",
}
COUNTERS, ADDRESS, VALVE, NEW_ADDRESS = 0x901F, 0x810A, 0xA017, 0xA018
_DI_HIGH = frozenset((0x81, 0x90, 0xA0, 0xD1))


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `address` in display order (14 digits, "aa" = any octet)."""

    meter_type: int
    address: str
    control: int
    data: bytes = b""

    @property
    def function(self) -> int:
        """The function code, without direction and error bits."""
        return self.control & 0x3F

    @property
    def from_meter(self) -> bool:
        """A reply, not a request."""
        return bool(self.control & REPLY)

    @property
    def failed(self) -> bool:
        """A reply that says no."""
        return self.control & 0xC0 == REPLY | FAILED

    @property
    def di(self) -> int | None:
        """The identifier, whichever octet came first: 901FH for 90 1F and for 1F 90."""
        if len(self.data) < 3 or (self.failed and len(self.data) == 3):
            return None
        first, second = self.data[:2]
        swapped = first not in _DI_HIGH and second in _DI_HIGH
        return second << 8 | first if swapped else first << 8 | second

    @property
    def ser(self) -> int | None:
        """The sequence number that a reply repeats."""
        if self.failed and len(self.data) == 3:
            return self.data[0]
        return self.data[2] if len(self.data) >= 3 else None

    @property
    def payload(self) -> bytes:
        """What follows identifier and sequence number."""
        return self.data[1:] if self.failed and len(self.data) == 3 else self.data[3:]

    def encode(self, wake: int = 0) -> bytes:
        """The octets, after `wake` octets FE. BadValue if address or data cannot be sent."""
        if len(self.data) > 255:
            raise BadValue(f"{len(self.data)} data octets do not fit a frame")
        head = bytes((START, self.meter_type, *address_octets(self.address), self.control, len(self.data)))
        return b"\xfe" * wake + head + self.data + bytes((sum8(head + self.data), END))

    @classmethod
    def of(cls, octets: bytes) -> Frame:
        """From a frame that a hunter has checked."""
        return cls(octets[1], octets[8:1:-1].hex(), octets[9], octets[11:-2])


def address_octets(text: str) -> bytes:
    """The seven octets as sent for an address in display order; shorter ones get zeros in front."""
    digits = text.zfill(14).lower()
    if len(digits) != 14 or set(digits) - set("0123456789abcdef"):
        raise BadValue(f"{text!r} is no CJ/T 188 address: up to 14 digits, aa for any two")
    return bytes.fromhex(digits)[::-1]


def identifier(di: int, swapped: bool = False) -> bytes:
    """The two octets of an identifier: high one first, or `swapped`."""
    return di.to_bytes(2, "little" if swapped else "big")


def matches(pattern: str, address: str) -> bool:
    """Whether `pattern` (each octet itself or "aa") names the meter `address`."""
    pairs = ((pattern[at : at + 2], address[at : at + 2]) for at in range(0, 14, 2))
    return all(want in ("aa", have) for want, have in pairs)


def measure(buffer: bytes | bytearray, at: int) -> int:
    """See `hunt.Measure`: type and control code must be ones that exist."""
    size = len(buffer) - at
    if size > 1 and not (0x10 <= buffer[at + 1] <= 0x49 or buffer[at + 1] == ANY_TYPE):
        return -1
    if size > 9 and buffer[at + 9] & 0x3F not in FUNCTIONS:
        return -1
    return 0 if size < 11 else OVERHEAD + buffer[at + 10]


def verify(frame: bytes, offset: int) -> DecodeError | None:
    """See `hunt.Verify`: sum and end octet."""
    if sum8(frame[:-2]) != frame[-2]:
        return BadChecksum(f"check octet {frame[-2]:02x}, {sum8(frame[:-2]):02x} computed", offset)
    return None if frame[-1] == END else BadValue(f"the frame ends with {frame[-1]:02x}, not 16", offset + len(frame))


def hunter() -> Hunter:
    """A hunter for frames of this protocol."""
    return Hunter(START, measure, verify, WAKE)
