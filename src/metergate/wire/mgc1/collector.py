"""The collector's end of MGC/1: requests in, answers out; everything that lasts is behind `Backend`."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from metergate.errors import DecodeError, Refused
from metergate.wire.base import Problem
from metergate.wire.mgc1.frame import ANSWER, BROADCAST, MOST_PAYLOAD, Frame, Function, Status, hunter
from metergate.wire.mgc1.master import STEP, clock_fields, clock_time
from metergate.wire.mgc1.receiver import request_fields
from metergate.wire.mgc1.records import MOST_RECORDS, CollectorStatus, EventRecord, Ident, Record, ValveState

REMEMBERED = timedelta(seconds=30)
"""So long the same request is taken for a retransmission."""


class Declined(Refused):
    """What a `Backend` raises to answer with a status octet instead of data."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.text)
        self.status = status


class Backend(Protocol):
    """A collector's store and devices. A call returns when its effect lasts (is on disk); `Declined` says no."""

    def ident(self) -> Ident:
        """Who the collector is."""
        ...

    def status(self, now: datetime) -> CollectorStatus:
        """Clock, flags, cursors."""
        ...

    def read_now(self, channel: int | None, now: datetime) -> Iterable[Record]:
        """Present registers of a channel, None: of all. CHANNEL_ABSENT."""
        ...

    def read_freeze(self, day: int, kind: int, channel: int | None) -> Iterable[Record]:
        """Frozen registers of a day (0) or month (1) freeze. NO_DATA."""
        ...

    def read_log(self, cursor: int, most: int) -> tuple[Sequence[Record], bool]:
        """Up to `most` records from `cursor` on, and whether there are more."""
        ...

    def ack_log(self, cursor: int) -> None:
        """Records up to and with `cursor` may go. An older cursor than before changes nothing."""
        ...

    def clock(self, now: datetime) -> datetime:
        """What the own clock shows."""
        ...

    def set_clock(self, time: datetime, step: bool, now: datetime) -> None:
        """Set the own clock, in one step or gently."""
        ...

    def valve(self, order: int, channel: int, action: int, ttl: int, now: datetime) -> int:
        """Open (0), close (1) or stop (2); the position. INTERLOCK, EXPIRED, CHANNEL_ABSENT."""
        ...

    def valve_state(self, channel: int, now: datetime) -> ValveState:
        """Position, locks, last order. CHANNEL_ABSENT."""
        ...

    def config(self, key: int) -> bytes:
        """A setting. NO_DATA."""
        ...

    def set_config(self, key: int, value: bytes) -> bytes:
        """Change a setting; what it then is. NO_DATA, BAD_PAYLOAD."""
        ...

    def pass_through(self, raw: bytes, timeout_ms: int, now: datetime) -> bytes:
        """Send on the meter bus; the raw answer. BUSY."""
        ...

    def events(self, cursor: int, most: int) -> Sequence[EventRecord]:
        """Up to `most` events from `cursor` on."""
        ...


class Collector:
    """A collector on the line; a `wire.base.Responder`."""

    def __init__(self, address: int, backend: Backend) -> None:
        self.address = address
        self.backend = backend
        self._hunter = hunter()
        self._last = b""
        self._asked: datetime | None = None
        self._answer = b""

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """See `wire.base.Responder`."""
        for catch in self._hunter.feed(data):
            if not isinstance(catch, Problem) and (answer := self.answer(catch[1], now)):
                yield answer

    def silence(self) -> None:
        """See `wire.base.Responder`: call after 20 ms without a byte."""
        for _ in self._hunter.silence():
            pass

    def answer(self, octets: bytes, now: datetime) -> bytes:
        """The answer to a whole request, b"" where there is none. The same request again: the same answer again."""
        request = Frame.of(octets)
        if request.is_answer or request.address not in (self.address, BROADCAST):
            return b""
        if octets == self._last and self._asked and abs(now - self._asked) <= REMEMBERED:
            return self._answer
        payload = self._perform(request, now)
        reply = b""
        if request.address != BROADCAST:
            reply = Frame(self.address, request.seq, request.function | ANSWER, payload).encode()
        self._last, self._answer, self._asked = octets, reply, now
        return reply

    def _perform(self, request: Frame, now: datetime) -> bytes:
        perform = _FUNCTIONS.get(request.function)
        if perform is None:
            return bytes((Status.UNKNOWN_FUNCTION,))
        try:
            body = perform(self.backend, request.payload, now)
        except Declined as declined:
            return bytes((declined.status,))
        except (DecodeError, struct.error, OverflowError):
            return bytes((Status.BAD_PAYLOAD,))
        if len(body) >= MOST_PAYLOAD:  # more than fits: the master asks for less
            return bytes((Status.BAD_PAYLOAD,))
        return bytes((Status.OK,)) + body


Perform = Callable[[Backend, bytes, datetime], bytes]


def _nothing(payload: bytes) -> None:
    if payload:
        raise DecodeError("this request has no payload")


def _joined(found: Iterable[Record | EventRecord]) -> bytes:
    return b"".join(record.encode() for record in found)


def _channel(number: int) -> int | None:
    return None if number == 0xFF else number


def _ident(backend: Backend, payload: bytes, now: datetime) -> bytes:
    _nothing(payload)
    return backend.ident().encode()


def _status(backend: Backend, payload: bytes, now: datetime) -> bytes:
    _nothing(payload)
    return backend.status(now).encode()


def _read_now(backend: Backend, payload: bytes, now: datetime) -> bytes:
    (channel,) = request_fields(Function.READ_NOW, payload)
    return _joined(backend.read_now(_channel(channel), now))


def _read_freeze(backend: Backend, payload: bytes, now: datetime) -> bytes:
    day, kind, channel = request_fields(Function.READ_FREEZE, payload)
    return _joined(backend.read_freeze(day, kind, _channel(channel)))


def _read_log(backend: Backend, payload: bytes, now: datetime) -> bytes:
    cursor, most = request_fields(Function.READ_LOG, payload)
    if not 0 < most <= MOST_RECORDS:
        raise DecodeError(f"{most} records asked, 1 to {MOST_RECORDS} go")
    found, more = backend.read_log(cursor, most)
    return _joined(found) + bytes((more,))


def _ack_log(backend: Backend, payload: bytes, now: datetime) -> bytes:
    backend.ack_log(*request_fields(Function.ACK_LOG, payload))
    return b""


def _shown(backend: Backend, now: datetime) -> bytes:
    return struct.pack(">Ih", *clock_fields(backend.clock(now)))


def _set_time(backend: Backend, payload: bytes, now: datetime) -> bytes:
    seconds, millis, mode = request_fields(Function.SET_TIME, payload)
    before = _shown(backend, now)
    backend.set_clock(clock_time(seconds, millis), mode == STEP, now)
    return before


def _get_time(backend: Backend, payload: bytes, now: datetime) -> bytes:
    _nothing(payload)
    return _shown(backend, now)


def _valve(backend: Backend, payload: bytes, now: datetime) -> bytes:
    order, channel, action, ttl = request_fields(Function.VALVE, payload)
    state = backend.valve_state(channel, now)
    if state.last_order == order:  # carried out already: no second effect
        return bytes((state.position,))
    if action > 2:
        raise DecodeError(f"valve action {action}")
    return bytes((backend.valve(order, channel, action, ttl, now),))


def _valve_state(backend: Backend, payload: bytes, now: datetime) -> bytes:
    (channel,) = request_fields(Function.VALVE_STATE, payload)
    return backend.valve_state(channel, now).encode()


def _config(backend: Backend, payload: bytes, now: datetime) -> bytes:
    return backend.config(*request_fields(Function.CONFIG_GET, payload))


def _set_config(backend: Backend, payload: bytes, now: datetime) -> bytes:
    (key,) = struct.unpack_from(">H", payload)
    return backend.set_config(key, payload[2:])


def _pass(backend: Backend, payload: bytes, now: datetime) -> bytes:
    (timeout,) = struct.unpack_from(">H", payload)
    return backend.pass_through(payload[2:], timeout, now)


def _events(backend: Backend, payload: bytes, now: datetime) -> bytes:
    cursor, most = request_fields(Function.EVENTS, payload)
    if not 0 < most <= MOST_RECORDS:
        raise DecodeError(f"{most} events asked, 1 to {MOST_RECORDS} go")
    return _joined(backend.events(cursor, most))


_FUNCTIONS: dict[int, Perform] = {
    Function.IDENT: _ident,
    Function.STATUS: _status,
    Function.READ_NOW: _read_now,
    Function.READ_FREEZE: _read_freeze,
    Function.READ_LOG: _read_log,
    Function.ACK_LOG: _ack_log,
    Function.SET_TIME: _set_time,
    Function.GET_TIME: _get_time,
    Function.VALVE: _valve,
    Function.VALVE_STATE: _valve_state,
    Function.CONFIG_GET: _config,
    Function.CONFIG_SET: _set_config,
    Function.PASS: _pass,
    Function.EVENTS: _events,
}
