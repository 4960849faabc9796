"""Server ids: ten octets `0A`, sector, three letters of the maker, block, number; or anything, shown as hex."""

from __future__ import annotations

import re
from functools import lru_cache

from metergate.errors import BadValue
from metergate.model import Medium, MeterIdentity

_TEXT = re.compile(r"([1-9E])([A-Z]{3})([0-9A-F]{2})(\d{8})")
_SECTORS: dict[int, Medium | None] = {
    1: Medium.ELECTRICITY,
    5: Medium.COOLING,
    6: Medium.HEAT,
    7: Medium.GAS,
    8: Medium.WATER,
    9: Medium.HOT_WATER,
    14: None,
}


@lru_cache(1024)
def identity(server: bytes) -> MeterIdentity:
    """Who a server id names. `id` is the printed form (`1EMH0005347102`) where it has one, else hex."""
    if len(server) != 10 or server[0] not in (9, 10) or not (server[2:5].isalpha() and server[2:5].isupper()):
        return MeterIdentity(server.hex())
    sector, maker, block, number = server[1], server[2:5].decode("ascii"), server[5], int.from_bytes(server[6:], "big")
    plain = server[0] == 10 and sector in _SECTORS and number <= 99_999_999
    text = f"{sector:X}{maker}{block:02X}{number:08d}" if plain else server.hex()
    return MeterIdentity(text, maker, _SECTORS.get(sector))


def server_id(text: str) -> bytes:
    """The octets of a printed id (`1EMH0005347102`, any case) or of hex. BadValue if it is neither."""
    found = _TEXT.fullmatch(text.strip().upper().removesuffix(".SM"))
    if found and int(found[1], 16) in _SECTORS:
        sector, maker, block, number = found.groups()
        head = bytes((10, int(sector, 16))) + maker.encode("ascii")
        return head + bytes.fromhex(block) + int(number).to_bytes(4, "big")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise BadValue(f"{text!r} is no server id: write 1EMH0005347102 or hex") from None
