"""HDLC frames of format type 3 (IEC 62056-46; specification chapter 2.1): between two flags, without byte stuffing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from metergate.bits import Cursor, crc_x25
from metergate.errors import BadChecksum, BadValue, Truncated, Unsupported
from metergate.wire.hdlc.address import Address

FLAG = 0x7E
LONGEST = 2047
"""Most bytes between the flags: the length field has eleven bits."""
POLL = 0x10
"""The bit in the control field by which the client hands over the turn, and the server hands it back."""
REQUEST, RESPONSE = bytes.fromhex("E6E600"), bytes.fromhex("E6E700")
"""LLC headers before an APDU: to the server, and to the client."""
_TYPE, _SEGMENTED = 0xA0, 0x08


class Kind(IntEnum):
    """What a frame is, as its control field without poll bit and sequence numbers."""

    I = 0x00  # noqa: E741 - the standard's own name
    RR = 0x01
    RNR = 0x05
    SNRM = 0x83
    DISC = 0x43
    UA = 0x63
    DM = 0x0F
    FRMR = 0x87
    UI = 0x03


_NUMBERED = (Kind.I, Kind.RR, Kind.RNR)
_UNNUMBERED = {int(kind): kind for kind in Kind if kind not in _NUMBERED}


def kind_of(control: int) -> Kind:
    """The kind of frame. Unsupported for control fields that this profile does not use."""
    if not control & 1:
        return Kind.I
    supervisory = {0x01: Kind.RR, 0x05: Kind.RNR}.get(control & 0x0F)
    found = supervisory or _UNNUMBERED.get(control & ~POLL)
    if found is None:
        raise Unsupported(f"control field {control:02X} is not used by this profile")
    return found


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `information` is without header check; `segmented`: more of the same message follows."""

    destination: Address
    source: Address
    control: int
    information: bytes = b""
    segmented: bool = False

    @property
    def kind(self) -> Kind:
        """What it is. Unsupported for unknown ones."""
        return kind_of(self.control)

    @property
    def final(self) -> bool:
        """The poll bit (from the client) or the final bit (from the server)."""
        return bool(self.control & POLL)

    @property
    def send(self) -> int:
        """N(S) of an I frame."""
        return self.control >> 1 & 7

    @property
    def receive(self) -> int:
        """N(R) of an I, RR or RNR frame."""
        return self.control >> 5

    @property
    def octets(self) -> bytes:
        """As on the wire, with both flags. BadValue if it is longer than the length field can tell."""
        addresses = self.destination.octets + self.source.octets
        checks = 4 if self.information else 2
        length = 3 + len(addresses) + len(self.information) + checks
        if length > LONGEST:
            raise BadValue(f"a frame of {length} bytes is longer than {LONGEST}")
        form = _TYPE | self.segmented * _SEGMENTED | length >> 8
        head = bytes((form, length & 0xFF)) + addresses + bytes((self.control,))
        if self.information:
            head += crc_x25(head).to_bytes(2, "little") + self.information
        return b"\x7e" + head + crc_x25(head).to_bytes(2, "little") + b"\x7e"

    @classmethod
    def of(cls, octets: bytes) -> Frame:
        """The frame in `octets`, flags included. BadChecksum, Truncated, BadValue."""
        error = verify(octets)
        if error is not None:
            raise error
        cursor = Cursor(octets, 3)
        destination, source = Address.take(cursor), Address.take(cursor)
        control = cursor.byte()
        begin, end = cursor.at + 2, len(octets) - 3
        return cls(destination, source, control, octets[begin:end], bool(octets[1] & _SEGMENTED))


def header_size(octets: bytes | bytearray, at: int = 0) -> int:
    """Bytes from format to control field of the frame whose flag stands at `at`; 0: not yet known; -1: no header."""
    place, end = at + 3, len(octets)
    for _ in range(2):
        begin = place
        while True:
            if place >= end:
                return 0
            place += 1
            if octets[place - 1] & 1 or place - begin > 4:
                break
        if place - begin not in (1, 2, 4):
            return -1
    return place - at if place < end else 0


def length_of(octets: bytes | bytearray, at: int = 0) -> int:
    """Bytes between the flags, by the length field behind the flag at `at`."""
    return (octets[at + 1] & 7) << 8 | octets[at + 2]


def verify(octets: bytes | bytearray, offset: int = 0) -> BadChecksum | BadValue | Truncated | None:
    """What is wrong with a whole frame, flags included."""
    if len(octets) < 9:
        return Truncated(f"{len(octets)} bytes are no frame", offset)
    if octets[1] & 0xF0 != _TYPE:
        return BadValue(f"frame format {octets[1]:02X} is not of type 3", offset)
    if length_of(octets) != len(octets) - 2:
        return Truncated(f"{len(octets) - 2} bytes between the flags, not {length_of(octets)}", offset)
    if crc_x25(bytes(octets[1:-1])) != _RESIDUE:
        return BadChecksum("the frame check (FCS) is wrong", offset)
    wrong = verify_header(octets, offset)
    if wrong is None and (octets[0] != FLAG or octets[-1] != FLAG):
        return BadValue("the frame does not end with a flag", offset)
    return wrong


def verify_header(octets: bytes | bytearray, offset: int = 0, at: int = 0) -> BadChecksum | BadValue | None:
    """What is wrong with the header of the frame at `at`; it and its check, where it has one, must be there."""
    size, length = header_size(octets, at), length_of(octets, at)
    if size <= 0:
        return BadValue("the addresses are none of 1, 2 or 4 bytes", offset)
    if length == size + 2:
        return None
    if length < size + 4:
        return BadValue(f"{length} bytes are too few for this frame", offset)
    if crc_x25(bytes(octets[at + 1 : at + size + 3])) != _RESIDUE:
        return BadChecksum("the header check (HCS) is wrong", offset)
    return None


_RESIDUE = crc_x25(b"123456789" + crc_x25(b"123456789").to_bytes(2, "little"))
"""What the check gives over anything followed by its own check."""
