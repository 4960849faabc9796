"""A real Glow display on the broker as one more source of readings. No input or output, no clock."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from metergate.model import Event, Obis, Quality, Reading, Register, Severity, TimeQuality, Unit
from metergate.publish.glow.payloads import UNKNOWN_POWER
from metergate.wire.base import Problem

MAX_MESSAGE = 16 * 1024
MAX_SOURCES = 1000
_LONGEST_TEXT = 200
_EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(seconds=60)
_SETTLED = timedelta(seconds=60)
_LARGEST = Decimal(10) ** 12
_NO_POINT = ("read pending", "empty", "")
_FUELS = {"electricitymeter": "mpan", "gasmeter": "mprn"}


@dataclass(frozen=True, slots=True)
class GlowHealth:
    """STATE: who the display is and how well it hears its meters. `fields` as it sent them."""

    prefix: str
    device: str
    time: datetime | None
    rssi: int | None
    lqi: int | None
    status: str | None
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class GlowSample:
    """One SENSOR message: what is known of one meter at `time`. Prices per kWh and per day; None is missing.

    `diagnostics`: the display's own day, week and month sums in kWh, which nothing is computed from.
    """

    prefix: str
    device: str
    fuel: str
    meter: str
    time: datetime
    readings: tuple[Reading, ...]
    unit_rate: Decimal | None = None
    standing_charge: Decimal | None = None
    supplier: str | None = None
    diagnostics: Mapping[str, Decimal] = field(default_factory=dict)


Found = GlowSample | GlowHealth | Event | Problem


class _Bad(Exception):
    """The message cannot be used; the text is the reason that is counted."""


@dataclass(slots=True)
class _Series:
    """What one register of one meter did before: its value, whether it began at zero, zeros in a row."""

    value: Decimal
    from_zero: bool
    zeros: int = 0
    first_zero: datetime | None = None


class GlowReader:
    """Takes in the display's messages; yields samples, health, events, and problems. Nothing it is fed makes it raise.

    `ignore_zero`: a register that falls to 0 is a display that has just started, unless `registered_anew` was told of
    the meter and three messages over a minute agree.
    """

    def __init__(self, ignore_zero: bool = True) -> None:
        self.bad: Counter[str] = Counter()
        self.ignore_zero = ignore_zero
        self._last: dict[tuple[str, str, str], object] = {}
        self._series: dict[str, _Series] = {}
        self._anew: set[str] = set()

    def registered_anew(self, meter: str) -> None:
        """The supply was registered anew (the meter was changed): its registers may start at zero again."""
        self._anew.add(meter)

    def receive(self, topic: str, payload: bytes, now: datetime) -> Iterator[Found]:
        """One message that arrived at `now`. A repetition of the last one yields nothing."""
        try:
            yield from self._read(topic, payload, now)
        except _Bad as bad:
            reason = str(bad)
            self.bad[reason] += 1
            yield Problem("bad_value", 0, f"{topic[:200]}: {reason}")

    def _read(self, topic: str, payload: bytes, now: datetime) -> Iterator[Found]:
        prefix, device, kind = _split(topic)
        tree = _load(payload)
        if kind == "STATE":
            yield _health(prefix, device, tree)
            return
        body = _object(tree, kind)
        energy = _object(body, "energy")
        meter = _text(_object(energy, "import"), _FUELS[kind]) or ""
        if meter.strip().lower() in _NO_POINT:
            return
        key = (prefix, device, kind)
        if self._last.get(key) == body:
            return
        if len(self._last) >= MAX_SOURCES and key not in self._last:
            raise _Bad("too many displays")
        self._last[key] = body
        yield from self._sample(prefix, device, kind, meter, body, now)

    def _sample(
        self, prefix: str, device: str, kind: str, meter: str, body: Mapping[str, object], now: datetime
    ) -> Iterator[Found]:
        told = _time(body)
        doubtful = told is None or told > now + _AHEAD or told < _EARLIEST
        time = now if told is None or doubtful else told
        quality = TimeQuality.DOUBTFUL if doubtful else TimeQuality.UNCHECKED
        readings, events = [], []
        for register, value in _values(kind, meter, body):
            grade, event = self._judge(register, value, time)
            if event:
                events.append(event)
            if grade is not None:
                notes = ("regression",) if event else ()
                readings.append(
                    Reading(register, value, None, told, now, quality=grade, time_quality=quality, notes=notes)
                )
        energy = _object(_object(body, "energy"), "import")
        price = _optional(energy, "price")
        sums = {key: found for key in ("day", "week", "month") if (found := _number(energy, key)) is not None}
        yield GlowSample(
            prefix,
            device,
            kind.removesuffix("meter"),
            meter,
            time,
            tuple(readings),
            _price(price, "unitrate"),
            _price(price, "standingcharge"),
            _text(energy, "supplier"),
            sums,
        )
        yield from events

    def _judge(self, register: Register, value: Decimal, time: datetime) -> tuple[Quality | None, Event | None]:
        """How good a value is; None: it is none. A register that falls is kept, doubted and reported."""
        if register.unit is Unit.KW:
            return Quality.GOOD, None
        known = self._series.get(register.key)
        if known is None:
            if len(self._series) >= 4 * MAX_SOURCES:
                raise _Bad("too many meters")
            self._series[register.key] = _Series(value, value == 0)
            return Quality.GOOD, None
        if value == 0 and known.value != 0 and not known.from_zero and self.ignore_zero:
            return self._zero(register, known, time)
        fell = value < known.value
        known.value, known.zeros = value, 0
        if not fell:
            return Quality.GOOD, None
        return Quality.SUSPECT, Event(time, "REGISTER_REGRESSION", register.key, Severity.WARNING)

    def _zero(self, register: Register, known: _Series, time: datetime) -> tuple[Quality | None, Event | None]:
        known.first_zero = known.first_zero if known.zeros and known.first_zero else time
        known.zeros += 1
        settled = known.zeros >= 3 and time - known.first_zero >= _SETTLED
        if not settled or register.meter not in self._anew:
            return None, None
        self._anew.discard(register.meter)
        self._series[register.key] = _Series(Decimal(0), True)
        return Quality.GOOD, None


def _values(kind: str, meter: str, body: Mapping[str, object]) -> Iterator[tuple[Register, Decimal]]:
    energy = _object(body, "energy")
    used = _object(energy, "import")
    code = "1-0:1.8.0" if kind == "electricitymeter" else None
    if (value := _number(used, "cumulative")) is not None:
        yield _register(meter, code, "energy", _unit(used, "units", Unit.KWH)), value
    if (value := _number(used, "cumulativevol")) is not None:
        yield _register(meter, "7-0:3.0.0", "volume", _unit(used, "cumulativevolunits", Unit.M3)), value
    sold = _optional(energy, "export")
    if kind == "electricitymeter" and (value := _number(sold, "cumulative")) is not None:
        yield _register(meter, "1-0:2.8.0", "energy", _unit(sold, "units", Unit.KWH)), value
    power = _optional(body, "power")
    value = _number(power, "value")
    if kind == "electricitymeter" and value is not None and value != UNKNOWN_POWER:
        yield _register(meter, "1-0:16.7.0", "power", _unit(power, "units", Unit.KW)), value


def _register(meter: str, code: str | None, quantity: str, unit: Unit) -> Register:
    return Register(meter, Obis.parse(code) if code else None, quantity, unit, -3)


def _unit(holder: Mapping[str, object], key: str, usual: Unit) -> Unit:
    told = _text(holder, key)
    if told is not None and told != usual.value:
        raise _Bad("unit")
    return usual


def _health(prefix: str, device: str, tree: Mapping[str, object]) -> GlowHealth:
    han = _optional(tree, "han")
    rssi, lqi = _number(han, "rssi"), _number(han, "lqi")
    whole = [None if value is None else int(value) for value in (rssi, lqi)]
    return GlowHealth(prefix, device, _time(tree), whole[0], whole[1], _text(han, "status"), tree)


def _split(topic: str) -> tuple[str, str, str]:
    """Prefix (which may hold `/`), device and kind of a topic."""
    levels = topic.split("/")
    if levels[-1] == "STATE" and len(levels) >= 3:
        return "/".join(levels[:-2]), levels[-2], "STATE"
    if levels[-1] in _FUELS and len(levels) >= 4 and levels[-2] == "SENSOR":
        return "/".join(levels[:-3]), levels[-3], levels[-1]
    raise _Bad("topic")


def _load(payload: bytes) -> Mapping[str, object]:
    if len(payload) > MAX_MESSAGE:
        raise _Bad("too long")
    try:
        tree = json.loads(payload.decode("utf-8"), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, ArithmeticError):
        raise _Bad("not JSON") from None
    if not isinstance(tree, dict):
        raise _Bad("not an object")
    return tree


def _no_number(text: str) -> object:
    raise _Bad("not a number")


def _object(holder: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = holder.get(key)
    if not isinstance(found, dict):
        raise _Bad(f"no {key}")
    return found


def _optional(holder: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = holder.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _Bad("wrong type")
    return found


def _number(holder: Mapping[str, object], key: str) -> Decimal | None:
    found = holder.get(key)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        raise _Bad("wrong type")
    value = Decimal(found)
    if abs(value) >= _LARGEST or value.as_tuple().exponent < -9:  # type: ignore[operator]
        raise _Bad("out of range")
    return value


def _price(holder: Mapping[str, object], key: str) -> Decimal | None:
    """A price; 0 is what a display says before it knows it."""
    return _number(holder, key) or None


def _text(holder: Mapping[str, object], key: str) -> str | None:
    found = holder.get(key)
    if found is None:
        return None
    if not isinstance(found, str):
        raise _Bad("wrong type")
    if len(found) > _LONGEST_TEXT or not found.isprintable():
        raise _Bad("no text")
    return found


def _time(holder: Mapping[str, object]) -> datetime | None:
    told = _text(holder, "timestamp")
    try:
        return datetime.strptime(told or "", "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
