"""The meter's end of Modbus: any points served with live values, and what goes wrong with meters, on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

from metergate.wire.modbus import RTU
from metergate.wire.modbus.frame import (
    IDENTIFY,
    READ_HOLDING,
    READ_INPUT,
    WRITE_MANY,
    WRITE_ONE,
    build,
    caught,
    failure,
    requests,
)
from metergate.wire.modbus.plan import MOST
from metergate.wire.modbus.points import Point, encode

Source = Callable[[Point, datetime], Decimal | None]
"""The value of a point at an aware instant, in the point's unit; None if the meter does not have it."""
Place = tuple[int, int]
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY = 1, 2, 3, 6
MOST_WRITTEN = 123


@dataclass(slots=True)
class Trouble:
    """What is wrong with a meter. `busy` requests are answered "busy"; `failing`: function and address that are
    answered with an exception; `late`: an answer comes only with the next one; `skew`: time that passes between two
    requests, so that a value read in two of them is torn."""

    busy: int = 0
    failing: dict[Place, int] = field(default_factory=dict)
    late: bool = False
    skew: timedelta = timedelta(0)


class Meter:
    """One unit; a `wire.base.Responder`.

    `fixed`: registers that hold no point (scales, ratios), by function and address. `strict`: a request that touches a
    register without a point is refused; else such registers read 0.
    """

    def __init__(
        self,
        unit: int,
        points: Sequence[Point],
        source: Source,
        framing: str = RTU,
        identity: tuple[str, str, str] | None = None,
        fixed: Mapping[Place, int] | None = None,
        strict: bool = False,
    ) -> None:
        self.unit = unit
        self.trouble = Trouble()
        self.written: dict[Place, int] = {}
        self._source, self._framing, self._identity, self._strict = source, framing, identity, strict
        self._fixed = dict(fixed or {})
        self._points: dict[Place, tuple[Point, int]] = {
            (point.function, point.address + at): (point, at) for point in points for at in range(point.type.words)
        }
        self._hunter = requests(framing, unit)
        self._late: list[bytes] = []
        self._asked = 0

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """See `wire.base.Responder`."""
        for request in caught(self._framing, self._hunter.feed(data), asking=True):
            if request.dev_id != self.unit:
                continue
            answer = self.answer(request, now + self._asked * self.trouble.skew)
            self._asked += 1
            answer.dev_id, answer.transaction_id = request.dev_id, request.transaction_id
            yield from self._sent(build(self._framing, answer))

    def _sent(self, frame: bytes) -> list[bytes]:
        if not self.trouble.late:
            return [frame]
        self._late.append(frame)
        return [self._late.pop(0)] if len(self._late) > 1 else []

    def silence(self) -> None:
        """See `wire.base.Responder`."""
        for _ in self._hunter.silence():
            pass

    def answer(self, request: ModbusPDU, now: datetime) -> ModbusPDU:
        """The answer, or an exception."""
        if self.trouble.busy:
            self.trouble.busy -= 1
            return failure(request, BUSY)
        perform = _FUNCTIONS.get(request.function_code)
        return perform(self, request, now) if perform else failure(request, ILLEGAL_FUNCTION)

    def _read(self, request: ModbusPDU, now: datetime) -> ModbusPDU:
        if not 1 <= request.count <= MOST:
            return failure(request, ILLEGAL_VALUE)
        places = [(request.function_code, request.address + at) for at in range(request.count)]
        code = next((self.trouble.failing[place] for place in places if place in self.trouble.failing), 0)
        words = [self._word(place, now) for place in places]
        if code or None in words:
            return failure(request, code or ILLEGAL_ADDRESS)
        kind = ReadHoldingRegistersResponse if request.function_code == READ_HOLDING else ReadInputRegistersResponse
        return kind(registers=[word or 0 for word in words])

    def _word(self, place: Place, now: datetime) -> int | None:
        """A register; None if there is none."""
        if place[1] > _LAST or (place not in self._points and place not in self._fixed and self._strict):
            return None
        if place in self.written or place in self._fixed:
            return self.written.get(place, self._fixed.get(place))
        point, at = self._points.get(place, (None, 0))
        if point is None:
            return 0
        value = self._source(point, now)
        return None if value is None else self._shown(point, value)[at]

    def _shown(self, point: Point, value: Decimal) -> list[int]:
        scale = 0 if point.scale_register is None else self._fixed.get((point.function, point.scale_register), 0)
        ratio = 1 if point.ct_ratio is None else self._fixed.get((point.function, point.ct_ratio), 1)
        return encode(point, value, scale - 0x10000 if scale & 0x8000 else scale, ratio)

    def _write(self, request: ModbusPDU, now: datetime) -> ModbusPDU:
        places = [(READ_HOLDING, request.address + at) for at in range(len(request.registers))]
        many = request.function_code == WRITE_MANY
        if many and not (len(request.registers) == request.count <= MOST_WRITTEN and places):
            return failure(request, ILLEGAL_VALUE)
        points = [self._points.get(place) for place in places]
        if not all(held and held[0].writable for held in points):
            return failure(request, ILLEGAL_ADDRESS)
        self.written |= dict(zip(places, request.registers, strict=True))
        if many:
            return WriteMultipleRegistersResponse(address=request.address, count=request.count)
        return WriteSingleRegisterResponse(address=request.address, registers=request.registers)

    def _identify(self, request: ModbusPDU, now: datetime) -> ModbusPDU:
        first = int(getattr(request, "object_id", 0))
        if self._identity is None or not 1 <= int(getattr(request, "read_code", 1)) <= 4:
            return failure(request, ILLEGAL_FUNCTION if self._identity is None else ILLEGAL_VALUE)
        told = {at: text.encode("ascii", "replace") for at, text in enumerate(self._identity) if at >= first}
        return ReadDeviceInformationResponse(1, told)


_LAST = 0xFFFF
_FUNCTIONS: dict[int, Callable[[Meter, ModbusPDU, datetime], ModbusPDU]] = {
    READ_HOLDING: Meter._read,
    READ_INPUT: Meter._read,
    WRITE_ONE: Meter._write,
    WRITE_MANY: Meter._write,
    IDENTIFY: Meter._identify,
}
