"""A meter's pushed telegrams: readings in, transport frames out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from metergate.errors import BadValue
from metergate.model import Reading, Unit
from metergate.model.unit import DLMS_CODES
from metergate.wire.sml.codec import Message, encode_telegram
from metergate.wire.sml.messages import Body, CloseResponse, GetListResponse, ListEntry, OpenResponse
from metergate.wire.sml.readings import DELIVERING, STATUS_SIGN, UNSIGNED16
from metergate.wire.sml.tlv import Integer
from metergate.wire.sml.transport import X25, CrcKind
from metergate.wire.sml.values import SEC_INDEX, TIMESTAMP, Time, Value, integer


@dataclass(frozen=True, slots=True)
class Style:
    """How a maker writes: check sum, width of the choice field, time without list and choice, and quirks."""

    crc: CrcKind = X25
    choice_size: int = 2
    bare_time: bool = False
    quirks: frozenset[str] = frozenset()


def sec_index(seconds: int) -> Time:
    """A time that counts from an unknown start."""
    return Time(SEC_INDEX, seconds & 0xFFFFFFFF)


def timestamp(instant: datetime) -> Time:
    """A time of day."""
    return Time(TIMESTAMP, int(instant.timestamp()))


def entry_of(reading: Reading, quirks: frozenset[str] = frozenset()) -> ListEntry:
    """The list entry that tells a reading. BadValue where its unit has no code or its value does not fit its scaler."""
    register = reading.register
    if register.obis is None:
        raise BadValue(f"{register.key} has no OBIS code, which SML needs")
    if register.unit is not None and register.unit not in DLMS_CODES:
        raise BadValue(f"{register.unit.value} has no code in SML")
    status = None if reading.status is None else integer(reading.status)
    value = _value_of(reading)
    power = register.unit is Unit.W and register.obis.d == 7
    if power and isinstance(value, Integer):
        value = _quirky(value, quirks)
    number = isinstance(value, Integer)
    return ListEntry(
        register.obis.octets,
        status,
        timestamp(reading.meter_time) if reading.meter_time else None,
        DLMS_CODES[register.unit] if register.unit else None,
        register.scaler if number else None,
        value,
    )


def _value_of(reading: Reading) -> Value:
    value = reading.value
    if isinstance(value, Decimal):
        raw = value.scaleb(-reading.register.scaler)
        if raw != int(raw):
            raise BadValue(f"{value} is no multiple of 10^{reading.register.scaler}")
        return integer(int(raw))
    return value.encode("utf-8") if isinstance(value, str) else value


def _quirky(value: Integer, quirks: frozenset[str]) -> Integer:
    if UNSIGNED16 in quirks and 0x8000 <= value.value < 0x10000:
        return Integer(value.value - 0x10000, 2, True)
    if STATUS_SIGN in quirks:
        return integer(abs(value.value))
    return value


def push(
    server: bytes,
    found: Sequence[Reading | ListEntry],
    time: Time | None,
    number: int,
    name: bytes | None = None,
    style: Style = Style(),
) -> bytes:
    """A pushed telegram: open, list, close. `number` counts telegrams. BadValue as `entry_of`."""
    entries = tuple(entry_of(item, style.quirks) if isinstance(item, Reading) else item for item in found)
    if STATUS_SIGN in style.quirks:
        entries = _with_direction(entries, found)
    spoken = replace(time, bare=style.bare_time and time.choice == SEC_INDEX) if time else None
    bodies: tuple[Body, ...] = (
        OpenResponse(file=_octets(number), server=server, time=spoken),
        GetListResponse(server=server, name=name, time=spoken, values=entries),
        CloseResponse(),
    )
    return encode_telegram(
        [
            Message(body, _octets(3 * number + index), choice_size=style.choice_size)
            for index, body in enumerate(bodies)
        ],
        style.crc,
    )


def _octets(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "big")


def _with_direction(entries: tuple[ListEntry, ...], found: Sequence[Reading | ListEntry]) -> tuple[ListEntry, ...]:
    """The direction in the first status word, since the power has lost its sign."""
    delivering = any(
        isinstance(item, Reading) and item.unit is Unit.W and isinstance(item.value, Decimal) and item.value < 0
        for item in found
    )
    for index, entry in enumerate(entries):
        if entry.status is not None:
            word = entry.status.value & ~DELIVERING | (DELIVERING if delivering else 0)
            return (*entries[:index], entry._replace(status=integer(word)), *entries[index + 1 :])
    return entries
