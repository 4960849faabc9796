"""Between `Reading` values and columns: the register dictionary and the converters.

Numbers go into columns. What has no integer at its register's scaler (text, octets, no value), carries notes or a
reason, or knows no clock at all, stays a `Reading` and travels beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import numpy as np

from metergate.model import Quality, Reading, Register
from metergate.wire.batch import NO_COLUMNS, Columns, from_ms, register_from_dict, register_to_dict, to_ms
from metergate.wire.batch.columns import (
    HAS_METER_TIME,
    HAS_RAW,
    HAS_RECEIVED,
    HAS_STATUS,
    TIME_QUALITIES,
    TIME_QUALITY,
)

_REMEMBERED = 1 << 16
_QUALITY_FLAGS = {quality: number for number, quality in enumerate(TIME_QUALITIES)}
_TYPES = (np.int32, np.int64, np.int64, np.int64, np.uint8, np.uint8, np.int64)
Row = tuple[int, int, int, int, int, int, int]


class Registers:
    """The register dictionary: a small number for each register, given once, never changed; `next` is the first free.

    Looked up by object identity first, so that decoders that share their `Register` objects pay no hashing.
    """

    def __init__(self, known: Mapping[int, Register] | None = None) -> None:
        self.by_number: dict[int, Register] = dict(known or {})
        self._numbers = {register: number for number, register in self.by_number.items()}
        self._seen: dict[int, tuple[Register, int]] = {}
        self.next = max(self.by_number, default=-1) + 1

    def __len__(self) -> int:
        return len(self.by_number)

    def __getitem__(self, number: int) -> Register:
        return self.by_number[number]

    def number(self, register: Register) -> int:
        """The register's number; a new one if it was never seen."""
        found = self._seen.get(id(register))
        if found is not None:
            return found[1]
        number = self._numbers.get(register)
        if number is None:
            number = self.next
            self.add(number, register)
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[id(register)] = register, number
        return number

    def add(self, number: int, register: Register) -> None:
        """Take over a number that was given elsewhere."""
        self.by_number[number] = register
        self._numbers[register] = number
        self.next = max(self.next, number + 1)

    def to_json(self) -> dict[str, dict[str, object]]:
        """JSON values by number."""
        return {str(number): register_to_dict(register) for number, register in self.by_number.items()}

    @classmethod
    def from_json(cls, form: Mapping[str, Mapping[str, object]]) -> Registers:
        """The inverse of `to_json`. BadValue."""
        return cls({int(number): register_from_dict(entry) for number, entry in form.items()})


def to_columns(readings: Iterable[Reading], registers: Registers) -> tuple[Columns, list[Reading]]:
    """The readings that fit columns, and the rest. Instants are kept to the millisecond."""
    rows: list[Row] = []
    rest: list[Reading] = []
    clock = _Clock()
    for reading in readings:
        row = _row(reading, registers, clock)
        if row is None:
            rest.append(reading)
        else:
            rows.append(row)
    return _columns(rows), rest


def to_readings(columns: Columns, registers: Mapping[int, Register]) -> list[Reading]:
    """The readings in columns, each value exact as Decimal."""
    return [_reading(row, registers) for row in zip(*(column.tolist() for column in columns.all()), strict=True)]


class _Clock:
    """Turns instants into ms; the readings of a telegram share theirs."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[datetime, int]] = {}

    def ms(self, instant: datetime) -> int:
        found = self._last.get(id(instant))
        if found is None:
            if len(self._last) > 64:
                self._last.clear()
            found = self._last[id(instant)] = instant, to_ms(instant)
        return found[1]


def _row(reading: Reading, registers: Registers, clock: _Clock) -> Row | None:
    """The row of a reading, None where it has none."""
    value, status = _integer(reading), reading.status or 0
    heard = reading.received or reading.meter_time
    if value is None or heard is None or not -(1 << 63) <= status < 1 << 63:
        return None
    if reading.notes or reading.reason is not None or reading.quality is Quality.ABSENT:
        return None
    flags = (
        _QUALITY_FLAGS[reading.time_quality]
        | (HAS_METER_TIME if reading.meter_time is not None else 0)
        | (HAS_RECEIVED if reading.received is not None else 0)
        | (HAS_RAW if reading.raw is not None else 0)
        | (HAS_STATUS if reading.status is not None else 0)
    )
    time = clock.ms(reading.meter_time or heard)
    return registers.number(reading.register), time, clock.ms(heard), value, reading.quality.value, flags, status


def _integer(reading: Reading) -> int | None:
    """The value as integer at the register's scaler, None where there is none or it does not fit 64 bits."""
    value, scaler = reading.value, reading.register.scaler
    if not isinstance(value, Decimal) or not value.is_finite() or value.adjusted() - scaler > 18:
        return None
    number = int(value.scaleb(-scaler)) if reading.raw is None else reading.raw
    if not -(1 << 63) <= number < 1 << 63 or Decimal(number).scaleb(scaler) != value:
        return None
    return number


def _columns(rows: Sequence[Row]) -> Columns:
    if not rows:
        return NO_COLUMNS
    table = np.array(rows, np.int64).T
    return Columns(*(column.astype(kind) for column, kind in zip(table, _TYPES, strict=True)))


def _reading(row: Row, registers: Mapping[int, Register]) -> Reading:
    number, time, received, value, quality, flags, status = row
    register = registers[number]
    return Reading(
        register,
        Decimal(value).scaleb(register.scaler),
        value if flags & HAS_RAW else None,
        from_ms(time) if flags & HAS_METER_TIME else None,
        from_ms(received) if flags & HAS_RECEIVED else None,
        status if flags & HAS_STATUS else None,
        Quality(quality),
        TIME_QUALITIES[flags & TIME_QUALITY],
    )
