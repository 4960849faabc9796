"""The latest values of one meter, by field."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from metergate.model import Function, Quality, Reading, Register, TimeQuality
from metergate.publish.base import MeterCard, measured
from metergate.publish.fields import Field, derive, field_of

_FLAGS = {Quality.BAD: "bad", Quality.SUSPECT: "suspect", Quality.ESTIMATED: "estimated"}
Slot = tuple[Field, Decimal]


class Latest:
    """What a meter said last. `values` by field name: known is there, zero is zero, missing is absent."""

    def __init__(self, card: MeterCard) -> None:
        self.card = card
        self.values: dict[str, Decimal] = {}
        self.fields: dict[str, Field] = {}
        self.units: dict[str, str] = {}
        self.time: datetime | None = None
        self.flags: dict[str, tuple[str, ...]] = {}
        self.status: int | None = None
        self.fresh = False
        self._slots: dict[Register, Slot | None] = {}

    def accept(self, reading: Reading) -> None:
        """Take in a value; what the table of fields does not know is passed over."""
        register = reading.register
        try:
            slot = self._slots[register]
        except KeyError:
            slot = self._slots[register] = self._slot(register)
        if slot is None:
            return
        field, factor = slot
        self._time(reading)
        if isinstance(reading.value, Decimal) and reading.quality > Quality.BAD and reading.value.is_finite():
            self.values[field.name] = reading.value if factor == 1 else reading.value * factor
        else:
            self.values.pop(field.name, None)
        self.flags[field.name] = self._flags(reading)
        self.status = reading.status if reading.status is not None else self.status
        self.fresh = True

    def complete(self) -> dict[str, Decimal]:
        """The values with everything derived; absent is missing."""
        values = dict(self.values)
        derive(values)
        return values

    def status_flags(self) -> list[str]:
        """Everything doubtful about the values, sorted, each once."""
        return sorted({flag for flags in self.flags.values() for flag in flags})

    def _time(self, reading: Reading) -> None:
        found = measured(reading)
        if found is not None and (self.time is None or found > self.time):
            self.time = found

    def _slot(self, register: Register) -> Slot | None:
        field = self._extra(register) or field_of(register, self.card.medium)
        if field is None:
            return None
        self.fields[field.name] = field
        unit = field.unit or register.unit
        self.units[field.name] = unit.value if unit else ""
        return field, field.factor(register.unit)

    def _extra(self, register: Register) -> Field | None:
        if register.function is not Function.INSTANTANEOUS:
            return None
        names = (name for name, code in self.card.sensors.items() if code == register.obis)
        name = next(names, None)
        return Field(name, name.replace("_", " ").capitalize(), None, None, "measurement") if name else None

    def _flags(self, reading: Reading) -> tuple[str, ...]:
        quality = (_FLAGS[reading.quality],) if reading.quality in _FLAGS else ()
        clock = ("clock-invalid",) if reading.time_quality is TimeQuality.DOUBTFUL else ()
        return quality + clock
