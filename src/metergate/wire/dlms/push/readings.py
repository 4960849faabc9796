"""From the items of a push to readings. Both decoders, the general one and the learnt layouts, end here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal
from functools import lru_cache

from metergate.model import Medium, MeterIdentity, Obis, Quality, Reading, Register, TimeQuality, Unit
from metergate.model.reading import Value, quick_reading
from metergate.model.unit import DLMS_UNITS
from metergate.wire.dlms.data import Data, DateTime, Tag
from metergate.wire.dlms.push.lists import CLOCK, METER, MODEL, Item, Listing, text
from metergate.wire.dlms.times import ANY, DOUBTFUL, INVALID

_scale = Context(prec=40).scaleb
_AHEAD = timedelta(seconds=60)
_MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC)
_KAMSTRUP = bytes((1, 1, 0, 0, 5, 255)), bytes((1, 1, 96, 1, 1, 255))
_DEVICE = bytes((0, 0, 42, 0, 0, 255))
IDENTITIES = (_DEVICE, METER, _KAMSTRUP[0])
"""Where lists tell whose they are: logical device name, device id, Kamstrup's own code; the first that there is."""
MODELS = (MODEL, _KAMSTRUP[1])
Time = tuple[datetime | None, TimeQuality]
NO_TIME: Time = (None, TimeQuality.NONE)


@dataclass(frozen=True, slots=True)
class Slot:
    """What of a row never changes: `register` is shared by all its readings."""

    register: Register
    scaler: int = 0
    notes: tuple[str, ...] = ()


Row = tuple[Slot, int | Value]
"""A value on its way; an int is still to be scaled."""


@dataclass(frozen=True, slots=True)
class Clockwork:
    """How the meter's times are to be read. `offset`: minutes east of UTC where a time does not tell its deviation.

    `inverted`: this maker writes UTC + deviation = local time, against the standard.
    """

    offset: int | None = None
    inverted: bool = False

    def time(self, octets: bytes | None, at: datetime | None) -> Time:
        """The instant of 12 octets heard at `at`, and what it is worth."""
        if octets is None or len(octets) != 12:
            return NO_TIME
        told = DateTime.parse(octets)
        zone = None if self.offset is None else timezone(timedelta(minutes=self.offset))
        instant = told.instant(zone, self.inverted)
        if instant is None:
            return NO_TIME
        unsure = told.status != ANY and told.status & (INVALID | DOUBTFUL)
        late = at is not None and instant > at + _AHEAD
        return instant, TimeQuality.DOUBTFUL if unsure or late or instant < _MILLENNIUM else TimeQuality.UNCHECKED


# ---- whose it is -----------------------------------------------------------------------------------------------------
def identity(found: Listing, title: bytes = b"", known: str | None = None) -> MeterIdentity | None:
    """Whose the list is: by itself, by the sender's system title, or `known` from before; None if nobody tells."""
    told = {item.obis: text(item.value) for item in found.items}
    meter = next((told[code] for code in IDENTITIES if told.get(code)), None)
    name = meter or (title.hex().upper() if title else known)
    if not name:
        return None
    model = next((told[code] for code in MODELS if told.get(code)), None)
    medium = Medium.ELECTRICITY if any(item.obis[0] == 1 for item in found.items) else None
    return MeterIdentity(name, _maker(found, told.get(_DEVICE), title), medium, model=model)


def _maker(found: Listing, device: str | None, title: bytes) -> str | None:
    """The maker as the telegram calls it: before the list's version, or the first letters of device name or title."""
    if found.name and "_" in found.name:
        return found.name.partition("_")[0]
    letters = (device or title.decode("latin-1"))[:3]
    return letters if len(letters) == 3 and letters.isascii() and letters.isalpha() else None


# ---- units and scales that the list does not tell --------------------------------------------------------------------
_POWERS = ((Unit.W, Unit.WH), (Unit.VAR, Unit.VARH), (Unit.VA, Unit.VAH))
_ACTIVE, _REACTIVE, _APPARENT, _CURRENT, _VOLTAGE, _FACTOR = (1, 2, 15, 16), (3, 4, 5, 6, 7, 8), (9, 10), 11, 12, 13
FACTOR_SCALER = -3
"""A power factor without scaler counts thousandths."""
KAMSTRUP_SCALERS = {Unit.A: -2, Unit.WH: 1, Unit.VARH: 1}
"""What Kamstrup's lists leave out: currents in 0.01 A, energies in 10 Wh."""


def usual(obis: bytes, maker: str | None) -> tuple[int, Unit | None]:
    """Scaler and unit of a value of electricity whose list tells neither."""
    unit = _usual_unit(obis[2] % 20, obis[3]) if obis[0] == 1 and 0 < obis[2] < 80 else None
    if obis[0] == 1 and obis[2] in (13, 33, 53, 73) and obis[3] == 7:
        return FACTOR_SCALER, None
    scaler = KAMSTRUP_SCALERS.get(unit, 0) if unit and (maker or "").casefold().startswith("kam") else 0
    return scaler, unit


def _usual_unit(quantity: int, kind: int) -> Unit | None:
    for codes, (power, energy) in zip((_ACTIVE, _REACTIVE, _APPARENT), _POWERS, strict=True):
        if quantity in codes:
            return energy if kind in (8, 9) else power if kind in (4, 5, 6, 7) else None
    return {_CURRENT: Unit.A, _VOLTAGE: Unit.V}.get(quantity) if kind == 7 else None


@lru_cache(8192)
def _slot(meter: str, obis: bytes, scaler: int | None, unit: int | None, maker: str | None, number: bool) -> Slot:
    usual_scaler, usual_unit = usual(obis, maker) if scaler is None and number else (0, None)
    known = usual_unit if unit is None else DLMS_UNITS.get(unit)
    notes = () if unit is None or unit in DLMS_UNITS else (f"unit code {unit} is unknown",)
    power = usual_scaler if scaler is None else scaler
    return Slot(Register(meter, Obis.of(obis), unit=known, scaler=power if number else 0), power, notes)


# ---- values ----------------------------------------------------------------------------------------------------------
def rows(found: Listing, meter: MeterIdentity | None) -> list[tuple[Item, Row]]:
    """Every item as a row; of an OBIS that is told twice the last."""
    whose, maker = (meter.id, meter.manufacturer) if meter else ("", None)
    last = {item.obis: item for item in found.items}
    told: list[tuple[Item, Row]] = []
    for item in last.values():
        value = plain(item)
        number = isinstance(value, int | Decimal) or value is None
        told.append((item, (_slot(whose, item.obis, item.scaler, item.unit, maker, number), value)))
    return told


def plain(item: Item) -> int | Value:
    """The value as a row has it: numbers unscaled, times and texts as text."""
    value = item.value.value
    if isinstance(value, bool):
        return int(value)
    if item.value.tag == Tag.DATE_TIME or (item.obis == CLOCK and isinstance(value, bytes) and len(value) == 12):
        return shown(item.value.octets)
    if isinstance(value, bytes):
        return text(item.value) or value
    if isinstance(value, tuple):
        return None
    return value


def shown(octets: bytes) -> str | None:
    """A clock's own time as ISO 8601, without zone; None where it is no instant."""
    local = DateTime.parse(octets).local()
    return local.isoformat() if local else None


def clock_of(found: Listing, header: bytes) -> bytes | None:
    """The 12 octets of the time that holds for a list: the clock in it, else the notification's own."""
    for item in found.items:
        if item.obis == CLOCK and isinstance(item.value.value, bytes):
            return item.value.value
    return header or None


def readings(
    found: Sequence[Row], when: Time, at: datetime | None, quality: Quality = Quality.GOOD, notes: tuple[str, ...] = ()
) -> tuple[Reading, ...]:
    """The readings of one telegram's rows, heard at `at`."""
    told: list[Reading] = []
    instant, worth = when
    for slot, value in found:
        register, more = slot.register, notes + slot.notes if slot.notes else notes
        if isinstance(value, int):
            amount: Value = _scale(value, slot.scaler)
            told.append(quick_reading(register, amount, value, instant, at, None, quality, worth, None, more))
        elif isinstance(value, Decimal):
            told.append(_inexact(slot, value, when, at, quality, more))
        else:
            reason = "null" if value is None else None
            told.append(quick_reading(register, value, None, instant, at, None, quality, worth, reason, more))
    return tuple(told)


def _inexact(
    slot: Slot, value: Decimal, when: Time, at: datetime | None, quality: Quality, notes: tuple[str, ...]
) -> Reading:
    """A reading of a binary number of the wire."""
    if not value.is_finite():
        why = "not a number"
        return quick_reading(slot.register, None, None, when[0], at, None, Quality.BAD, when[1], why, notes)
    amount = _scale(value, slot.scaler)
    return quick_reading(slot.register, amount, None, when[0], at, None, quality, when[1], None, (*notes, "inexact"))


def json(value: Data) -> object:
    """A value as plain JSON has it: lists, integers, text, octets, None."""
    return [json(item) for item in value.value] if isinstance(value.value, tuple) else value.value
