"""Data identifiers of DL/T 645-1997 (two octets DI1 DI0) as rules, in the shape of `items`.

`90xx` active and `91xx` reactive energy now, `94xx 95xx` of the last month, `98xx 99xx` of the month before; the low
nibble is the tariff (F: a block of total and tariffs). `A0xx A1xx` are maximum demands, `B0xx B1xx` when they occurred,
with the months as for energies. `B2xx` tell of programming, `B3xx` of lost phases, `B6xx` are momentary values, `C0xx`
to `C4xx` parameters. What stands beyond energies, B6xx, C010, C011, C032 and C034 is to be checked per meter.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from metergate.model import Function, Obis, Unit
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
DEMAND, DEMAND_TIME = 0xA0, 0xB0


def _table(text: str) -> dict[int, Item]:
    """Lines `DI[-DI] quantity format [unit]`, numbers in hex, blanks in names as `_`."""
    found: dict[int, Item] = {}
    for line in text.strip().splitlines():
        span, quantity, form, *unit = line.split()
        low, _, high = span.partition("-")
        for di in range(int(low, 16), int(high or low, 16) + 1):
            found[di] = (Field(quantity.replace("_", " "), form, Unit(unit[0]) if unit else None),)
    return found


PARAMETERS: dict[int, Item] = _table("""
B210 last_programming NNNNNNNN
B211 last_clearing_of_demand NNNNNNNN
B212 times_programmed XXXX
B213 times_demand_cleared XXXX
B214 battery_operating_time XXXXXX min
B310-B313 phase_losses XXXX
B320-B323 time_of_phase_losses XXXXXX min
B330-B333 begin_of_last_phase_loss NNNNNNNN
B340-B343 end_of_last_phase_loss NNNNNNNN
C011 time hhmmss
C020 meter_status H*1
C021 grid_status H*1
C022 weekend_word H*1
C030 active_constant XXXXXX
C031 reactive_constant XXXXXX
C032 meter_number NNNNNNNNNNNN
C033 customer_number NNNNNNNNNNNN
C034 device_number NNNNNNNNNNNN
C111 demand_period XX min
C112 demand_slide XX min
C113 display_time XX s
C114 display_pages XX
C115 display_decimals XX
C116 display_pages_by_key XX
C117 reading_day NNNN
C211 pulse_width XXXX
C212 password S*4
C310 year_zones XX
C311 day_tables XX
C312 day_slots XX
C313 tariffs XX
C314 holidays XX
C321-C32E zone NNNNNN
C331-C33E slot_of_table_1 NNNNNN
C341-C34E slot_of_table_2 NNNNNN
C351-C35E slot_of_table_3 NNNNNN
C361-C36E slot_of_table_4 NNNNNN
C371-C37E slot_of_table_5 NNNNNN
C381-C38E slot_of_table_6 NNNNNN
C391-C39E slot_of_table_7 NNNNNN
C3A1-C3AE slot_of_table_8 NNNNNN
C411-C41D holiday NNNNNN
""") | {0xC010: (Field("weekday", "XX"), Field("date", "YYMMDD"))}


@lru_cache(1024)
def item(di: int) -> Item | None:
    """The fields of item `di`; None where the rules name none."""
    high, low = divmod(di, 256)
    kind, last = divmod(low, 16)
    if high == 0xB6:
        return _variable(kind, last)
    if high >> 4 in (0xA, 0xB) and high & 0xF in (0, 1, 4, 5, 8, 9):
        return _demand(high, kind, last)
    month, rest = divmod(high - 0x90, 4) if 0x90 <= high <= 0x99 else (0, -1)
    c = ENERGIES.get((0x90 + rest, kind))
    if c is None or last > 0xE:
        return PARAMETERS.get(di)
    what, unit, _, _, known = KINDS[c]
    obis = Obis(1, 0, c, 8, last, month or 255) if known else None
    return (Field(f"energy {what}", "XXXXXX.XX", unit, obis, month, last),)


def _demand(high: int, kind: int, tariff: int) -> Item | None:
    """A maximum demand (A.xx), or when it occurred (B.xx: month, day, hour, minute)."""
    month, rest = divmod(high & 0xF, 4)
    c = ENERGIES.get((0x90 + rest, kind))
    if c is None or tariff > 0xE:
        return None
    what, _, unit, _, known = KINDS[c]
    obis = Obis(1, 0, c, 6, tariff, month or 255) if known else None
    if high >> 4 == 0xB:
        return (Field("time_point", "NNNNNNNN", None, None, month, tariff, function=Function.MAXIMUM),)
    return (Field(f"demand {what}", "XX.XXXX", unit, obis, month, tariff, function=Function.MAXIMUM),)


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
