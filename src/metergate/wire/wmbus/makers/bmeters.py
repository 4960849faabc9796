"""B Meters: Hydrodigit (water) and Hydroclima (heat cost): what they put behind DIF 0F.

Makers' formats, as known from telegrams.
"""

from __future__ import annotations

from typing import NamedTuple

from metergate.bits import Cursor, bcd, le
from metergate.model import Function, Unit
from metergate.wire.wmbus.makers.base import Block, Decode, Item, Key, absent, day, real_day, scaled, signed

_CENTIVOLTS = (370, 190, 210, 220, 230, 240, 250, 265, 280, 290, 305, 320, 335, 350, 370, 370)
"""Battery by its nibble."""
_BATTERY, _FRAUD, _BACKFLOW, _MONTHS, _LEAK = 0x01, 0x02, 0x04, 0x10, 0x80
_NEVER = 0xFFFFFF
"""A month that ended before the radio was fitted."""


def hydrodigit(block: Block) -> list[Item]:
    """A byte says what follows: battery, fraud, leak, back flow (litres), totals at the end of twelve months (10 l).

    The months are storage 1 (January) to 12.
    """
    cursor = Cursor(block.data)
    kinds = cursor.byte()
    items: list[Item] = []
    if kinds & _BATTERY:
        items.append(_battery(cursor.byte()))
    if kinds & _FRAUD:
        items += [scaled("error_flags", cursor.byte() & 0xE0, None), *_when(cursor.take(3), "fraud")]
    if kinds & _LEAK:
        items += _when(cursor.take(3), "leak")
    if kinds & _BACKFLOW:
        items.append(scaled("volume", cursor.uint(4), Unit.M3, -3, address="volume:backward"))
    if kinds & _MONTHS:
        items += [_month(number, cursor.uint(3)) for number in range(1, 13)]
    return items


def _battery(octet: int) -> Item:
    return scaled("voltage", _CENTIVOLTS[octet & 15], Unit.V, -2, address="voltage:battery")


def _when(octets: bytes, what: str) -> list[Item]:
    """A date as year, month, day in BCD; none where it never happened."""
    number = bcd(octets)
    if not number:
        return []
    text = real_day(2000 + number // 10000, number // 100 % 100, number % 100)
    return [Item("time_point", text, address=f"time_point:{what}")]


def _month(number: int, raw: int) -> Item:
    notes = (f"end of month {number}",)
    if raw == _NEVER:
        return absent("volume", Unit.M3, number, "before the radio was fitted", notes)
    return scaled("volume", raw, Unit.M3, -2, storage=number, notes=notes)


class _Field(NamedTuple):
    """A field of the Hydroclima's block; `quantity` None: its meaning is not known, or not needed."""

    size: int
    quantity: str | None = None
    address: str | None = None
    storage: int = 0
    function: Function = Function.INSTANTANEOUS


_ROOM, _HEATER = "external_temperature", "flow_temperature"
_MAX = Function.MAXIMUM
_STATUS = _Field(2, "error_flags")
_LAYOUTS = {
    0x10: (
        _STATUS,
        _Field(4),  # clock
        _Field(2, _ROOM, "average"),
        _Field(2, _ROOM, None, 0, _MAX),
        _Field(2, "time_point", "maximum", 0, _MAX),
        _Field(2),  # number of measurements
        _Field(2, _ROOM, "average", 1),
        _Field(2, _HEATER, "average", 1),
        _Field(2),  # running period
        _Field(3, "hca", "total"),
    ),
    0x11: (
        _STATUS,
        _Field(4),  # clock
        _Field(2, "time_point", "opened"),
        _Field(2, _HEATER, "average"),
        _Field(2, _ROOM, "average"),
        _Field(2, _ROOM, None, 0, _MAX),
        _Field(2, "time_point", "maximum", 0, _MAX),
        _Field(2, _HEATER, "average", 1),
        _Field(2, _ROOM, "average", 1),
        *(_Field(2, "hca", "set_date", storage) for storage in range(1, 5)),
        *(_Field(2, _ROOM, "set_date", storage) for storage in range(1, 4)),
        _Field(9),  # how long at which temperature
        _Field(2, "hca", "total"),
    ),
}


def hydroclima(block: Block) -> list[Item]:
    """Temperatures in hundredths of a degree, 8000H where there is none; heat cost units; by the first byte's layout.

    Averages of the running month are storage 0, of the last one 1; set dates are storage 1 and so on.
    """
    cursor = Cursor(block.data)
    layout = _LAYOUTS.get(cursor.byte(), ())
    found = [(field, cursor.take(field.size)) for field in layout]
    return [_item(field, octets) for field, octets in found if field.quantity]


def _item(field: _Field, octets: bytes) -> Item:
    name = field.quantity or ""
    address = f"{name}:{field.address}" if field.address else None
    if name == "time_point":
        return day(octets, field.storage, address, field.function)
    if name in (_ROOM, _HEATER):
        if octets == b"\0\x80":
            return absent(name, Unit.DEG_C, field.storage, "none measured")._replace(address=address)
        return scaled(name, signed(octets), Unit.DEG_C, -2, field.storage, address, field.function)
    return scaled(name, le(octets), Unit.HCA if name == "hca" else None, 0, field.storage, address)


TAILS: dict[Key, Decode] = {
    **{("BMT", version, device): hydrodigit for version in (0x13, 0x15, 0x17) for device in (0x06, 0x07)},
    **{("BMP", version, 0x08): hydroclima for version in (0x53, 0x85)},
}
