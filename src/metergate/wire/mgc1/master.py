"""The station's end of MGC/1: questions to collectors as generators (`wire.base.Dialogue`).

A question goes out up to three times with the same sequence number, so that the collector gives the same answer
without a second effect. `NoAnswer` if it is silent; `Refused` for interlock and expired orders; `ApplicationError` for
the other status octets; `DecodeError` if its answer cannot be read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from metergate.errors import ApplicationError, DecodeError, NoAnswer, Refused
from metergate.wire.base import MORE, Ask, Dialogue, Problem
from metergate.wire.mgc1.frame import ANSWER, BROADCAST, Frame, Function, Status, hunter
from metergate.wire.mgc1.receiver import REQUESTS, answer_records, status_text
from metergate.wire.mgc1.records import CollectorStatus, EventRecord, Ident, Record, ValveState, events, unpack

ALL_CHANNELS = 0xFF
DAY, MONTH = 0, 1
OPEN, CLOSE, STOP = 0, 1, 2
SLEW, STEP = 0, 1
TIMEOUT, TRIES = 0.5, 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK = struct.Struct(">Ih")
_BYTE = struct.Struct(">B")


def clock_fields(time: datetime) -> tuple[int, int]:
    """`(seconds since 1970, milliseconds)` of an aware time."""
    micros = (time - EPOCH) // timedelta(microseconds=1)
    return micros // 1_000_000, micros % 1_000_000 // 1000


def clock_time(seconds: int, millis: int) -> datetime:
    """The inverse of `clock_fields`."""
    return EPOCH + timedelta(seconds=seconds, milliseconds=millis)


@dataclass(slots=True)
class Master:
    """The questions to one collector; `seq` goes on with every new one and may begin anywhere: best at random."""

    address: int
    timeout: float = TIMEOUT
    tries: int = TRIES
    seq: int = field(default=0)

    def exchange(self, function: Function, payload: bytes = b"", wait: float = 0.0) -> Dialogue[tuple[int, Frame]]:
        """`(status, answer)` to a question; `wait` seconds more than usual."""
        self.seq = self.seq + 1 & 0xFF
        octets = Frame(self.address, self.seq, function, payload).encode()
        for _ in range(self.tries):
            hunt = hunter()
            data = yield Ask(octets, self.timeout + wait)
            while data:
                for catch in hunt.feed(data):
                    if not isinstance(catch, Problem) and self._mine(frame := Frame.of(catch[1]), function):
                        return frame.payload[0], frame
                data = yield MORE
        raise NoAnswer(f"collector {self.address} is silent after {self.tries} tries")

    def _mine(self, frame: Frame, function: int) -> bool:
        same = (frame.address, frame.seq, frame.function) == (self.address, self.seq, function | ANSWER)
        return same and len(frame.payload) > 0

    def ask(self, function: Function, *numbers: int, tail: bytes = b"", wait: float = 0.0) -> Dialogue[Frame]:
        """The answer to a question that was carried out; else the exception its status stands for."""
        payload = struct.pack(REQUESTS[function][0], *numbers) + tail if function in REQUESTS else tail
        status, frame = yield from self.exchange(function, payload, wait)
        if status in (Status.INTERLOCK, Status.EXPIRED):
            raise Refused(f"collector {self.address}: {status_text(status)}")
        if status != Status.OK:
            raise ApplicationError(f"collector {self.address}: {status_text(status)}")
        return frame

    def ident(self) -> Dialogue[Ident]:
        """Who the collector is."""
        return Ident.decode((yield from self.ask(Function.IDENT)).payload[1:])

    def status(self) -> Dialogue[CollectorStatus]:
        """Its clock, flags and log cursors."""
        return CollectorStatus.decode((yield from self.ask(Function.STATUS)).payload[1:])

    def read_now(self, channel: int = ALL_CHANNELS) -> Dialogue[list[Record]]:
        """Present registers of one channel or all; asks channel by channel if they do not fit one answer."""
        return (yield from self._channels(Function.READ_NOW, (), channel))

    def read_freeze(self, day: int, kind: int = DAY, channel: int = ALL_CHANNELS) -> Dialogue[list[Record]]:
        """The registers frozen at the local midnight that begins `day` (days since 1970-01-01). No data: empty."""
        return (yield from self._channels(Function.READ_FREEZE, (day, kind), channel))

    def _channels(self, function: Function, numbers: tuple[int, ...], channel: int) -> Dialogue[list[Record]]:
        payload = struct.pack(REQUESTS[function][0], *numbers, channel)
        status, frame = yield from self.exchange(function, payload)
        if status == Status.NO_DATA or (status == Status.CHANNEL_ABSENT and channel == ALL_CHANNELS):
            return []
        if status == Status.BAD_PAYLOAD and channel == ALL_CHANNELS:
            found: list[Record] = []
            ident = yield from self.ident()
            for number in range(1, ident.channels + 1):
                found += yield from self._channels(function, numbers, number)
            return found
        if status != Status.OK:
            raise ApplicationError(f"collector {self.address}: {status_text(status)}")
        return answer_records(frame)

    def read_log(self, cursor: int, most: int = 40) -> Dialogue[tuple[list[Record], bool]]:
        """Up to `most` stored records from `cursor` on, and whether there are more."""
        status, frame = yield from self.exchange(Function.READ_LOG, struct.pack(">IB", cursor, most))
        if status == Status.NO_DATA:
            return [], False
        if status != Status.OK:
            raise ApplicationError(f"collector {self.address}: {status_text(status)}")
        return answer_records(frame), bool(frame.payload[-1])

    def ack_log(self, cursor: int) -> Dialogue[None]:
        """Everything up to and with `cursor` is stored for good here: the collector may let it go."""
        yield from self.ask(Function.ACK_LOG, cursor)

    def set_time(self, time: datetime, mode: int = SLEW) -> Dialogue[datetime]:
        """Set the clock to `time` (aware), gently or in one step; the time it showed before."""
        frame = yield from self.ask(Function.SET_TIME, *clock_fields(time), mode)
        return _clock(frame)

    def get_time(self) -> Dialogue[datetime]:
        """What the collector's clock shows."""
        return _clock((yield from self.ask(Function.GET_TIME)))

    def valve(self, order: int, channel: int, action: int, ttl: int) -> Dialogue[int]:
        """Order `order` (its number; the same number moves the valve once only). The position afterwards.

        Refused: an interlock forbids it, or its `ttl` seconds are over.
        """
        frame = yield from self.ask(Function.VALVE, order, channel, action, ttl)
        return unpack(_BYTE, frame.payload[1:])[0]

    def valve_state(self, channel: int) -> Dialogue[ValveState]:
        """Position, locks and last order of a valve."""
        return ValveState.decode((yield from self.ask(Function.VALVE_STATE, channel)).payload[1:])

    def config(self, key: int) -> Dialogue[bytes]:
        """A setting."""
        return (yield from self.ask(Function.CONFIG_GET, key)).payload[1:]

    def set_config(self, key: int, value: bytes) -> Dialogue[bytes]:
        """Change a setting; what it then is."""
        return (yield from self.ask(Function.CONFIG_SET, tail=struct.pack(">H", key) + value)).payload[1:]

    def pass_through(self, raw: bytes, timeout: float = 2.0) -> Dialogue[bytes]:
        """Send `raw` on the meter bus and wait up to `timeout` seconds there; the raw answer (empty: silence)."""
        tail = struct.pack(">H", int(timeout * 1000)) + raw
        return (yield from self.ask(Function.PASS, tail=tail, wait=timeout)).payload[1:]

    def events(self, cursor: int, most: int = 40) -> Dialogue[list[EventRecord]]:
        """Up to `most` events from `cursor` on."""
        status, frame = yield from self.exchange(Function.EVENTS, struct.pack(">IB", cursor, most))
        if status == Status.NO_DATA:
            return []
        if status != Status.OK:
            raise ApplicationError(f"collector {self.address}: {status_text(status)}")
        return list(events(frame.payload[1:]))


def _clock(frame: Frame) -> datetime:
    seconds, millis = unpack(_CLOCK, frame.payload[1:])
    return clock_time(seconds, millis)


def broadcast_time(time: datetime, seq: int = 0, mode: int = STEP) -> Dialogue[None]:
    """Set the clocks of all collectors on the line; nobody answers."""
    payload = struct.pack(">IhB", *clock_fields(time), mode)
    yield Ask(Frame(BROADCAST, seq, Function.SET_TIME, payload).encode(), 0)


def log(master: Master, cursor: int) -> Dialogue[list[Record]]:
    """All records from `cursor` on, without acknowledging: that is for who has stored them."""
    found: list[Record] = []
    more = True
    while more:
        part, more = yield from master.read_log(cursor)
        if not part:
            break
        if part[0].cursor < cursor:
            raise DecodeError(f"collector {master.address} went back from cursor {cursor} to {part[0].cursor}")
        found += part
        cursor = part[-1].cursor + 1
    return found
