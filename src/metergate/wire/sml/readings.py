"""From list entries to readings. Both decoders, the general one and the learnt layouts, end here.

A *row* is one value on its way: its slot (all that never changes from telegram to telegram), the value, the status word
and the time. A *quirk* is a deviation of one maker that is only put right where somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context
from functools import lru_cache

from metergate.model import Obis, Quality, Reading, Register, TimeQuality, Unit
from metergate.model.reading import Value as Content
from metergate.model.reading import quick_reading
from metergate.model.unit import DLMS_UNITS
from metergate.wire.sml.identity import identity
from metergate.wire.sml.messages import (
    Body,
    GetListResponse,
    GetProfileListResponse,
    GetProfilePackResponse,
    OpenResponse,
)
from metergate.wire.sml.tlv import Integer
from metergate.wire.sml.values import SEC_INDEX, Time, Value

UNSIGNED16 = "dzg-unsigned16"
"""Two-byte signed power of some DZG meters is meant unsigned."""
STATUS_SIGN = "emh-sign-from-status"
"""The power of some EMH meters has no sign; bit 5 of the status word says that energy is delivered."""
QUIRKS = (UNSIGNED16, STATUS_SIGN)
DELIVERING = 0x20
_ENERGY = {b"\x01\x08", b"\x02\x08"}
LOCKED = "energy but no power: the meter may be locked (enter its PIN and switch on the full data set, info DSS)"
_AHEAD = timedelta(seconds=60)
_MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC)
_scale = Context(prec=40).scaleb
_COUNTER = (None, TimeQuality.COUNTER)
_NO_TIME = (None, TimeQuality.NONE)


@dataclass(frozen=True, slots=True)
class Slot:
    """What of a row never changes. `register` is shared by all its readings; `short`: a signed two-byte power."""

    register: Register
    scaler: int = 0
    power: bool = False
    short: bool = False
    dzg: bool = False


Row = tuple[Slot, int | bytes | Time | None, int | None, Time | None]
"""Slot, value (booleans as 0 and 1), status word, time."""


@lru_cache(8192)
def slot(server: bytes, name: bytes, unit: int | None, scaler: int, size: int) -> Slot:
    """The slot of a register. `size`: bytes of the value if it is a signed number, else 0."""
    who = identity(server)
    obis = Obis.of(name) if len(name) == 6 else None
    known = DLMS_UNITS.get(unit) if unit is not None else None
    register = Register(who.id, obis, unit=known, scaler=scaler, address=None if obis else name.hex())
    power = known is Unit.W and obis is not None and obis.d == 7
    return Slot(register, scaler, power, power and size == 2, who.manufacturer == "DZG")


def row(server: bytes, name: bytes | None, unit: int | None, scaler: int | None, value: Value) -> tuple[Slot, Value]:
    """The slot and the value of one entry."""
    size = value.size if isinstance(value, Integer) and value.signed else 0
    return slot(server, name or b"", unit, scaler or 0, size), value


def _plain(value: Value) -> int | bytes | Time | None:
    if isinstance(value, Integer):
        return value.value
    return int(value) if isinstance(value, bool) else value


def rows(body: Body) -> Iterable[Row]:
    """All values of a message: of lists and profiles, none of the others."""
    server = getattr(body, "server", None) or b""
    if isinstance(body, GetListResponse):
        for entry in body.values or ():
            place, value = row(server, entry.name, entry.unit, entry.scaler, entry.value)
            status = entry.status.value if entry.status else None
            yield place, _plain(value), status, entry.time or body.time
    elif isinstance(body, GetProfileListResponse):
        status = body.status.value if body.status else None
        for item in body.values or ():
            place, value = row(server, item.name, item.unit, item.scaler, item.value)
            yield place, _plain(value), status, body.value_time
    elif isinstance(body, GetProfilePackResponse):
        yield from _pack_rows(server, body)


def _pack_rows(server: bytes, body: GetProfilePackResponse) -> Iterable[Row]:
    for period in body.periods or ():
        status = period.status.value if period.status else None
        for head, cell in zip(body.headers or (), period.values or (), strict=False):
            place, value = row(server, head.name, head.unit, head.scaler, cell.value)
            yield place, _plain(value), status, period.time


def clock(time: Time | None, at: datetime | None) -> tuple[datetime | None, TimeQuality]:
    """The meter's time and what it is worth, heard at `at`. A secIndex is no time of day."""
    if time is None:
        return _NO_TIME
    if time.choice == SEC_INDEX:
        return _COUNTER
    instant = time.instant
    doubtful = instant is None or instant < _MILLENNIUM or (at is not None and instant > at + _AHEAD)
    return instant, TimeQuality.DOUBTFUL if doubtful else TimeQuality.UNCHECKED


def readings(
    found: Sequence[Row], at: datetime | None, quirks: frozenset[str] = frozenset(), quality: Quality = Quality.GOOD
) -> tuple[Reading, ...]:
    """The readings of one telegram's rows, heard at `at`."""
    delivering = STATUS_SIGN in quirks and _delivering(found)
    told: list[Reading] = []
    last: Time | None = None
    when: tuple[datetime | None, TimeQuality] = _NO_TIME
    for place, value, status, time in found:
        if time is not last:
            last, when = time, clock(time, at)
        notes: tuple[str, ...] = ()
        raw: int | None = None
        amount: Content
        if isinstance(value, int):
            raw = value
            if place.power and (value < 0 or delivering):
                raw, notes = _repaired(place, value, quirks, delivering)
            amount = _scale(raw, place.scaler)
        elif isinstance(value, Time):
            amount, raw = _of_time(value)
        else:
            amount = value
        reason = "null" if amount is None else None
        told.append(quick_reading(place.register, amount, raw, when[0], at, status, quality, when[1], reason, notes))
    return tuple(told)


def _delivering(found: Sequence[Row]) -> bool:
    """Whether the first status word says that energy flows out."""
    word = next((row[2] for row in found if row[2] is not None), 0)
    return bool(word & DELIVERING)


def _of_time(value: Time) -> tuple[Content, int | None]:
    """A time as a value: text of a moment, seconds of a secIndex."""
    instant = value.instant
    return (instant.isoformat(), None) if instant else (_scale(value.seconds, 0), value.seconds)


def _repaired(place: Slot, value: int, quirks: frozenset[str], delivering: bool) -> tuple[int, tuple[str, ...]]:
    """A power with the quirks that were asked for put right; the notes tell what else it could be."""
    if place.short and value < 0 and (place.dzg or UNSIGNED16 in quirks):
        other = value + 0x10000
        if UNSIGNED16 in quirks:
            return other, (f"{UNSIGNED16}: the plain reading is {_scale(value, place.scaler):f}",)
        return value, (f"read as unsigned it would be {_scale(other, place.scaler):f}, see {UNSIGNED16}",)
    if delivering and STATUS_SIGN in quirks and value > 0:
        return -value, (f"{STATUS_SIGN}: sent without its sign",)
    return value, ()


def header(bodies: Sequence[Body]) -> tuple[dict[str, object], bytes | None, Time | None]:
    """Header fields of a telegram, whose meter it is, and the meter's time when it spoke."""
    fields: dict[str, object] = {}
    server: bytes | None = None
    time: Time | None = None
    for body in bodies:
        server = server or getattr(body, "server", None)
        if isinstance(body, (OpenResponse, GetListResponse)):
            time = body.time or time
        if isinstance(body, GetListResponse) and _locked(body):
            fields["hint"] = LOCKED
    return fields, server, time


def _locked(body: GetListResponse) -> bool:
    """Whether a list has energy (C 1 or 2, D 8) but no momentary value (D 7)."""
    found = {entry.name[2:4] for entry in body.values or () if entry.name and len(entry.name) == 6}
    return not found.isdisjoint(_ENERGY) and all(pair[1] != 7 for pair in found)


def moment(time: Time | None) -> dict[str, object]:
    """The header field that tells the meter's time: `sec_index` or `timestamp`, in seconds."""
    return {} if time is None else {"sec_index" if time.choice == SEC_INDEX else "timestamp": time.seconds}
