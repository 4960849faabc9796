"""What travels in MGC/1 payloads: records, events, collector status, valve state (MGC/1). Fixed sizes, big-endian.

A record and an event have 24 octets each and end with their own CRC-16/MODBUS (low octet first), which the collector
computed when it stored them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, IntFlag

from metergate.bits import crc_modbus
from metergate.errors import BadChecksum, BadValue, Truncated
from metergate.model import Event, Quality, Reading, Register, Severity, TimeQuality
from metergate.wire.mgc1.registers import REGISTERS, SCALER

SIZE = 24
MOST_RECORDS = 40
"""Most records of one READ_LOG."""
FITTING = 42
"""Records that fit an answer."""
_RECORD = struct.Struct(">IBBHIqH")
_EVENT = struct.Struct(">IBBHIIIH")


class Flag(IntFlag):
    """What is known about a record's value."""

    CLOCK_DOUBTFUL = 1
    NO_ANSWER = 2
    FROZEN = 4
    AFTER_POWER_UP = 8
    ESTIMATED = 16


def _sealed(body: bytes) -> bytes:
    return body + crc_modbus(body).to_bytes(2, "little")


def _opened(octets: bytes, at: int) -> bytes:
    body = octets[:-2]
    if len(octets) != SIZE:
        raise Truncated(f"{len(octets)} octets, a record has {SIZE}", at)
    if crc_modbus(body) != int.from_bytes(octets[-2:], "little"):
        raise BadChecksum("the CRC of the record is wrong", at)
    return body


@dataclass(frozen=True, slots=True)
class Record:
    """One value of one register. `time` in seconds since 1970, `value` in 10^-3 of the register's unit."""

    cursor: int
    channel: int
    register: int
    time: int
    value: int
    flags: int = 0
    boots: int = 0

    def encode(self) -> bytes:
        """24 octets. BadValue if a field does not fit."""
        try:
            body = _RECORD.pack(
                self.cursor, self.channel, self.register, self.flags, self.time, self.value, self.boots & 0xFFFF
            )
        except struct.error as error:
            raise BadValue(str(error)) from None
        return _sealed(body)

    @classmethod
    def decode(cls, octets: bytes, at: int = 0) -> Record:
        """From 24 octets. BadChecksum, Truncated."""
        cursor, channel, register, flags, time, value, boots = _RECORD.unpack(_opened(octets, at))
        return cls(cursor, channel, register, time, value, flags, boots)

    def reading(self, meter: str, received: datetime | None = None) -> Reading:
        """The reading of `meter`. A meter that gave no answer, or a register that is not known, has no value."""
        known = REGISTERS.get(self.register)
        flags = Flag(self.flags & 0x1F)
        register = Register(
            meter,
            known.obis if known else None,
            known.quantity if known else None,
            known.unit if known else None,
            SCALER,
            address=f"{self.register:02x}",
        )
        doubtful = flags & Flag.CLOCK_DOUBTFUL
        surety = TimeQuality.DOUBTFUL if doubtful else TimeQuality.SYNCHRONISED
        time = datetime.fromtimestamp(self.time, UTC)
        if flags & Flag.NO_ANSWER or known is None:
            reason = "no answer" if flags & Flag.NO_ANSWER else "unknown register"
            return Reading(register, None, None, time, received, self.flags, Quality.ABSENT, surety, reason)
        quality = Quality.ESTIMATED if flags & Flag.ESTIMATED else Quality.GOOD
        notes = tuple(
            text for flag, text in ((Flag.FROZEN, "frozen"), (Flag.AFTER_POWER_UP, "after power-up")) if flags & flag
        )
        value = Decimal(self.value).scaleb(SCALER)
        return Reading(register, value, self.value, time, received, self.flags, quality, surety, None, notes)


class EventCode(IntEnum):
    """What a collector reports."""

    MAINS_FAIL = 1
    MAINS_RESTORED = 2
    BATTERY_LOW = 3
    METER_BUS_FAULT = 4
    CLOCK_SET = 5
    BUFFER_OVERRUN = 6
    POWER_UP = 7
    GAS_ALARM = 8
    GAS_ALARM_OFF = 9
    LOOP_OPEN = 10
    LOOP_SHORT = 11
    VALVE_MOVED = 12
    INTERLOCK_CLOSED = 13
    FREEZE_FAILED = 14
    METER_SILENT = 15
    METER_BACK = 16
    NEW_DEVICE = 17
    SERIAL_CHANGED = 18
    COVER_OPEN = 19


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event, 24 octets: cursor u32, channel u8, code u8, severity u16, time u32, two numbers u32, boots u16, CRC.

    `first`, `second` by code: BUFFER_OVERRUN the range of lost cursors, CLOCK_SET the time before and after; else 0.
    """

    cursor: int
    code: int
    time: int
    channel: int = 0
    severity: int = Severity.NOTICE
    first: int = 0
    second: int = 0
    boots: int = 0

    def encode(self) -> bytes:
        """24 octets. BadValue if a field does not fit."""
        try:
            body = _EVENT.pack(
                self.cursor,
                self.channel,
                self.code,
                self.severity,
                self.time,
                self.first,
                self.second,
                self.boots & 0xFFFF,
            )
        except struct.error as error:
            raise BadValue(str(error)) from None
        return _sealed(body)

    @classmethod
    def decode(cls, octets: bytes, at: int = 0) -> EventRecord:
        """From 24 octets. BadChecksum, Truncated."""
        cursor, channel, code, severity, time, first, second, boots = _EVENT.unpack(_opened(octets, at))
        return cls(cursor, code, time, channel, severity, first, second, boots)

    def event(self, source: str, received: datetime | None = None) -> Event:
        """As an event of `source`."""
        known = self.code in EventCode._value2member_map_
        name = EventCode(self.code).name if known else f"COLLECTOR_EVENT_{self.code}"
        severity = Severity(min(self.severity, Severity.ALARM))
        args = {"channel": self.channel, "first": self.first, "second": self.second, "cursor": self.cursor}
        return Event(datetime.fromtimestamp(self.time, UTC), name, source, severity, args, received)


def records(payload: bytes) -> Iterator[Record]:
    """The records of a payload. Truncated, BadChecksum: then none of the answer is to be used."""
    for at in range(0, len(payload), SIZE):
        yield Record.decode(payload[at : at + SIZE], at)


def events(payload: bytes) -> Iterator[EventRecord]:
    """The events of a payload; errors as `records`."""
    for at in range(0, len(payload), SIZE):
        yield EventRecord.decode(payload[at : at + SIZE], at)


def unpack(layout: struct.Struct, payload: bytes) -> tuple[int, ...]:
    """The fields of a payload of fixed size. Truncated or BadValue if its size is another."""
    if len(payload) < layout.size:
        raise Truncated(f"{len(payload)} octets of payload, {layout.size} wanted")
    if len(payload) > layout.size:
        raise BadValue(f"{len(payload)} octets of payload, {layout.size} wanted")
    return layout.unpack(payload)


_IDENT = struct.Struct(">8s8s4sBH")
_STATUS = struct.Struct(">IHIII")
_VALVE_STATE = struct.Struct(">BBI")


@dataclass(frozen=True, slots=True)
class Ident:
    """Who a collector is. Texts are ASCII, cut to 8, 8 and 4 characters."""

    model: str
    serial: str
    firmware: str
    channels: int
    boots: int

    def encode(self) -> bytes:
        """23 octets."""
        texts = (text.encode("ascii", "replace") for text in (self.model, self.serial, self.firmware))
        return _IDENT.pack(*texts, self.channels, self.boots & 0xFFFF)

    @classmethod
    def decode(cls, payload: bytes) -> Ident:
        """From the payload after the status octet."""
        *texts, channels, boots = unpack(_IDENT, payload)
        model, serial, firmware = (bytes(text).rstrip(b"\0 ").decode("latin-1") for text in texts)
        return cls(model, serial, firmware, channels, boots)


class StatusFlag(IntFlag):
    """How a collector is."""

    MAINS = 1
    BATTERY_LOW = 2
    BUS_FAULT = 4
    CLOCK_UNSET = 8
    BUFFER_NEARLY_FULL = 16
    GAS_ALARM = 32
    EVENT_WAITING = 64


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """Clock, flags and the state of the log: cursors of the oldest, newest and last acknowledged record."""

    time: int
    flags: int
    oldest: int
    newest: int
    acked: int

    def encode(self) -> bytes:
        """18 octets."""
        return _STATUS.pack(self.time, self.flags, self.oldest, self.newest, self.acked)

    @classmethod
    def decode(cls, payload: bytes) -> CollectorStatus:
        """From the payload after the status octet."""
        return cls(*unpack(_STATUS, payload))


class ValvePosition(IntEnum):
    """Where a valve is."""

    OPEN = 0
    CLOSED = 1
    MOVING = 2
    STUCK = 3
    UNKNOWN = 4


@dataclass(frozen=True, slots=True)
class ValveState:
    """Position, what locks the valve (bits), and the last order that was carried out."""

    position: int
    locks: int
    last_order: int

    def encode(self) -> bytes:
        """6 octets."""
        return _VALVE_STATE.pack(self.position, self.locks, self.last_order)

    @classmethod
    def decode(cls, payload: bytes) -> ValveState:
        """From the payload after the status octet."""
        return cls(*unpack(_VALVE_STATE, payload))
