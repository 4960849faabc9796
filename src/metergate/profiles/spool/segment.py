"""The spool's files: records with a check sum each, in segments that can be read on their own.

A record (little-endian) is

    4 s b"MGSR" | 4 u CRC-32 of all that follows | 4 u length of the payload | 8 u cursor | 1 u kind | payload

and a segment is a HEAD record (spool epoch, when begun, what was acknowledged, all registers known) and then DATA,
REGISTERS and ACKNOWLEDGED records. Only a DATA record has a cursor of its own; the others repeat the last one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from metergate.bits import Cursor
from metergate.model import Register
from metergate.wire.batch import Body, pack_body, pack_registers, unpack_body, unpack_registers

MARK = b"MGSR"
MAX_PAYLOAD = 256 << 10
_FRAME = struct.Struct("<4sI")
_HEADER = struct.Struct("<IQB")
_HEAD = struct.Struct("<16sqQ")
RECORD_HEADER = _FRAME.size + _HEADER.size
"""Octets of a record before its payload: no record is shorter."""


class Kind(IntEnum):
    """What a record's payload is."""

    HEAD = 1
    DATA = 2
    REGISTERS = 3
    ACKNOWLEDGED = 4


@dataclass(frozen=True, slots=True)
class Record:
    """A record found at `offset`; the next begins at `end`."""

    kind: int
    cursor: int
    payload: bytes
    offset: int
    end: int

    def body(self) -> Body:
        """The content of a DATA record."""
        return unpack_body(self.payload)

    def registers(self) -> dict[int, Register]:
        """The content of a REGISTERS record."""
        return unpack_registers(self.payload)

    def acknowledged(self) -> int:
        """The content of an ACKNOWLEDGED record."""
        return int.from_bytes(self.payload, "little")

    def head(self) -> Head:
        """The content of a HEAD record."""
        reader = Cursor(self.payload)
        epoch, begun, acknowledged = _HEAD.unpack(reader.take(_HEAD.size))
        return Head(epoch.hex(), begun, acknowledged, unpack_registers(reader.rest()))


@dataclass(frozen=True, slots=True)
class Damage:
    """Octets from `offset` to `end` that hold no whole record."""

    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class Head:
    """How a segment begins: the spool's identity, ms since 1970 at its making, and what was known then."""

    epoch: str
    begun: int
    acknowledged: int
    registers: Mapping[int, Register]


def head_record(head: Head, cursor: int) -> bytes:
    """The first record of a segment; `cursor` is the last one of the segment before."""
    begin = _HEAD.pack(bytes.fromhex(head.epoch), head.begun, head.acknowledged)
    return record(Kind.HEAD, cursor, begin + pack_registers(head.registers))


def data_record(body: Body, cursor: int) -> bytes:
    """A record of readings, texts and events. ValueError if too large."""
    payload = pack_body(body)
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a record of {len(payload)} octets, {MAX_PAYLOAD} at most")
    return record(Kind.DATA, cursor, payload)


def registers_record(registers: Mapping[int, Register], cursor: int) -> bytes:
    """A record of register descriptions."""
    return record(Kind.REGISTERS, cursor, pack_registers(registers))


def acknowledged_record(acknowledged: int, cursor: int) -> bytes:
    """A record of what the station has."""
    return record(Kind.ACKNOWLEDGED, cursor, acknowledged.to_bytes(8, "little"))


def record(kind: Kind, cursor: int, payload: bytes) -> bytes:
    """The octets of a record."""
    header = _HEADER.pack(len(payload), cursor, kind)
    return _FRAME.pack(MARK, zlib.crc32(payload, zlib.crc32(header))) + header + payload


def scan(data: bytes, base: int = 0) -> Iterator[Record | Damage]:
    """All whole records in `data`, and the damage between and behind them. `base`: where `data` begins in the file."""
    at = 0
    while at < len(data):
        found = _record_at(data, at, base)
        if found is not None:
            yield found
            at = found.end - base
            continue
        start, at = at, data.find(MARK, at + 1)
        while at >= 0 and _record_at(data, at, base) is None:
            at = data.find(MARK, at + 1)
        at = len(data) if at < 0 else at
        yield Damage(base + start, base + at)


def _record_at(data: bytes, at: int, base: int) -> Record | None:
    """The record that begins at `at`, None if there is no whole one."""
    start = at + RECORD_HEADER
    if start > len(data):
        return None
    mark, check = _FRAME.unpack_from(data, at)
    length, cursor, kind = _HEADER.unpack_from(data, at + _FRAME.size)
    end = start + length
    if mark != MARK or end > len(data) or zlib.crc32(memoryview(data)[at + _FRAME.size : end]) != check:
        return None
    return Record(kind, cursor, data[start:end], base + at, base + end)
