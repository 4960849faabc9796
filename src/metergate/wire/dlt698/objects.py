"""Which object attribute (OAD) means what: quantity, unit, scale and OBIS code, computed from groups (DL/T 698.45).

An OAD is `OI(2) attribute index`: energies `0kkp`, demands `1kkp` (kind kk as in DL/T 645, phase p), momentary values
`20xx`, parameters `4xxx`, freezes `5xxx`, events `3xxx`. Index 0 is the whole array, n its n-th element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from metergate.model import Function, Obis, Register, Unit
from metergate.wire.dlt645.items import KINDS

TARIFFS, TOTAL_PHASES, PHASES, ONE = "tariffs", "total and phases", "phases", "one"
"""What the elements of an array are."""
VALUE, FINE = 2, 4
"""Attributes of a register: its value, and the same with two more digits."""
CLOCK, CLOCK_MODE, ADDRESS, METER_NUMBER = 0x40000200, 0x40000300, 0x40010200, 0x40020200
FROZEN_AT, EVENT_BEGIN, EVENT_END, EVENT_NUMBER = 0x20210200, 0x201E0200, 0x20200200, 0x20220200
STAMPS = (FROZEN_AT, EVENT_BEGIN)
"""Columns that tell when a row happened."""
AT_ONCE, MINUTE, HOUR, DAY, SETTLEMENT, MONTH = 0x5000, 0x5002, 0x5003, 0x5004, 0x5005, 0x5006
"""Freezes: tables of what stood in the registers at these times."""
PERIODS = {0x5002: 900, 0x5003: 3600, 0x5004: 86400}
"""Freezes with a fixed period, in seconds; that of the minute freeze is what the meter is set to."""
EVENTS = {
    0x3000: "VOLTAGE_LOST",
    0x3001: "UNDERVOLTAGE",
    0x3002: "OVERVOLTAGE",
    0x3003: "PHASE_BROKEN",
    0x3004: "CURRENT_LOST",
    0x3005: "OVERCURRENT",
    0x3006: "CURRENT_BROKEN",
    0x3007: "POWER_REVERSED",
    0x3008: "OVERLOAD",
    0x300D: "ALL_VOLTAGES_LOST",
    0x300F: "VOLTAGE_SEQUENCE",
    0x3010: "CURRENT_SEQUENCE",
    0x3011: "POWER_DOWN",
    0x3012: "PROGRAMMED",
    0x3013: "CLEARED",
    0x3014: "DEMAND_CLEARED",
    0x3015: "EVENTS_CLEARED",
    0x3016: "CLOCK_SET",
    0x301B: "COVER_OPENED",
    0x301C: "TERMINAL_COVER_OPENED",
    0x301F: "RELAY_OPENED",
    0x3020: "RELAY_CLOSED",
}
"""Objects of events; beyond 3011 and 3016 the numbers are to be checked per meter."""
DARS = {
    0: "done",
    1: "hardware fault",
    2: "temporary failure",
    3: "denied",
    4: "undefined",
    5: "interface class inconsistent",
    6: "not there",
    7: "type unmatched",
    8: "out of range",
    9: "block unavailable",
    10: "transfer aborted",
    255: "other",
}
"""Data access results; their texts beyond 0, 1, 3, 4 and 255 are to be checked per meter."""


@dataclass(frozen=True, slots=True)
class Item:
    """What an attribute holds. `c` is group C of OBIS of its total (or of phase 1 less 20), None without a code."""

    quantity: str
    unit: Unit | None
    decimals: int
    members: str
    c: int | None = None
    d: int = 7
    phase: int = 0
    function: Function = Function.INSTANTANEOUS


MOMENTARY: dict[int, Item] = {
    0x2000: Item("voltage", Unit.V, 1, PHASES, 12),
    0x2001: Item("current", Unit.A, 3, PHASES, 11),
    0x2002: Item("voltage angle", Unit.DEG, 1, PHASES),
    0x2003: Item("current angle", Unit.DEG, 1, PHASES),
    0x2004: Item("active power", Unit.W, 1, TOTAL_PHASES, 16),
    0x2005: Item("reactive power", Unit.VAR, 1, TOTAL_PHASES),
    0x2006: Item("apparent power", Unit.VA, 1, TOTAL_PHASES, 9),
    0x200A: Item("power factor", None, 3, TOTAL_PHASES, 13),
    0x200B: Item("voltage distortion", Unit.PERCENT, 2, PHASES),
    0x200C: Item("current distortion", Unit.PERCENT, 2, PHASES),
    0x200F: Item("frequency", Unit.HZ, 2, ONE, 14),
    0x2010: Item("temperature", Unit.DEG_C, 1, ONE),
    0x2011: Item("clock battery voltage", Unit.V, 2, ONE),
    0x2012: Item("backup battery voltage", Unit.V, 2, ONE),
    0x2013: Item("battery operating time", Unit.MIN, 0, ONE),
    0x2017: Item("active demand", Unit.KW, 4, ONE),
    0x2018: Item("reactive demand", Unit.KVAR, 4, ONE),
    0x2019: Item("apparent demand", Unit.KVA, 4, ONE),
}
NEUTRAL = Item("neutral current", Unit.A, 3, ONE, 91)
NAMED = {
    CLOCK: "clock",
    CLOCK_MODE: "clock mode",
    ADDRESS: "address",
    METER_NUMBER: "meter number",
    0x40030200: "customer number",
    FROZEN_AT: "time_point",
    EVENT_BEGIN: "event begin",
    EVENT_END: "event end",
    EVENT_NUMBER: "event number",
    0x20140200: "status words",
    0x41000200: "demand period",
    0x41010200: "demand slide",
    0x41030200: "asset number",
    0x410B0200: "meter model",
    0x80000300: "relay state",
    0x80000500: "order state",
}
"""Attributes that are no registers, by their names."""


@lru_cache(4096)
def item(oad: int) -> Item | None:
    """What attribute `oad` holds, whatever its index; None for what is no register."""
    oi, attribute = oad >> 16, oad >> 8 & 0x1F
    group, kind, phase = oi >> 12, oi >> 4 & 0xFF, oi & 0xF
    if oi in MOMENTARY and attribute == VALUE:
        return MOMENTARY[oi]
    if oi == 0x2001 and attribute == FINE:
        return NEUTRAL
    if group > 1 or kind not in KINDS or phase > 3 or (phase and not kind):
        return None
    what, energy, power, _, known = KINDS[kind]
    c = kind + 20 * phase if known else None
    if group == 0 and attribute in (VALUE, FINE):
        return Item(f"energy {what}", energy, 2 if attribute == VALUE else 4, TARIFFS, c, 8, phase)
    if group == 1 and attribute == VALUE and kind:
        return Item(f"demand {what}", power, 4, TARIFFS, c, 6, phase, Function.MAXIMUM)
    return None


def element(oad: int, place: int) -> int:
    """Which element of the array `place` (0...) in an answer to `oad` is, counted from 0."""
    index = oad & 0xFF
    return index - 1 + place if index else place


@lru_cache(16384)
def register(meter: str, oad: int, place: int = 0) -> Register:
    """The register at `place` in the value of `oad` of a meter."""
    found, number = item(oad), element(oad, place)
    address = f"{oad:08x}" + (f".{place}" if place else "")
    if found is None:
        return Register(meter, None, NAMED.get(oad), None, 0, address=address)
    if found.members == TARIFFS:
        obis = None if found.c is None else Obis(1, 0, found.c, found.d, number)
        phase, tariff = found.phase, number
    else:
        phase, tariff = {PHASES: number + 1, TOTAL_PHASES: number}.get(found.members, 0), 0
        obis = None if found.c is None or phase > 3 else Obis(1, 0, found.c + 20 * phase, found.d, 0)
    return Register(meter, obis, found.quantity, found.unit, -found.decimals, 0, tariff, phase, found.function, address)


def oad_of(obis: Obis) -> int | None:
    """The attribute that holds a code, as `register` gives it; None where there is none."""
    for oi, found in MOMENTARY.items():
        for phase in range(4) if found.c is not None and obis.d == 7 else ():
            if found.c is not None and obis.c == found.c + 20 * phase and obis.e == 0:
                place = phase if found.members == TOTAL_PHASES else phase - 1
                if found.members != ONE and place >= 0:
                    return oi << 16 | VALUE << 8 | place + 1
                if found.members == ONE and not phase:
                    return oi << 16 | VALUE << 8
    kind, phase = obis.c % 20, obis.c // 20
    if obis.d in (6, 8) and kind in KINDS and KINDS[kind][4] and phase <= 3:
        return (0x1000 * (obis.d == 6) | kind << 4 | phase) << 16 | VALUE << 8 | obis.e + 1
    return None


def dar_text(dar: int) -> str:
    """What a data access result says."""
    return DARS.get(dar, f"result {dar}")
