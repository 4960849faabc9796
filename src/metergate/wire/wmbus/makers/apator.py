"""Apator: 16-2, 08, 17-2 and NA-1 (water), E.ITN 30 (heat cost).

Makers' formats, as known from telegrams.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from metergate.bits import be
from metergate.crypto.aes import Aes
from metergate.errors import BadValue, KeyMissing, Unsupported, WrongKey
from metergate.model import Medium, Unit
from metergate.wire.wmbus.makers.base import Block, Item, Key, Own, halved, packed_day, scaled, thirds, word

_TOTAL, _AGE, _FILL = 0x10, 0x43, 0xFF
_WIDTHS = {
    1: (0xA2, 0xA5, 0xA9, 0xAF),
    2: (0x11, 0x41, 0x43, 0xA7, 0xA8, 0xAA, 0xAB, 0xAC, 0xAD, 0xB4),
    3: (0x01, 0x44, 0xA6, *range(0xB6, 0xC8), 0xD0, 0xD3),
    4: (0x00, 0x10, 0x42, 0xA0, 0xA1, 0xA4, 0xF0),
    5: (0xB0,),
    6: (0x40, 0x8B, 0x8C),
    7: (0x8E, 0xA3),
    8: (0xB1, 0xB3),
    9: (0x8A,),
    10: (0x80, 0x81, 0x82, 0x83, 0x84, 0x86, 0x87),
    11: (0x85, 0x88, 0x8F),
    16: (0xB2, 0xB5),
}
WIDTHS = {code: width for width, codes in _WIDTHS.items() for code in codes} | {
    0x70 + n: 1 + 4 * (n + 1) for n in range(1, 13)
}
"""Bytes behind the code of each register of the 16-2; 71..7C are rows of two to thirteen earlier totals."""


def registers(data: bytes) -> dict[int, bytes]:
    """The registers of a 16-2 by code. Unsupported for a code of unknown width, BadValue if the last is cut off."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != _FILL:
        width = WIDTHS.get(data[at])
        if width is None:
            raise Unsupported(f"register {data[at]:02X} of an Apator 16-2 is not known")
        found[data[at]] = data[at + 1 : at + 1 + width]
        at += 1 + width
    if at > len(data) or data[at:].strip(b"\xff"):
        raise BadValue("the registers of the Apator 16-2 do not end where the telegram does")
    return found


def apator162(block: Block) -> list[Item]:
    """Behind 2F2F: one byte, date and faults (7 bytes), registers, filler FF, two bytes of check. Litres; days."""
    data = block.need(12)
    if not data.startswith(b"\x2f\x2f"):
        raise BadValue("no 2F2F before the registers of the Apator 16-2")
    found = registers(data[10:-2])
    if _TOTAL not in found:
        raise Unsupported("the Apator 16-2 sends no total in this telegram")
    items = [scaled("volume", word(found[_TOTAL], 0, 4), Unit.M3, -3)]
    return [*items, scaled("operating_time", word(found[_AGE], 0), Unit.D)] if _AGE in found else items


def _counted(block: Block, scaler: int) -> list[Item]:
    """18 bytes: the counter in four; the thirteenth is FF, an earlier counter the last four."""
    data = block.need(18)
    if len(data) != 18 or data[12] != _FILL or word(data, 14, 4) > word(data, 0, 4):
        raise BadValue("not the block of an Apator 08 or 17-2")
    return [thirds("volume", word(data, 0, 4), Unit.M3, scaler)]


def apator08(block: Block) -> list[Item]:
    """Three counts a litre."""
    return _counted(block, -3)


def apator172(block: Block) -> list[Item]:
    """Three counts a m3."""
    return _counted(block, 0)


_START = datetime(2000, 1, 1)  # noqa: DTZ001 - the meter's own clock, which has no zone
_FACTORY = Aes(bytes(16))
_CHECK = 0x2F


def apatorna1(block: Block) -> list[Item]:
    """Access number, flags and 16 bytes of AES-CBC (initialised as in mode 5); without a key that of the factory.

    In clear: 2F, total with its decade, clock in seconds since 2000, age and distance of an earlier total, states.
    """
    data = block.need(18)
    key = block.key or _FACTORY
    if len(data) != 18 or not isinstance(key, Aes):
        raise BadValue("the Apator NA-1 sends 16 bytes of AES, and needs such a key")
    plain = key.cbc_decrypt(block.address.octets + data[:1] * 8, data[2:])
    litres = 10 ** (plain[1] >> 4 & 3)
    total = (word(plain, 2, 3) << 4 | plain[1] & 15) * litres
    since = (word(plain, 11, 3) << 2 | plain[10] & 3) * litres
    clock = _START + timedelta(seconds=word(plain, 5, 4))
    if plain[0] != _CHECK or not 2010 <= clock.year <= 2080 or since > total:
        error = KeyMissing if block.key is None else WrongKey
        raise error("the key does not decrypt the telegram of the Apator NA-1")
    age = (plain[10] >> 2) << 8 | plain[9]
    return [
        scaled("volume", total, Unit.M3, -3),
        Item("time_point", clock.isoformat()),
        scaled("volume", total - since, Unit.M3, -3, storage=1),
        Item("time_point", (clock - timedelta(hours=age)).isoformat(), storage=1),
        scaled("age", age, Unit.H, storage=1),
        scaled("error_flags", plain[14], None),
        scaled("error_flags", plain[15], None, storage=1),
        scaled("state_flags", data[1], None),
    ]


def eitn(block: Block) -> list[Item]:
    """16 bytes, of which CI A0 is the first; behind CI B6 a head with its length stands before them."""
    data = bytes((block.ci,)) + block.data if block.ci == 0xA0 else block.data[1 + block.need(1)[0] :]
    if len(data) != 16:
        raise BadValue(f"the Apator E.ITN sends 16 bytes, not {len(data)}")
    opened = word(data, 6)
    return [
        scaled("hca", word(data, 8), Unit.HCA),
        scaled("hca", word(data, 4), Unit.HCA, storage=1),
        Item("time_point", packed_day(word(data, 10) & 0x3FFF)),
        Item("time_point", packed_day(be(data[:2]) & 0x3FFF), storage=1),
        *([Item("time_point", packed_day(opened & 0x3FFF), address="time_point:opened")] if opened else []),
        halved("external_temperature", word(data, 14), 8, Unit.DEG_C),
        halved("external_temperature", word(data, 12), 8, Unit.DEG_C, storage=1),
    ]


PAYLOADS: dict[Key, Own] = {
    ("APA", 0x05, 0x06): Own("Apator 16-2", apator162, None, (0x7A,)),
    ("APA", 0x05, 0x07): Own("Apator 16-2", apator162, None, (0x7A,)),
    ("APT", 0x0F, 0x0F): Own("Apator 08", apator08, None, (0xA0,)),
    ("APT", 0x04, 0x11): Own("Apator 17-2", apator172, Medium.WATER, (0xA0,)),
    ("APA", 0x14, 0x07): Own("Apator NA-1", apatorna1, None, range(0xA0, 0xA8)),
    ("APA", 0x04, 0x08): Own("Apator E.ITN 30", eitn, None, (0xA0, 0xB6)),
    ("APT", 0x04, 0x08): Own("Apator E.ITN 30", eitn, None, (0xA0, 0xB6)),
}
