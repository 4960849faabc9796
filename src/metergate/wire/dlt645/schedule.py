"""Tariff calendars of DL/T 645-2007: year zones, day tables, rest days, and the switch to the set that was written.

A meter has two sets (0401, 0402): one counts, the other waits for its switching time. A year zone is the number of a
day table and the month and day from which it counts, a slot of a day table a tariff and the time from which it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from metergate.errors import BadValue, Refused, Unsupported
from metergate.model.command import Season, SetTariffTable, Switching
from metergate.wire.base import Dialogue
from metergate.wire.dlt645.dialogue import AUTHORITY, LINE, STATUS_WORD_3, Authority, Line, payload, write
from metergate.wire.dlt645.values import Format

SETS = (0x04010000, 0x04020000)
ZONE_COUNT, TABLE_COUNT, SLOT_COUNT, TARIFF_COUNT = 0x04000201, 0x04000202, 0x04000203, 0x04000204
ZONE_SWITCH, TABLE_SWITCH = 0x04000106, 0x04000107
REST_DAYS, REST_TABLE = 0x04000801, 0x04000802
MOST_ZONES = MOST_SLOTS = 14
MOST_TABLES = 8
WORKDAYS = 0x7F
"""Rest-day word: bit 0 Sunday ... bit 6 Saturday; 1 works, 0 rests (to be checked per meter)."""
SECOND_SET = 0x0001
"""Bit of status word 3: the second set counts."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a set says. `rest`: the weekdays (0 Monday ... 6 Sunday) that follow day table `rest_table` all the year."""

    days: tuple[tuple[Switching, ...], ...]
    zones: tuple[tuple[int, int, int], ...]
    """`(month, day, number of the day table)`, in the order of the year."""
    rest: tuple[int, ...] = ()
    rest_table: int = 1

    @classmethod
    def of(cls, order: SetTariffTable) -> Calendar:
        """From an order. Unsupported where its weeks differ in a way that rest days cannot tell; BadValue if empty."""
        tables = len(order.days)
        seasons = order.seasons or ((Season(1, 1, (1,) * 7),) if tables else ())
        used = {number for season in seasons for number in season.week}
        if not 1 <= tables <= MOST_TABLES or len(seasons) > MOST_ZONES or not used <= set(range(1, tables + 1)):
            raise BadValue(
                f"{tables} day tables, {len(seasons)} seasons: 1 to 8 and 1 to 14, and numbers of tables there"
            )
        if any(not 1 <= len(day) <= MOST_SLOTS for day in order.days):
            raise BadValue("a day table has 1 to 14 switchings")
        odd = {tuple(day for day in range(7) if season.week[day] != season.week[0]) for season in seasons}
        others = {number for season in seasons for number in season.week if number != season.week[0]}
        if len(odd) > 1 or len(others) > 1:
            raise Unsupported("the meter knows rest days of one kind for all the year, not a week of each season")
        zones = tuple((season.month, season.day, season.week[0]) for season in seasons)
        return cls(order.days, zones, odd.pop(), others.pop() if others else 1)

    def items(self, base: int) -> Iterable[tuple[int, bytes]]:
        """`(identifier, octets)` of everything to be written, counts first; `base` is the set."""
        slots = max(map(len, self.days))
        yield ZONE_COUNT, number(len(self.zones))
        yield TABLE_COUNT, number(len(self.days))
        yield SLOT_COUNT, number(slots)
        yield base, b"".join(bytes.fromhex(f"{table:02d}{day:02d}{month:02d}") for month, day, table in self.zones)
        for place, day in enumerate(self.days, 1):
            yield base | place, table_octets(day, slots)
        yield REST_DAYS, bytes((WORKDAYS & ~sum(1 << (day + 1) % 7 for day in self.rest),))
        yield REST_TABLE, number(self.rest_table)


def number(value: int) -> bytes:
    """A number below 100 as one octet of BCD."""
    return bytes.fromhex(f"{value:02d}")


def table_octets(day: Sequence[Switching], slots: int) -> bytes:
    """A day table filled up to `slots` switchings by its last one."""
    filled = [*day, *[day[-1]] * (slots - len(day))]
    return b"".join(bytes.fromhex(f"{one.tariff:02d}{one.minute:02d}{one.hour:02d}") for one in filled)


def table_of(octets: bytes) -> tuple[Switching, ...]:
    """A day table without its filling. BadValue if it is none."""
    if len(octets) % 3 or not octets.hex().isdecimal():
        raise BadValue(f"day table {octets.hex()}")
    found: list[Switching] = []
    for at in range(0, len(octets), 3):
        tariff, minute, hour = (int(octets[at + place : at + place + 1].hex()) for place in range(3))
        one = Switching(hour, minute, tariff)
        if not found or found[-1] != one:
            found.append(one)
    return tuple(found)


def zones_of(octets: bytes) -> tuple[tuple[int, int, int], ...]:
    """Year zones `(month, day, table)`. BadValue if they are none."""
    if len(octets) % 3 or not octets.hex().isdecimal():
        raise BadValue(f"year zones {octets.hex()}")
    rows = (octets[at : at + 3] for at in range(0, len(octets), 3))
    return tuple((int(row[2:].hex()), int(row[1:2].hex()), int(row[:1].hex())) for row in rows)


def second_counts(address: str, line: Line = LINE) -> Dialogue[bool]:
    """Whether the second set counts now, by status word 3."""
    _, octets = yield from payload(address, STATUS_WORD_3, line)
    return bool(int.from_bytes(octets[:2], "little") & SECOND_SET)


def write_calendar(
    address: str, calendar: Calendar, switch: datetime, who: Authority = AUTHORITY, line: Line = LINE
) -> Dialogue[None]:
    """Write the set that does not count, read every table back, then let it count from `switch` (meter's time) on.

    Refused if the meter says no or shows something else than was written; then the old set goes on counting.
    """
    second = yield from second_counts(address, line)
    for di, octets in calendar.items(SETS[not second]):
        yield from write(address, di, octets, who, line)
        _, shown = yield from payload(address, di, line)
        if shown != octets:
            raise Refused(f"meter {address} shows {shown.hex()} in {di:08x}, {octets.hex()} was written")
    at = Format.parse("YYMMDDhhmm").encode(switch)
    for di in (ZONE_SWITCH, TABLE_SWITCH):
        yield from write(address, di, at, who, line)


def read_calendar(address: str, waiting: bool = False, line: Line = LINE) -> Dialogue[Calendar]:
    """The set that counts, or the `waiting` one. DecodeError, ApplicationError."""
    second = yield from second_counts(address, line)
    base = SETS[second ^ waiting]
    _, zones = yield from payload(address, base, line)
    _, count = yield from payload(address, TABLE_COUNT, line)
    days = []
    for place in range(1, min(int(count.hex()), MOST_TABLES) + 1):
        _, octets = yield from payload(address, base | place, line)
        days.append(table_of(octets))
    _, word = yield from payload(address, REST_DAYS, line)
    _, table = yield from payload(address, REST_TABLE, line)
    rest = tuple(day for day in range(7) if not word[0] >> (day + 1) % 7 & 1)
    return Calendar(tuple(days), zones_of(zones), rest, int(table.hex()))
