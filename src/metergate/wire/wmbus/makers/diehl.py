"""Diehl PRIOS: radio of IZAR water meters (Sappel, Hydrometer, Diehl).

Makers' format, as known from telegrams: three bytes in clear (alarms, sending interval, battery), and from the fifth
byte behind the CI on a stream that a 32-bit shift register makes. Its seed is a key that all meters share, mixed with
the sender's address, the CI and the three bytes behind it. The first byte in clear is 4BH.
"""

from __future__ import annotations

from metergate.bits import be
from metergate.errors import BadValue, WrongKey
from metergate.model import Medium, Unit
from metergate.wire.wmbus.makers.base import Block, Item, Key, Own, day, scaled, word

KEYS = (0x39BC8A10 ^ 0xE66D83F8, 0x51728910 ^ 0xE66D83F8)
"""The two keys that the makers set: part of the format, the same in all meters."""
CHECK = 0x4B
_CLEAR = 15
"""Where the stream begins in the telegram."""
_TAPS = (31, 11, 2, 1)
_ALARMS = (
    (0x80_00_00, "general alarm"),
    (0x00_80_00, "leakage"),
    (0x00_40_00, "leakage before"),
    (0x00_20_00, "meter blocked"),
    (0x00_00_80, "back flow"),
    (0x00_00_40, "underflow"),
    (0x00_00_20, "overflow"),
    (0x00_00_10, "submerged"),
    (0x00_00_08, "sensor fraud"),
    (0x00_00_04, "sensor fraud before"),
    (0x00_00_02, "mechanical fraud"),
    (0x00_00_01, "mechanical fraud before"),
)


def stream(telegram: bytes, key: int) -> bytes:
    """What stands behind the clear bytes, deciphered with `key`; `telegram` as it was sent, from its L field on."""
    state = key ^ be(telegram[2:6]) ^ be(telegram[6:10]) ^ be(telegram[10:14])
    plain = bytearray()
    for octet in telegram[_CLEAR:]:
        for _ in range(8):
            bit = sum(state >> tap for tap in _TAPS) & 1
            state = (state << 1 | bit) & 0xFFFFFFFF
        plain.append(octet ^ state & 0xFF)
    return bytes(plain)


def prios(block: Block) -> list[Item]:
    """The total in litres and, in longer telegrams, that of the last month's end with its date.

    WrongKey if none of the known keys gives the check byte; BadValue for a month's end that cannot be.
    """
    block.need(9)
    if block.telegram[10:11] != bytes((block.ci,)):
        raise BadValue("PRIOS follows the link layer without a layer between")
    plain = next((found for key in KEYS if (found := stream(block.telegram, key))[0] == CHECK), None)
    if plain is None:
        raise WrongKey("none of the keys of PRIOS gives its check byte")
    head = block.telegram[11:14]
    alarms = be(head) & 0x80_E0_FF
    total = word(plain, 1, 4)
    return [
        scaled("volume", total, Unit.M3, -3),
        *(_month(plain, total, back=bool(alarms & 0x80)) if len(plain) >= 11 else ()),
        scaled("remaining_battery", (head[1] & 31) * 5, Unit.Y, -1),
        scaled("transmission_interval", 1 << (head[0] & 15) + 2, Unit.S),
        scaled("error_flags", alarms, None, notes=tuple(name for bit, name in _ALARMS if alarms & bit)),
    ]


def _month(plain: bytes, total: int, *, back: bool) -> list[Item]:
    end = day(plain[9:11], storage=1)
    before = word(plain, 5, 4)
    if end.value is None and plain[9:11] not in (b"\0\0", b"\xff\xff"):
        raise BadValue(f"the month's end is {end.reason}")
    if before > total and not back:
        raise BadValue("the month's end is above the total, and no back flow")
    return [scaled("volume", before, Unit.M3, -3, storage=1), end]


_CIS = range(0xA0, 0xA8)
PAYLOADS: dict[Key, Own] = {
    ("SAP", None, None): Own("Diehl PRIOS", prios, Medium.WATER, _CIS),
    ("HYD", None, None): Own("Diehl PRIOS", prios, None, _CIS),
    ("DME", None, None): Own("Diehl PRIOS", prios, None, _CIS),
}
"""Sappel puts letters of the printed number where version and device type belong."""
