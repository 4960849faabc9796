"""The MGC/1 frame, between station and collector (MGC/1): `7E ver address seq function length payload CRC`.

Numbers are big-endian; the CRC-16/MODBUS over ver..payload travels low octet first. Nothing is escaped: a receiver
looks for 7E and takes what has a possible length and a right CRC.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from metergate.bits import crc_modbus
from metergate.errors import BadChecksum, BadValue, DecodeError
from metergate.wire.hunt import Hunter

START, VERSION = 0x7E, 1
MOST_PAYLOAD = 1024
OVERHEAD = 10
UNASSIGNED, BROADCAST = 0, 0xFFFF
ANSWER = 0x80
_HEAD = struct.Struct(">BBHBBH")


class Function(IntEnum):
    """What a frame asks; an answer has 80H more."""

    IDENT = 0x01
    STATUS = 0x02
    READ_NOW = 0x03
    READ_FREEZE = 0x04
    READ_LOG = 0x05
    ACK_LOG = 0x06
    SET_TIME = 0x07
    GET_TIME = 0x08
    VALVE = 0x09
    VALVE_STATE = 0x0A
    CONFIG_GET = 0x0B
    CONFIG_SET = 0x0C
    PASS = 0x0D
    EVENTS = 0x0E


class Status(IntEnum):
    """The first octet of an answer's payload."""

    OK = 0x00
    UNKNOWN_FUNCTION = 0x01
    BAD_PAYLOAD = 0x02
    BUSY = 0x03
    CHANNEL_ABSENT = 0x04
    INTERLOCK = 0x05
    EXPIRED = 0x06
    NO_DATA = 0x07

    @property
    def text(self) -> str:
        """In words."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, either direction."""

    address: int
    seq: int
    function: int
    payload: bytes = b""

    @property
    def is_answer(self) -> bool:
        """From a collector."""
        return bool(self.function & ANSWER)

    def encode(self) -> bytes:
        """The octets. BadValue if a field does not fit."""
        size = len(self.payload)
        if size > MOST_PAYLOAD:
            raise BadValue(f"{size} octets of payload, at most {MOST_PAYLOAD} fit")
        try:
            head = _HEAD.pack(START, VERSION, self.address, self.seq, self.function, size)
        except struct.error as error:
            raise BadValue(str(error)) from None
        body = head[1:] + self.payload
        return head[:1] + body + crc_modbus(body).to_bytes(2, "little")

    @classmethod
    def of(cls, octets: bytes) -> Frame:
        """From a frame that a hunter has checked."""
        _, _, address, seq, function, _ = _HEAD.unpack_from(octets)
        return cls(address, seq, function, octets[8:-2])


def measure(buffer: bytes | bytearray, at: int) -> int:
    """See `hunt.Measure`."""
    size = len(buffer) - at
    if size > 1 and buffer[at + 1] != VERSION:
        return -1
    if size < 8:
        return 0
    length = buffer[at + 6] << 8 | buffer[at + 7]
    return OVERHEAD + length if length <= MOST_PAYLOAD else -1


def verify(frame: bytes, offset: int) -> DecodeError | None:
    """See `hunt.Verify`."""
    want = crc_modbus(frame[1:-2])
    got = int.from_bytes(frame[-2:], "little")
    return None if got == want else BadChecksum(f"CRC {got:04x}, {want:04x} computed", offset)


def hunter() -> Hunter:
    """A hunter for frames of this protocol."""
    return Hunter(START, measure, verify)
