"""What a reader wants of a meter: its objects, its clock, its registers, as readings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal

from metergate.errors import ApplicationError
from metergate.model import Obis, Quality, Reading, Register, TimeQuality, Unit
from metergate.model.unit import DLMS_UNITS
from metergate.wire.base import Dialogue
from metergate.wire.dlms.apdu import Attribute, Conformance, Result, Selected
from metergate.wire.dlms.client.client import Client, NotGiven, result_text
from metergate.wire.dlms.cosem.objects import elements, rows
from metergate.wire.dlms.data import Data
from metergate.wire.dlms.times import DOUBTFUL, INVALID, UNSPECIFIED, DateTime

CLOCK = Attribute(8, bytes((0, 0, 1, 0, 0, 255)), 2)
OBJECTS = Attribute(15, bytes((0, 0, 40, 0, 0, 255)), 2)
SCALES = {3: 3, 4: 3, 5: 4}
"""Class -> the attribute that holds scaler and unit."""
AT_ONCE = 8
"""Attributes in one list."""
UNKNOWN_STATUS = 0xFF


@dataclass(frozen=True, slots=True)
class Zone:
    """How a meter tells time: `zone` where it tells no deviation; `inverted`: its deviation has the other sign."""

    zone: tzinfo | None = None
    inverted: bool = False

    def instant(self, value: Data) -> tuple[datetime | None, TimeQuality]:
        """The instant that a date-time names, and how sure it is. BadValue."""
        told = DateTime.parse(value.octets)
        at = told.instant(self.zone, self.inverted)
        if at is None:
            return None, TimeQuality.NONE
        bad = told.status != UNKNOWN_STATUS and told.status & (INVALID | DOUBTFUL)
        return at, TimeQuality.DOUBTFUL if bad else TimeQuality.UNCHECKED

    def local(self, value: Data) -> tzinfo | None:
        """The zone that the deviation of a date-time means, else the setting."""
        deviation = DateTime.parse(value.octets).deviation
        if deviation == UNSPECIFIED or abs(deviation) > 24 * 60 - 1:
            return self.zone
        return timezone(timedelta(minutes=deviation if self.inverted else -deviation))


@dataclass(frozen=True, slots=True)
class Scale:
    """Scaler and unit of a register."""

    scaler: int = 0
    unit: Unit | None = None

    @classmethod
    def of(cls, data: Data) -> Scale:
        """From structure{scaler, unit}. BadValue."""
        scaler, unit = elements(data, 2)
        return cls(scaler.number, DLMS_UNITS.get(unit.number))


@dataclass(slots=True)
class Known:
    """What was learnt of a meter and does not change: scales by class and name."""

    scales: dict[tuple[int, bytes], Scale] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of the association's list; `attributes` and `methods`: access mode by number."""

    class_id: int
    version: int
    name: Obis
    attributes: dict[int, int]
    methods: dict[int, int]


def objects(client: Client) -> Dialogue[tuple[Listed, ...]]:
    """The objects that the association sees. NotGiven, NoAnswer, DecodeError."""
    found = yield from client.get(OBJECTS)
    return tuple(_listed(item) for item in rows(found))


def _listed(item: Data) -> Listed:
    number, version, name, rights = elements(item, 4)
    attributes, methods = elements(rights, 2)
    return Listed(number.number, version.number, Obis.of(name.octets), _modes(attributes), _modes(methods))


def _modes(told: Data) -> dict[int, int]:
    """Access modes by number; of old associations a method's is a boolean."""
    found = {}
    for row in rows(told):
        index, mode = elements(row, 2, 3)[:2]
        found[index.number] = int(mode.value) if isinstance(mode.value, bool) else mode.number
    return found


def clock(client: Client, zone: Zone) -> Dialogue[tuple[datetime | None, TimeQuality, Data]]:
    """What the meter's clock shows: the instant, how sure it is, and as it was told."""
    told = yield from client.get(CLOCK)
    return (*zone.instant(told), told)


def several(client: Client, wanted: Sequence[Attribute]) -> Dialogue[tuple[Result, ...]]:
    """Values or results of attributes, in lists where that was agreed, else one by one."""
    found: list[Result] = []
    if client.conformance & Conformance.MULTIPLE_REFERENCES:
        for at in range(0, len(wanted), AT_ONCE):
            items: list[Selected] = [(attribute, None) for attribute in wanted[at : at + AT_ONCE]]
            found += yield from client.get_list(items)
        return tuple(found)
    for attribute in wanted:
        try:
            value: Result = yield from client.get(attribute)
        except NotGiven as no:
            value = no.result
        found.append(value)
    return tuple(found)


def scales(client: Client, wanted: Iterable[tuple[int, bytes]], known: Known) -> Dialogue[None]:
    """Learn scaler and unit of registers by class and name; those without have none."""
    new = [one for one in dict.fromkeys(wanted) if one not in known.scales and one[0] in SCALES]
    results = yield from several(client, [Attribute(number, name, SCALES[number]) for number, name in new])
    for one, result in zip(new, results, strict=True):
        if isinstance(result, Data):
            known.scales[one] = Scale.of(result)


def registers(
    client: Client, meter: str, codes: Iterable[tuple[int, Obis]], zone: Zone, known: Known
) -> Dialogue[tuple[Reading, ...]]:
    """Registers by class and code, with the meter's time; those that the meter does not have are left out.

    ApplicationError if it has none of them.
    """
    wanted = list(codes)
    try:
        at, sure, _ = yield from clock(client, zone)
    except NotGiven:
        at, sure = None, TimeQuality.NONE
    yield from scales(client, ((number, code.octets) for number, code in wanted), known)
    attributes = [Attribute(number, code.octets, 2) for number, code in wanted]
    results = yield from several(client, attributes)
    readings = [
        reading(meter, code, result, known.scales.get((number, code.octets), Scale()), at, sure)
        for (number, code), result in zip(wanted, results, strict=True)
        if isinstance(result, Data)
    ]
    if not readings:
        why = next((result_text(result) for result in results if isinstance(result, int)), "nothing was asked for")
        raise ApplicationError(f"meter {meter} gives none of the registers: {why}")
    return tuple(readings)


def reading(
    meter: str,
    code: Obis,
    value: Data,
    scale: Scale,
    at: datetime | None,
    sure: TimeQuality,
    status: int | None = None,
) -> Reading:
    """A value as a reading; what is null or no single value has none."""
    register = Register(meter, code, None, scale.unit, scale.scaler)
    raw = value.value
    if isinstance(raw, bool) or raw is None or isinstance(raw, tuple):
        reason = "null" if raw is None else "not a single value"
        text = str(raw).lower() if isinstance(raw, bool) else None
        quality = Quality.GOOD if text else Quality.ABSENT
        return Reading(register, text, None, at, None, status, quality, sure, None if text else reason)
    if isinstance(raw, int):
        return Reading(register, Decimal(raw).scaleb(scale.scaler), raw, at, None, status, Quality.GOOD, sure)
    if isinstance(raw, Decimal):
        if not raw.is_finite():
            return Reading(register, None, None, at, None, status, Quality.BAD, sure, "not a number")
        shifted = raw.scaleb(scale.scaler)
        return Reading(register, shifted, None, at, None, status, Quality.GOOD, sure, notes=("inexact",))
    shown: str | bytes = _text(raw) if isinstance(raw, bytes) else raw
    return Reading(register, shown, None, at, None, status, Quality.GOOD, sure)


def _text(raw: bytes) -> str | bytes:
    """Printable octets are text."""
    return raw.decode("ascii") if raw and all(0x20 <= octet < 0x7F for octet in raw) else raw
