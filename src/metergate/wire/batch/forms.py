"""What travels as JSON inside batches: register descriptions, texts, events. Exact both ways."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import msgspec

from metergate.errors import BadValue
from metergate.model import Event, Function, Obis, Quality, Reading, Register, Severity, TimeQuality, Unit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
_KINDS = {Decimal: "d", str: "t", bytes: "b", type(None): "n"}

Scalar = str | int | float | bool | None


def to_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970 UTC, rounded down. TypeError for a naive instant."""
    return (instant - EPOCH) // MILLISECOND


def from_ms(ms: int) -> datetime:
    """The instant, aware, UTC. BadValue outside the years 1 to 9999."""
    try:
        return EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        raise BadValue(f"{ms} ms since 1970 is no date") from None


class RegisterForm(msgspec.Struct, omit_defaults=True):
    """A `model.Register` in JSON; only what differs from the defaults is written."""

    meter: str
    obis: str | None = None
    quantity: str | None = None
    unit: str | None = None
    scaler: int = 0
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    function: str = Function.INSTANTANEOUS.value
    address: str | None = None

    @classmethod
    def of(cls, register: Register) -> RegisterForm:
        """The form of a register."""
        return cls(
            register.meter,
            register.obis.full if register.obis else None,
            register.quantity,
            register.unit.value if register.unit else None,
            register.scaler,
            register.storage,
            register.tariff,
            register.subunit,
            register.function.value,
            register.address,
        )

    def register(self) -> Register:
        """The register. BadValue for an unknown unit or function, a scaler out of -99..99, or no OBIS code."""
        if not -99 <= self.scaler <= 99:
            raise BadValue(f"scaler {self.scaler}, only -99 .. 99 is possible")
        try:
            unit = Unit(self.unit) if self.unit is not None else None
            function = Function(self.function)
        except ValueError as error:
            raise BadValue(str(error)) from None
        obis = Obis.parse(self.obis) if self.obis is not None else None
        places = self.storage, self.tariff, self.subunit
        return Register(self.meter, obis, self.quantity, unit, self.scaler, *places, function, self.address)


def register_to_dict(register: Register) -> dict[str, object]:
    """A register as a dict of JSON values."""
    form: dict[str, object] = msgspec.to_builtins(RegisterForm.of(register))
    return form


def register_from_dict(form: Mapping[str, object]) -> Register:
    """The inverse of `register_to_dict`. BadValue."""
    try:
        return msgspec.convert(form, RegisterForm).register()
    except msgspec.ValidationError as error:
        raise BadValue(f"no register description: {error}") from error


class TextForm(msgspec.Struct, omit_defaults=True):
    """A reading that does not fit the columns: text, octets, none with its reason, or a number with notes.

    `r` register number, `k` kind (d number, t text, b octets in hex, n none), `v` value, `w` raw, `m` and `a` the
    meter's and our clock in ms, `s` status, `q` quality, `c` time quality, `x` reason, `n` notes.
    """

    r: int
    k: str
    v: str = ""
    w: int | None = None
    m: int | None = None
    a: int | None = None
    s: int | None = None
    q: int = Quality.GOOD.value
    c: str = TimeQuality.NONE.value
    x: str | None = None
    n: list[str] = []

    @classmethod
    def of(cls, reading: Reading, number: int) -> TextForm:
        """The form of a reading whose register has `number`."""
        value = reading.value
        text = value.hex() if isinstance(value, bytes) else "" if value is None else str(value)
        return cls(
            number,
            _KINDS[type(value)],
            text,
            reading.raw,
            None if reading.meter_time is None else to_ms(reading.meter_time),
            None if reading.received is None else to_ms(reading.received),
            reading.status,
            reading.quality.value,
            reading.time_quality.value,
            reading.reason,
            list(reading.notes),
        )

    def reading(self, registers: Mapping[int, Register]) -> Reading:
        """The reading. BadValue; KeyError for a number that `registers` does not know."""
        try:
            quality, time_quality = Quality(self.q), TimeQuality(self.c)
        except ValueError as error:
            raise BadValue(str(error)) from None
        return Reading(
            registers[self.r],
            self._value(),
            self.w,
            None if self.m is None else from_ms(self.m),
            None if self.a is None else from_ms(self.a),
            self.s,
            quality,
            time_quality,
            self.x,
            tuple(self.n),
        )

    def _value(self) -> Decimal | str | bytes | None:
        try:
            match self.k:
                case "d":
                    return Decimal(self.v)
                case "t":
                    return self.v
                case "b":
                    return bytes.fromhex(self.v)
                case "n":
                    return None
        except (InvalidOperation, ValueError):
            pass
        raise BadValue(f"{self.v!r} is no value of kind {self.k!r}")


class EventForm(msgspec.Struct, omit_defaults=True):
    """A `model.Event` in JSON. Arguments are scalars or lists of scalars; anything else goes as its text."""

    time: int
    code: str
    source: str
    severity: int = Severity.NOTICE.value
    args: dict[str, Scalar | list[Scalar]] = {}
    received: int | None = None

    @classmethod
    def of(cls, event: Event) -> EventForm:
        """The form of an event."""
        received = None if event.received is None else to_ms(event.received)
        args = {name: _argument(value) for name, value in event.args.items()}
        return cls(to_ms(event.time), event.code, event.source, event.severity.value, args, received)

    def event(self) -> Event:
        """The event. BadValue for an unknown severity or an instant that is none."""
        try:
            severity = Severity(self.severity)
        except ValueError as error:
            raise BadValue(str(error)) from None
        received = None if self.received is None else from_ms(self.received)
        return Event(from_ms(self.time), self.code, self.source, severity, self.args, received)


def _argument(value: object) -> Scalar | list[Scalar]:
    if isinstance(value, list | tuple):
        return [_scalar(item) for item in value]
    return _scalar(value)


def _scalar(value: object) -> Scalar:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
