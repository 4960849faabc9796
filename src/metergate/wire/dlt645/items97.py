"""Data identifiers of DL/T 645-1997 (two octets DI1 DI0) as rules, in the shape of `items`.

`90xx` active and `91xx` reactive energy now, `94xx 95xx` of the last month, `98xx 99xx` of the month before; the low
nibble is the tariff (F: a block of total and tariffs). `B6xx` are momentary values, `C0xx` parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from metergate.model import Obis, Unit
from metergate.wire.dlt645.items import KINDS, PHASES, Field, Item

# high octet (without the month) and high nibble of the low one -> group C of OBIS, or None
ENERGIES: dict[tuple[int, int], int] = {
    (0x90, 1): 1,
    (0x90, 2): 2,
    (0x91, 1): 3,
    (0x91, 2): 4,
    (0x91, 3): 5,
    (0x91, 4): 8,
    (0x91, 5): 6,
    (0x91, 6): 7,
}
VARIABLES: dict[int, tuple[str, str, Unit | None, int | None, int]] = {
    1: ("voltage", "XXXX", Unit.V, 12, 1),
    2: ("current", "XX.XX", Unit.A, 11, 1),
    3: ("active power", "XX.XXXX", Unit.KW, 16, 0),
    4: ("reactive power", "XX.XX", Unit.KVAR, None, 0),
    5: ("power factor", "X.XXX", None, 13, 0),
}
PARAMETERS: dict[int, Item] = {
    0xC010: (Field("weekday", "XX"), Field("date", "YYMMDD")),
    0xC011: (Field("time", "hhmmss"),),
    0xC032: (Field("meter number", "N" * 12),),
    0xC034: (Field("device number", "N" * 12),),
}


@lru_cache(1024)
def item(di: int) -> Item | None:
    """The fields of item `di`; None where the rules name none."""
    high, low = divmod(di, 256)
    kind, last = divmod(low, 16)
    if high == 0xB6:
        return _variable(kind, last)
    month, rest = divmod(high - 0x90, 4) if 0x90 <= high <= 0x99 else (0, -1)
    c = ENERGIES.get((0x90 + rest, kind))
    if c is None or last > 0xE:
        return PARAMETERS.get(di)
    what, unit, _, _, known = KINDS[c]
    obis = Obis(1, 0, c, 8, last, month or 255) if known else None
    return (Field(f"energy {what}", "XXXXXX.XX", unit, obis, month, last),)


def _variable(kind: int, phase: int) -> Item | None:
    if kind not in VARIABLES:
        return None
    quantity, form, unit, c, first = VARIABLES[kind]
    if not first <= phase <= PHASES:
        return None
    return (Field(quantity, form, unit, None if c is None else Obis(1, 0, c + 20 * phase, 7, 0), subunit=phase),)


def members(di: int) -> Iterator[tuple[int, Item]]:
    """`(identifier, fields)` of the one item, or of the block (low nibble F), in wire order."""
    codes = (di & 0xFFF0 | last for last in range(15)) if di & 0xF == 0xF else (di,)
    for code in codes:
        if fields := item(code):
            yield code, fields
