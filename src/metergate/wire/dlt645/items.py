"""Data identifiers of DL/T 645-2007 as rules: what DI3 DI2 DI1 DI0 names and how it is laid out.

`item(di)` gives the fields of one item, `members(di)` the items of a block (an octet FF means "all of them").
Groups are computed, not listed: in an energy `00 xx tt ss`, xx is the group C of OBIS (plus 14H for each phase), tt the
tariff and ss the settlement, 0 for now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from metergate.model import Function, Obis, Unit
from metergate.wire.dlt645.values import Format

SETTLEMENTS = 12
TARIFFS = 63
PHASES = 3
HARMONICS = 21


@dataclass(frozen=True, slots=True)
class Field:
    """One value of an item; `format` as in `values`."""

    quantity: str
    format: str
    unit: Unit | None = None
    obis: Obis | None = None
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    function: Function = Function.INSTANTANEOUS
    parts: tuple[tuple[int, Obis], ...] = ()
    """Where there is no code: what the value is the sum of, `(sign, code)` each."""

    @property
    def layout(self) -> Format:
        """The parsed format."""
        return Format.parse(self.format)


Item = tuple[Field, ...]
MINUTE = "YYMMDDhhmm"
SECOND = "YYMMDDhhmmss"
COUNT = Field("count", "XXXXXX")
TOTAL_TIME = Field("total_time", "XXXXXX", Unit.MIN)
BEGIN, END = Field("begin", SECOND), Field("end", SECOND)
OPERATOR = Field("operator", "H*4")
REST = Field("record", "*")

# Group C of OBIS -> (what, unit of energy, unit of power, sign, has an OBIS code of its own)
KINDS: dict[int, tuple[str, Unit, Unit, bool, bool]] = {
    0x00: ("active combined", Unit.KWH, Unit.KW, True, False),
    0x01: ("active forward", Unit.KWH, Unit.KW, False, True),
    0x02: ("active reverse", Unit.KWH, Unit.KW, False, True),
    0x03: ("reactive combined 1", Unit.KVARH, Unit.KVAR, True, False),
    0x04: ("reactive combined 2", Unit.KVARH, Unit.KVAR, True, False),
    0x05: ("reactive quadrant 1", Unit.KVARH, Unit.KVAR, False, True),
    0x06: ("reactive quadrant 2", Unit.KVARH, Unit.KVAR, False, True),
    0x07: ("reactive quadrant 3", Unit.KVARH, Unit.KVAR, False, True),
    0x08: ("reactive quadrant 4", Unit.KVARH, Unit.KVAR, False, True),
    0x09: ("apparent forward", Unit.KVAH, Unit.KVA, False, True),
    0x0A: ("apparent reverse", Unit.KVAH, Unit.KVA, False, True),
}
COMBINED = {0x00: (1, 2), 0x03: (5, 6), 0x04: (7, 8)}
"""Combined energies as sums of others: what meters are set to when they come; a setting of the meter."""
SPECIAL_ENERGY = (
    "associated",
    "active forward fundamental",
    "active reverse fundamental",
    "active forward harmonic",
    "active reverse harmonic",
    "copper loss compensation",
    "iron loss compensation",
)
PREPAID: dict[tuple[int, int], Item] = {
    (1, 0): (Field("remaining energy", "XXXXXX.XX", Unit.KWH),),
    (1, 1): (Field("overdraft energy", "XXXXXX.XX", Unit.KWH),),
    (2, 0): (Field("remaining money", "XXXXXX.XX", Unit.YUAN),),
    (2, 1): (Field("overdraft money", "XXXXXX.XX", Unit.YUAN),),
}
# DI2 -> (quantity, format, unit, group C of the total or None, first phase: 0 with a total, 1 without)
VARIABLES: dict[int, tuple[str, str, Unit | None, int | None, int]] = {
    0x01: ("voltage", "XXX.X", Unit.V, 12, 1),
    0x02: ("current", "-XXX.XXX", Unit.A, 11, 1),
    0x03: ("active power", "-XX.XXXX", Unit.KW, 16, 0),
    0x04: ("reactive power", "-XX.XXXX", Unit.KVAR, None, 0),
    0x05: ("apparent power", "-XX.XXXX", Unit.KVA, 9, 0),
    0x06: ("power factor", "-X.XXX", None, 13, 0),
    0x07: ("phase angle", "XXX.X", Unit.DEG, None, 1),
    0x08: ("voltage distortion", "XX.XX", Unit.PERCENT, None, 1),
    0x09: ("current distortion", "XX.XX", Unit.PERCENT, None, 1),
    0x0A: ("voltage harmonic", "XX.XX", Unit.PERCENT, None, 1),
    0x0B: ("current harmonic", "XX.XX", Unit.PERCENT, None, 1),
}


def _phase(octet: int, step: int = 0x14) -> tuple[int, int]:
    """`(kind, phase)` of an octet that counts kinds within phases; phase 0 is the total."""
    return octet % step, octet // step


@lru_cache(8192)
def item(di: int) -> Item | None:
    """The fields of item `di`, in wire order; None where the rules name none (blocks: see `members`)."""
    d3, d2, d1, d0 = di.to_bytes(4, "big")
    maker = _FAMILIES.get(d3)
    return maker(d2, d1, d0) if maker else None


def _energy(d2: int, d1: int, d0: int) -> Item | None:
    if d2 == 0x90:
        return PREPAID.get((d1, d0))
    if d1 > TARIFFS or d0 > SETTLEMENTS:
        return None
    if d2 >= 0x80:
        kind, phase = _phase(d2 - 0x80)
        if kind >= len(SPECIAL_ENERGY) or phase > PHASES:
            return None
        return (Field(f"energy {SPECIAL_ENERGY[kind]}", "XXXXXX.XX", Unit.KWH, None, d0, d1, phase),)
    kind, phase = _phase(d2)
    if kind not in KINDS or phase > PHASES or (phase and not kind):
        return None
    what, unit, _, signed, known = KINDS[kind]
    obis = Obis(1, 0, d2, 8, d1, d0 or 255) if known else None
    parts = tuple((1, Obis(1, 0, c + 20 * phase, 8, d1)) for c in COMBINED.get(kind, ()))
    form = "-XXXXXX.XX" if signed else "XXXXXX.XX"
    return (Field(f"energy {what}", form, unit, obis, d0, d1, phase, parts=parts),)


def _demand(d2: int, d1: int, d0: int) -> Item | None:
    kind, phase = _phase(d2)
    if d1 > TARIFFS or d0 > SETTLEMENTS or kind not in KINDS or not kind or phase > PHASES:
        return None
    what, _, unit, signed, known = KINDS[kind]
    obis = Obis(1, 0, d2, 6, d1, d0 or 255) if known else None
    form = "-XX.XXXX" if signed else "XX.XXXX"
    value = Field(f"demand {what}", form, unit, obis, d0, d1, phase, Function.MAXIMUM)
    return value, replace(value, quantity="time_point", format=MINUTE, unit=None, obis=None)


def _variable(d2: int, d1: int, d0: int) -> Item | None:
    if d2 == 0x80:
        return _EXTRA.get((d1, d0))
    if d2 not in VARIABLES:
        return None
    quantity, form, unit, c, first = VARIABLES[d2]
    harmonic = d2 in (0x0A, 0x0B)
    if not first <= d1 <= PHASES or not (1 <= d0 <= HARMONICS if harmonic else d0 == 0):
        return None
    obis = None if c is None else Obis(1, 0, c + 20 * d1, 7, 0)
    parts = ((1, Obis(1, 0, 3 + 20 * d1, 7, 0)), (-1, Obis(1, 0, 4 + 20 * d1, 7, 0))) if d2 == 4 else ()
    return (Field(quantity, form, unit, obis, subunit=d1, parts=parts),)


def _event(d2: int, d1: int, d0: int) -> Item | None:
    if d2 == 0x30:
        return _operation(d1, d0)
    if d2 == 0x10 and d1 <= PHASES and d0 <= SETTLEMENTS:
        return Field("monitored time", "XXXXXX", Unit.MIN), REST
    if d0 == 0 and d1 == 0:
        return _EVENT_COUNTS.get(d2)
    single, phased = d2 in (5, 6, 7, 8, 9, 0x0A, 0x11), d2 in (1, 2, 3, 4, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F)
    if not 1 <= d0 <= 10 or not ((single and d1 == 0) or (phased and 1 <= d1 <= 3) or (d2 == 0x12 and 1 <= d1 <= 6)):
        return None
    return (BEGIN, Field("current", "-XXX.XXX", Unit.A), END) if d2 == 5 else (BEGIN, END, REST)


def _operation(d1: int, d0: int) -> Item | None:
    """Programming, clearing, clock setting, covers: a count, then records of who did it and when."""
    if d1 > 0x0E or d0 > 10:
        return None
    if d0 == 0:
        return (COUNT,)
    if d1 == 4:
        return OPERATOR, Field("clock before", SECOND), Field("clock after", SECOND)
    return (BEGIN, END, REST) if d1 in (0x0D, 0x0E) else (BEGIN, OPERATOR, REST)


def _parameter(d2: int, d1: int, d0: int) -> Item | None:
    if d2 in (1, 2) and d1 == 0 and d0 <= 8:
        return (Field("schedule", "*"),)
    if d2 == 3 and d1 == 0 and 1 <= d0 <= 254:
        return (Field("holiday", "NNNNNNNN"),)
    return PARAMETERS.get((d2, d1, d0))


def _freeze(d2: int, d1: int, d0: int) -> Item | None:
    """`05 kk xx nn`: freeze kind kk, what xx as in the other groups, the nn-th last one."""
    if d2 > 7:
        return None
    if d1 == 0:
        return (Field("freeze time", MINUTE, storage=d0, subunit=d2 + 1),)
    return None


def _frozen(d2: int, d1: int, d0: int) -> Iterator[tuple[int, Item]]:
    """The fields of a freeze block: total and tariffs, or the powers of total and phases."""
    code = 0x05 << 24 | d2 << 16 | d1 << 8 | d0
    source = (0x0000 if d1 <= 8 else 0x0100) | (d1 if d1 <= 8 else d1 - 8)
    if d1 == 0x10:
        dis = [0x02000000 | kind << 16 | phase << 8 for kind in (3, 4) for phase in range(4)]
    else:
        dis = [source << 16 | tariff << 8 for tariff in range(TARIFFS + 1)]
    for di in dis:
        if fields := item(di):
            yield code, tuple(replace(field, storage=d0, subunit=d2 + 1) for field in fields)


def _switching(d2: int, d1: int, d0: int) -> Item | None:
    """Relay operations: 1D trips, 1E closes; their count, then records."""
    if (d2, d1) != (0, 0) or not 1 <= d0 <= 11:
        return None
    return (COUNT,) if d0 == 1 else (BEGIN, OPERATOR, REST)


_FAMILIES = {
    0x00: _energy,
    0x01: _demand,
    0x02: _variable,
    0x03: _event,
    0x04: _parameter,
    0x05: _freeze,
    0x1D: _switching,
    0x1E: _switching,
}


def members(di: int) -> Iterator[tuple[int, Item]]:
    """`(identifier, fields)` of every item that `di` can name, in wire order: one, or those of a block."""
    octets = di.to_bytes(4, "big")
    d3, d2, d1, d0 = octets
    if d3 == 0x05 and d2 <= 7 and (1 <= d1 <= 0x0A or d1 == 0x10):
        yield from _frozen(d2, d1, d0)
        return
    at = next((at for at in (2, 3, 1) if octets[at] == 0xFF), None)
    if at is None:
        if fields := item(di):
            yield di, fields
        return
    shift = 8 * (3 - at)
    for value in range(0xFF):
        code = di & ~(0xFF << shift) | value << shift
        if fields := item(code):
            yield code, fields


def _table(text: str) -> dict[tuple[int, int, int], Item]:
    """Lines `DI2 DI1 DI0[-DI0] quantity format [unit]`, numbers in hex, blanks in names as `_`."""
    found: dict[tuple[int, int, int], Item] = {}
    for line in text.strip().splitlines():
        d2, d1, span, quantity, form, *unit = line.split()
        low, _, high = span.partition("-")
        field = Field(quantity.replace("_", " "), form, Unit(unit[0]) if unit else None)
        for d0 in range(int(low, 16), int(high or low, 16) + 1):
            found[int(d2, 16), int(d1, 16), d0] = (field,)
    return found


PARAMETERS = _table("""
00 01 02 time hhmmss
00 01 03 demand_period XX min
00 01 04 demand_slide XX min
00 01 05 pulse_width XXXX
00 01 06 zone_tables_switch YYMMDDhhmm
00 01 07 day_tables_switch YYMMDDhhmm
00 02 01 year_zones XX
00 02 02 day_tables XX
00 02 03 day_slots XX
00 02 04 tariffs XX
00 02 05 holidays XXXX
00 02 06 harmonics XX
00 03 01 display_pages XX
00 03 02 display_time XX s
00 03 03 display_decimals_of_energy XX
00 03 04 display_decimals_of_power XX
00 03 05 display_pages_by_key XX
00 04 01 address NNNNNNNNNNNN
00 04 02 meter_number NNNNNNNNNNNN
00 04 03 asset_number A*32
00 04 04 rated_voltage A*6
00 04 05 rated_current A*6
00 04 06 maximum_current A*6
00 04 07 class_of_active A*4
00 04 08 class_of_reactive A*4
00 04 09 active_constant XXXXXX
00 04 0a reactive_constant XXXXXX
00 04 0b meter_model A*10
00 04 0c production_date A*10
00 04 0d protocol_version A*16
00 05 01-07 status_word H*2
00 06 01-03 combination_word H*1
00 07 01-05 baud_word H*1
00 08 01 weekend_word H*1
00 08 02 weekend_day_table XX
00 09 01-02 record_mode H*1
00 0a 01 load_record_start NNNNNNNN
00 0a 02-07 load_record_interval XXXX min
00 0b 01-03 settlement_day NNNN
00 0c 01-0a password S*4
00 0d 01-0c line_coefficient X.XXX
00 0e 01-02 power_limit XX.XXXX kW
00 0e 03-04 voltage_limit XXX.X V
""") | {(0, 1, 1): (Field("weekday", "XX"), Field("date", "YYMMDD"))}
_EXTRA: dict[tuple[int, int], Item] = {
    (0, 1): (Field("neutral current", "-XXX.XXX", Unit.A, Obis(1, 0, 91, 7, 0)),),
    (0, 2): (Field("frequency", "XX.XX", Unit.HZ, Obis(1, 0, 14, 7, 0)),),
    (0, 3): (Field("mean active power of a minute", "-XX.XXXX", Unit.KW),),
    (0, 4): (Field("active demand", "-XX.XXXX", Unit.KW),),
    (0, 5): (Field("reactive demand", "-XX.XXXX", Unit.KVAR),),
    (0, 6): (Field("apparent demand", "-XX.XXXX", Unit.KVA),),
    (0, 7): (Field("temperature", "-XXX.X", Unit.DEG_C),),
    (0, 8): (Field("clock battery voltage", "XX.XX", Unit.V),),
    (0, 9): (Field("backup battery voltage", "XX.XX", Unit.V),),
    (0, 10): (Field("battery operating time", "X" * 8, Unit.MIN),),
}
_EVENT_COUNTS: dict[int, Item] = (
    dict.fromkeys((1, 2, 3, 4, 11, 12, 13, 14, 15), (COUNT, TOTAL_TIME) * PHASES)
    | dict.fromkeys((5, 6, 7, 8, 9, 10), (COUNT, TOTAL_TIME))
    | {0x11: (COUNT,), 0x12: (COUNT,) * 6}
)
