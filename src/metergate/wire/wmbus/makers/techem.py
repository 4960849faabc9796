"""Techem: compact V and vario (heat), MK Radio (water), FHKV data III (heat cost), TSD2 (smoke).

Makers' format, as known from telegrams: after the CI one byte of kind or status, the date of the last period's end
(day, month, year in one word), the count of the last period, and the count of the running one.
"""

from __future__ import annotations

from metergate.bits import le
from metergate.model import Medium, Unit
from metergate.wire.wmbus.makers.base import Block, Item, Key, Own, packed_day, real_day, scaled, signed, word

_SUM = ("last and running period together",)


def _periods(quantity: str, unit: Unit, scaler: int, last: int, running: int, until: str) -> list[Item]:
    """The total, the running period (storage 0) and the last one, with its end (storage 1)."""
    return [
        scaled(quantity, last + running, unit, scaler, address=f"{quantity}:total", notes=_SUM),
        scaled(quantity, running, unit, scaler, address=f"{quantity}:period"),
        scaled(quantity, last, unit, scaler, storage=1, address=f"{quantity}:period"),
        Item("time_point", until, storage=1),
    ]


def _heat(block: Block, unit: Unit, scaler: int) -> list[Item]:
    data = block.need(10)
    return _periods("energy", unit, scaler, word(data, 3, 3), word(data, 7, 3), packed_day(word(data, 1)))


def compact5(block: Block) -> list[Item]:
    """Heat in kWh, three bytes each."""
    return _heat(block, Unit.KWH, 0)


def vario451(block: Block) -> list[Item]:
    """Heat in MJ, three bytes each."""
    return _heat(block, Unit.MJ, 0)


def _today(data: bytes, at: int) -> Item:
    """The clock's date: day in bits 4-8, month in bits 9-12; its year follows from the last period's end."""
    ended, now = word(data, 1), word(data, at)
    month, number = now >> 9 & 15, now >> 4 & 31
    later = (month, number) <= (ended >> 5 & 15, ended & 31)
    return Item("time_point", real_day(2000 + (ended >> 9 & 63) + later, month, number))


def mkradio3(block: Block) -> list[Item]:
    """Water in tenths of m3, two bytes each."""
    data = block.need(9)
    found = _periods("volume", Unit.M3, -1, word(data, 3), word(data, 7), packed_day(word(data, 1)))
    return [*found, _today(data, 5)]


def fhkv3(block: Block) -> list[Item]:
    """Heat cost units, and the temperatures of room and radiator in hundredths of a degree."""
    at = 10 if block.address.version == 0x94 else 9
    data = block.need(at + 4)
    until = packed_day(word(data, 1))
    return [
        scaled("hca", word(data, 7), Unit.HCA),
        scaled("hca", word(data, 3), Unit.HCA, storage=1),
        Item("time_point", until, storage=1),
        _today(data, 5),
        scaled("external_temperature", signed(data[at : at + 2]), Unit.DEG_C, -2),
        scaled("flow_temperature", signed(data[at + 2 : at + 4]), Unit.DEG_C, -2, address="flow_temperature:radiator"),
    ]


def tsd2(block: Block) -> list[Item]:
    """A smoke detector: its state (bit 0: smoke), and the end of the last period."""
    data = block.need(3)
    notes = ("smoke",) if data[0] & 1 else ()
    until = packed_day(le(data[1:3]))
    return [scaled("error_flags", data[0], None, notes=notes), Item("time_point", until, storage=1)]


MEDIA = {
    0x43: Medium.HEAT,
    0xC3: Medium.HEAT,
    0x62: Medium.WARM_WATER,
    0x72: Medium.WATER,
    0x80: Medium.HEAT_COST_ALLOCATOR,
    0xF0: Medium.SMOKE,
}
"""Techem's own device types."""
_MODELS = (
    ("Techem compact V", compact5, 0x43, (0x39, 0x45)),
    ("Techem vario 4", vario451, 0xC3, (0x27,)),
    ("Techem MK Radio 3", mkradio3, 0x62, (0x74,)),
    ("Techem MK Radio 3", mkradio3, 0x72, (0x74,)),
    ("Techem FHKV data III", fhkv3, 0x80, (0x69, 0x94)),
    ("Techem TSD2", tsd2, 0xF0, (0x76,)),
)
PAYLOADS: dict[Key, Own] = {
    ("TCH", version, device): Own(name, decode, MEDIA[device])
    for name, decode, device, versions in _MODELS
    for version in versions
}
