"""The meter's end of CJ/T 188: a water, heat or gas meter with a valve that takes its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from metergate.bits import to_bcd_reversed
from metergate.model import Obis, Unit
from metergate.wire.base import Problem
from metergate.wire.cjt188.frame import (
    ADDRESS,
    ANY_TYPE,
    COUNTERS,
    FAILED,
    NEW_ADDRESS,
    READ,
    READ_ADDRESS,
    REPLY,
    SET_ADDRESS,
    VALVE,
    WRITE,
    Frame,
    hunter,
    matches,
)
from metergate.wire.cjt188.values import CODES, HEAT, HEAT_TYPES, STATUS, Part, StatusMap, counters, moment_octets, obis

Source = Callable[[Obis, datetime], Decimal | None]
"""The value of a register (m3, kWh, kW, m3/h, degC) at an aware instant; None if the meter does not have it."""
NO_SUCH, BAD_ORDER = b"\x01", b"\x02"
HEAT_UNITS = {"energy": Unit.KWH, "power": Unit.KW, "volume flow": Unit.M3_PER_H, "volume": Unit.M3}


@dataclass(slots=True)
class Valve:
    """A motor valve: after an order it needs `travel`; a stuck one never arrives and shows a fault."""

    closed: bool = False
    moving_since: datetime | None = None
    travel: timedelta = timedelta(seconds=15)
    stuck: bool = False

    def order(self, close: bool, now: datetime) -> None:
        """Begin to move, unless it is there already."""
        self.settle(now)
        if close != self.closed or self.moving_since:
            self.moving_since = now if close != self.closed else None

    def settle(self, now: datetime) -> None:
        """Arrive, if the time is over and nothing blocks it."""
        if self.moving_since and now - self.moving_since >= self.travel and not self.stuck:
            self.closed, self.moving_since = not self.closed, None

    def fault(self, now: datetime) -> bool:
        """It should have arrived long ago."""
        return self.stuck and self.moving_since is not None and now - self.moving_since >= self.travel


class Meter:
    """One meter on the line; a `wire.base.Responder`. It understands both orders of an identifier's octets unless
    `swapped` fixes one, and answers in the order of the question."""

    def __init__(
        self,
        meter_type: int,
        address: str,
        source: Source,
        installed: datetime,
        utc_offset: timedelta = timedelta(hours=8),
        status_map: StatusMap = STATUS,
        swapped: bool | None = None,
        unit: Unit = Unit.M3,
    ) -> None:
        self.meter_type = meter_type
        self.address = address.zfill(14)
        self.source = source
        self.installed = installed
        self.zone = timezone(utc_offset)
        self.status_map = status_map
        self.swapped = swapped
        self.unit = unit
        self.valve = Valve()
        self.battery_low = False
        self.leak = False
        self.clock_error = timedelta(0)
        self._hunter = hunter()

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """See `wire.base.Responder`."""
        for catch in self._hunter.feed(data):
            if not isinstance(catch, Problem) and (reply := self.answer(Frame.of(catch[1]), now)):
                yield reply.encode()

    def silence(self) -> None:
        """See `wire.base.Responder`."""
        for _ in self._hunter.silence():
            pass

    def answer(self, request: Frame, now: datetime) -> Frame | None:
        """The reply, or None: not for this meter, or nothing it understands."""
        mine = request.meter_type in (ANY_TYPE, self.meter_type) and matches(request.address, self.address)
        if request.from_meter or not mine or request.di is None:
            return None
        if self.swapped is not None and (request.di != int.from_bytes(request.data[:2], "big")) is not self.swapped:
            return None
        perform = _FUNCTIONS.get((request.function, request.di))
        tail = perform(self, request.payload, now) if perform else None
        if tail is None:
            return self._reply(request, FAILED, NO_SUCH if perform is None else BAD_ORDER)
        return self._reply(request, 0, tail)

    def _reply(self, request: Frame, failed: int, tail: bytes) -> Frame:
        return Frame(self.meter_type, self.address, request.control | REPLY | failed, request.data[:3] + tail)

    def status(self, now: datetime) -> bytes:
        """S0 S1."""
        bits = self.status_map
        self.valve.settle(now)
        word = bits.fault if self.valve.fault(now) else bits.closed if self.valve.closed else bits.opened
        word |= (bits.battery if self.battery_low else 0) | (bits.leak if self.leak else 0)
        return word.to_bytes(2, "little")

    def counters(self, payload: bytes, now: datetime) -> bytes:
        """Registers, time and status."""
        parts = HEAT if self.meter_type in HEAT_TYPES else counters(self.meter_type)
        time = moment_octets((now + self.clock_error).astimezone(self.zone))
        return b"".join(self._register(part, now) for part in parts) + time + self.status(now)

    def _register(self, part: Part, now: datetime) -> bytes:
        local = now.astimezone(self.zone)
        settled = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        at = max(settled, self.installed) if part.storage else now
        code = obis(self.meter_type, part.c, part.d)
        if part.quantity == "operating time":
            value: Decimal | None = Decimal((now - self.installed) // timedelta(hours=1))
        else:
            value = self.source(code, at) if code else None
        unit = part.unit or HEAT_UNITS[part.quantity] if self.meter_type in HEAT_TYPES else self.unit
        unit_code, decimals = CODES[unit] if part.coded else (0, part.decimals)
        if value is None:
            digits = b"\xff" * part.size
        else:
            if unit is Unit.L:
                value *= 1000
            digits = to_bcd_reversed(int(value.scaleb(decimals)) % 10 ** (2 * part.size), part.size)
        return digits + bytes((unit_code,)) if part.coded else digits

    def own_address(self, payload: bytes, now: datetime) -> bytes:
        """Nothing: the address stands in the frame."""
        return b""

    def take_address(self, payload: bytes, now: datetime) -> bytes | None:
        """Take a new address; the reply carries it."""
        if len(payload) != 7 or not payload.hex().isdecimal():
            return None
        self.address = payload[::-1].hex()
        return b""

    def move_valve(self, payload: bytes, now: datetime) -> bytes | None:
        """55 open, 99 close, 00 tell the state."""
        if payload[:1] not in (b"\x55", b"\x99", b"\x00"):
            return None
        if payload[0]:
            self.valve.order(payload[0] == 0x99, now)
        return self.status(now)


_FUNCTIONS: dict[tuple[int, int], Callable[[Meter, bytes, datetime], bytes | None]] = {
    (READ, COUNTERS): Meter.counters,
    (READ_ADDRESS, ADDRESS): Meter.own_address,
    (SET_ADDRESS, NEW_ADDRESS): Meter.take_address,
    (WRITE, VALVE): Meter.move_valve,
}
