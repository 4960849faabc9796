"""Makers with one format: BFW 240 radio (heat cost), Zenner 0B (water), Ei Electronics 6500 (smoke)."""

from __future__ import annotations

from metergate.bits import bcd, be
from metergate.errors import BadValue
from metergate.model import Unit
from metergate.wire.wmbus.makers.base import Block, Decode, Item, Key, Own, halved, real_day, scaled, word


def bfw240(block: Block) -> list[Item]:
    """Behind 2F2F, as known from telegrams: 38 bytes, counts high byte first, the last three the date in BCD.

    Set date's count (storage 1), running count (0), and from the end 18 month's ends (storage 2 and on), two in three
    bytes: the first takes the last byte, the second the first, and each half of the middle one as its high digit.
    """
    data = block.need(40)
    if not data.startswith(b"\x2f\x2f") or len(data) != 40:
        raise BadValue("not the block of a BFW 240 radio")
    today = bcd(data[37:40][::-1])
    if today is None:
        raise BadValue("the date of the BFW 240 radio has digits above 9")
    triples = [data[at : at + 3] for at in range(34, 9, -3)]
    months = [count for low, middle, high in triples for count in ((middle & 15) << 8 | high, middle >> 4 << 8 | low)]
    return [
        scaled("hca", be(data[6:8]), Unit.HCA),
        scaled("hca", be(data[4:6]), Unit.HCA, storage=1),
        *(
            scaled("hca", count, Unit.HCA, storage=n + 1, address="hca:month", notes=(f"month's end {n} back",))
            for n, count in enumerate(months, 1)
        ),
        Item("time_point", real_day(2000 + today // 10000, today // 100 % 100, today % 100)),
    ]


def zenner0b(block: Block) -> list[Item]:
    """13 bytes behind DIF 0F, as known from telegrams: the set date's total and today's, in 1/256 litre."""
    data = block.need(13)
    if len(data) != 13 or data[12] or word(data, 4, 4) > word(data, 8, 4):
        raise BadValue("not the block of a Zenner 0B")
    return [
        halved("volume", word(data, 8, 4), 8, Unit.M3, -3),
        halved("volume", word(data, 4, 4), 8, Unit.M3, -3, storage=1),
    ]


def ei6500(block: Block) -> list[Item]:
    """The state record of a smoke detector (VIF FF2C), as known from telegrams: dust in the low five bits."""
    if len(block.data) != 4:
        return []
    return [scaled("dust_level", block.data[0] & 0x1F, None), scaled("state_flags", word(block.data, 0, 4), None)]


PAYLOADS: dict[Key, Own] = {("BFW", 0x02, 0x08): Own("BFW 240 radio", bfw240, None, (0x7A,))}
TAILS: dict[Key, Decode] = {("ZRI", 0x0B, 0x16): zenner0b}
