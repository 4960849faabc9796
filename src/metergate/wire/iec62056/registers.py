"""What a data set means: OBIS code, unit and kind of value behind an address, and who the meter is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from metergate.errors import BadValue
from metergate.model import Medium, MeterIdentity, Obis, Register, Unit
from metergate.model.reading import Value
from metergate.wire.iec62056.datasets import DataSet, Item

_SPELT = {
    "m3ph": Unit.M3_PER_H,
    "m3h": Unit.M3_PER_H,
    "lph": Unit.L_PER_H,
    "m\xb3": Unit.M3,
    "m\xb3/h": Unit.M3_PER_H,
    "c": Unit.DEG_C,
    "\xb0c": Unit.DEG_C,
    "grad": Unit.DEG,
    "\xb0": Unit.DEG,
    "m": Unit.MIN,
}
UNITS = {unit.value: unit for unit in Unit}
"""Units as printed."""
_LOWER: dict[str, Unit] = {}
for _name, _unit in UNITS.items():
    if _LOWER.setdefault(_name.lower(), _unit) is not _unit:
        _LOWER.pop(_name.lower())
_LOWER |= _SPELT
VOLUMES = frozenset((Unit.M3, Unit.L, Unit.M3_PER_H, Unit.L_PER_H))
HEAT_UNITS = frozenset((Unit.WH, Unit.KWH, Unit.MWH, Unit.J, Unit.KJ, Unit.MJ, Unit.GJ, Unit.M3, Unit.L, Unit.H))
HEAT = {
    "6.8": (Obis(6, 0, 1, 0, 0), "energy"),
    "6.26": (Obis(6, 0, 2, 0, 0), "volume"),
    "6.31": (None, "operating_time"),
}
"""Reduced codes of heat meters, which have two groups."""
HEAT_SIGNS = ("6.8", "6.26")
IDS = ("96.1.255", "96.1.0", "C.1.0", "C.1", "9.20", "0.0.0", "0.0")
"""Where a meter's number stands, by reduced code; the first that is there."""
GENERAL = frozenset((0, 96, 97, 98, 99))
"""Group C of values that are no measured quantities: numbers without a unit are text there, with their zeros."""
MEDIA = {
    1: Medium.ELECTRICITY,
    4: Medium.HEAT_COST_ALLOCATOR,
    5: Medium.COOLING,
    6: Medium.HEAT,
    7: Medium.GAS,
    8: Medium.COLD_WATER,
    9: Medium.WARM_WATER,
}
"""What is measured, by group A."""
LONGEST = 32
"""Characters of an address that may be a code."""
_FULL = re.compile(r"\d{1,3}-\d{1,3}:")
NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
"""A number, without the blanks that may stand around it."""
_TIME = re.compile(r"([0-2]?)([0-9]{10}|[0-9]{12})")


class Meaning(NamedTuple):
    """What a bracket holds: its register, and whether its value stays text."""

    register: Register
    textual: bool


@lru_cache(512)
def unit_of(text: str) -> Unit | None:
    """The unit by its text, None if it is none that is known."""
    return UNITS.get(text.strip()) or _LOWER.get(text.strip().lower())


@lru_cache(4096)
def obis_of(address: str, volume: bool = False) -> Obis | None:
    """The code of an address, in full or reduced (then of electricity, unless it counts a `volume`); None if none."""
    reduced = not _FULL.match(address)
    if (reduced and volume) or len(address) > LONGEST:
        return None
    if address == "F.F":
        return Obis(1, 0, 97, 97, 0)
    if address == "F":
        return Obis(1, 0, 97, 0, 0)
    if reduced and address.count(".") == 1 and not address.startswith(("0.", "C.", "F.")):
        return None
    try:
        return Obis.parse(address)
    except BadValue:
        return None


def heat_code(address: str, unit: Unit | None) -> tuple[Obis | None, str] | None:
    """Code and quantity of a heat meter's reduced address, with or without history; None if it is none."""
    name, _, storage = address.partition("*")
    found = HEAT.get(name)
    if found is None or unit not in HEAT_UNITS:
        return None
    code, quantity = found
    if code and storage.isdecimal() and len(storage) <= 3 and int(storage) < 256:
        code = Obis(code.a, code.b, code.c, code.d, code.e, int(storage))
    return code, quantity


def usual_unit(code: Obis | None) -> Unit | None:
    """The unit of a code where the telegram names none: kWh, kvarh, kVAh, kW ... of electricity."""
    if code is None or code.a != 1:
        return None
    if code.d in (8, 9):
        return {1: Unit.KWH, 2: Unit.KWH, 15: Unit.KWH, 16: Unit.KWH, 9: Unit.KVAH, 10: Unit.KVAH}.get(
            code.c, Unit.KVARH if 3 <= code.c <= 8 else None
        )
    if code.d != 7:
        return Unit.KW if code.d in (2, 4, 5, 6) and code.c in (1, 2, 15, 16) else None
    if code.c in (1, 2, 15, 16, 21, 22, 36, 41, 42, 56, 61, 62, 76):
        return Unit.KW
    return {14: Unit.HZ, 12: Unit.V, 11: Unit.A}.get(code.c) or {
        31: Unit.A, 51: Unit.A, 71: Unit.A, 32: Unit.V, 52: Unit.V, 72: Unit.V
    }.get(code.c)  # fmt: skip


def meaning(meter: str, address: str, item: Item) -> Meaning:
    """What a bracket under an address holds."""
    text = item.text.strip()
    decimals = (len(text) - 1 - text.find(".") if "." in text else 0) if NUMBER.fullmatch(text) else None
    return _meaning(meter, address, item.unit, decimals)


@lru_cache(4096)
def _meaning(meter: str, address: str, named: str | None, decimals: int | None) -> Meaning:
    """By the unit as sent and the decimals; None where the value is no number."""
    unit = unit_of(named) if named else None
    heat = heat_code(address, unit)
    code = heat[0] if heat else obis_of(address, unit in VOLUMES)
    general = code.c in GENERAL if code else heat is None
    textual = decimals is None or (unit is None and general)
    if named is None and not textual:
        unit = usual_unit(code)
    scaler = 0 if textual else -(decimals or 0)
    return Meaning(Register(meter, code, heat[1] if heat else None, unit, scaler, address=address or None), textual)


def value_of(item: Item, textual: bool) -> Value:
    """The value; None where the bracket is empty or holds dashes only."""
    text = item.text
    if not text.strip("- "):
        return None
    if textual:
        return text if item.unit is None or unit_of(item.unit) else f"{text}*{item.unit}"
    return Decimal(text.strip())


def identity(
    sets: Sequence[DataSet], manufacturer: str | None, text: str | None, known: str | None = None
) -> MeterIdentity | None:
    """Who the meter is, by what it told; `known` is the number where it tells none. None if nothing is known at all."""
    told = {short(one.address): one.items[0].text.strip() for one in reversed(sets) if one.items[0].text.strip()}
    number = next((told[name] for name in IDS if name in told), None) or known
    if number is None and manufacturer is None and not sets:
        return None
    return MeterIdentity(number or "", manufacturer, medium_of(sets), model=text or None)


@lru_cache(4096)
def short(address: str) -> str:
    """An address without groups A and B, and without F = 255."""
    name = _FULL.sub("", address)
    return name[:-4] if name.endswith("*255") else name


def medium_of(sets: Iterable[DataSet]) -> Medium | None:
    """What is measured, by group A of the first code of a quantity, or by reduced codes and their units."""
    for one in sets:
        unit = unit_of(one.items[0].unit or "")
        if one.address.partition("*")[0] in HEAT_SIGNS and unit in HEAT_UNITS:
            return Medium.HEAT
        code = obis_of(one.address, unit in VOLUMES)
        if code and code.a and code.c not in GENERAL:
            return MEDIA.get(code.a)
    return None


def moment(text: str, utc_offset: int | None) -> datetime | None:
    """An instant `YYMMDDhhmm[ss]` by the meter's clock; None if it is none.

    In front may stand the season: 0 winter, 1 summer, 2 UTC. `utc_offset`: minutes of the meter's winter time; without
    it only UTC is known.
    """
    found = _TIME.fullmatch(text)
    if not found:
        return None
    season, digits = found.groups()
    minutes = 0 if season == "2" else utc_offset
    if minutes is None:
        return None
    fields = [int(digits[at : at + 2]) for at in range(0, len(digits), 2)]
    year, month, day, hour, minute, second = (*fields, 0)[:6]
    zone = timezone(timedelta(minutes=minutes + 60 * (season == "1")))
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def at_clock(at: datetime, utc_offset: timedelta) -> str:
    """An aware instant as `YYMMDDhhmm` of a clock."""
    return f"{at.astimezone(timezone(utc_offset)):%y%m%d%H%M}"
