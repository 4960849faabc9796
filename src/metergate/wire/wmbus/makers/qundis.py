"""Qundis: the block that walk-by telegrams of all their meters carry in one record (DIF 0D, VIF FF5F, 53 bytes).

Maker's format, as known from telegrams: twelve bytes of head, of which the eighth to tenth say how the values are
coded (07, the DIF in the upper half of a byte, the VIF); the value of today, of the set date and of the month's end in
four bytes each, the latter two with their dates before them; twelve monthly differences in two bytes each.
"""

from __future__ import annotations

from metergate.wire.mbus.dib import Dib
from metergate.wire.mbus.records import header
from metergate.wire.mbus.values import Cell, convert
from metergate.wire.mbus.vif import Sense
from metergate.wire.wmbus.makers.base import Block, Item, absent, day, signed

SIZE = 53
_KIND = 0x07
_CODINGS = (0xB0, 0xC0)
_VIFS = (*range(0x18), 0x6E)
"""Energy, volume, heat cost units."""
_NONE = -0x8000
SET_DATE, MONTH = 1, 17
"""Storage numbers, as in these meters' telegrams of the standard."""


def walk_by(block: Block) -> list[Item]:
    """Today's value (storage 0), those of set date (1) and month's end (17) with their dates, monthly differences.

    The differences are addressed by their place; an empty list where the block is of another make.
    """
    data = block.data
    if len(data) != SIZE or data[7] != _KIND or data[8] & 0xF0 not in _CODINGS or data[9] not in _VIFS:
        return []
    sense = header(b"\x0c", data[9:10]).sense
    return [
        _value(data[12:16], sense, 0),
        day(data[16:18], SET_DATE),
        _value(data[18:22], sense, SET_DATE),
        day(data[22:24], MONTH),
        _value(data[24:28], sense, MONTH),
        *(_difference(data[at : at + 2], sense, place) for place, at in enumerate(range(28, 52, 2), 1)),
    ]


def _value(octets: bytes, sense: Sense, storage: int) -> Item:
    return _item(convert(octets, Dib("bcd", 4), sense), sense, storage, sense.address)


def _difference(octets: bytes, sense: Sense, place: int) -> Item:
    address = f"{sense.quantity}:difference#{place}"
    if signed(octets) == _NONE:
        return absent(sense.quantity or "value", sense.unit, 0, "no such month")._replace(address=address)
    return _item(convert(octets, Dib("int", 2), sense), sense, 0, address)


def _item(cell: Cell, sense: Sense, storage: int, address: str | None) -> Item:
    value = None if isinstance(cell.value, bytes) else cell.value
    name = sense.quantity or "value"
    return Item(
        name, value, sense.unit, cell.raw, sense.exponent, storage, address, notes=cell.notes, reason=cell.reason
    )
