"""Tables of records of a simulated meter: freezes and events, and which of their rows a question wants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from metergate.wire.dlt698 import objects
from metergate.wire.dlt698.apdu import TABLE
from metergate.wire.dlt698.serve import UNDEFINED, Store, attribute
from metergate.wire.dlt698.values import DATE_TIME_S, NOTHING, TI, UINT32, Data

Query = Mapping[str, Any]
MOST_ROWS = 4000
DEEP = {0x5002: 96 * 62, 0x5003: 24 * 62, 0x5004: 62, 0x5005: 12, 0x5006: 24}
"""How many rows of a freeze are kept."""
USUAL = (objects.FROZEN_AT, 0x00100200, 0x00200200)
"""Columns where a question names none."""
TI_SECONDS = {0: 1, 1: 60, 2: 3600, 3: 86400}
"""Units of a time interval; months and years are not counted in seconds."""


def select(store: Store, query: Query, now: datetime) -> tuple[Any, ...]:
    """A table `(oad, columns, result)` with the rows that the question wants, oldest first."""
    oad = query["oad"]
    columns = query["columns"] or tuple((0, column) for column in USUAL)
    times = _times(store, oad >> 16, now)
    if times is None or any(which for which, _ in columns):
        return oad, columns, (0, UNDEFINED)
    wanted = _chosen(times, query["rows"])[-MOST_ROWS:]
    rows = tuple(tuple(_cell(store, oad >> 16, column, at, row) for _, column in columns) for row, at in wanted)
    return oad, columns, (1, rows)


def _times(store: Store, oi: int, now: datetime) -> list[datetime] | None:
    """When rows were made, oldest first, by the meter's own clock; None if there is no such table."""
    shown, since = store.local(now), store.local(store.installed)
    if oi == objects.AT_ONCE:
        return [store.local(at).replace(microsecond=0) for at in store.state.frozen]
    if oi in objects.PERIODS:
        step = timedelta(seconds=objects.PERIODS[oi])
        midnight = shown.replace(hour=0, minute=0, second=0, microsecond=0)
        newest = midnight + (shown - midnight) // step * step
        found = [newest - number * step for number in range(DEEP[oi])]
        return [at for at in reversed(found) if at >= since]
    if oi in (objects.MONTH, objects.SETTLEMENT):
        months = shown.year * 12 + shown.month - 1
        firsts = [_first(months - back) for back in range(DEEP[oi])]
        return [at for at in reversed(firsts) if at >= since]
    if oi in objects.EVENTS:
        return [begin for begin, _ in store.state.events.get(oi, ())]
    return None


def _first(months: int) -> datetime:
    return datetime(months // 12, months % 12 + 1, 1)  # noqa: DTZ001  (the meter's local time)


def _chosen(times: list[datetime], rows: tuple[int, Any]) -> list[tuple[int, datetime]]:
    """`(number, time)` of the rows that a selector means."""
    which, told = rows
    numbered = [*enumerate(times)]
    if which == 0:
        return numbered
    if which == 1:
        return [row for row in numbered if row[1] == told[1].value]
    if which in (2, 3):
        ranges = [told] if which == 2 else told
        return [row for row in numbered if any(_inside(row[1], one) for one in ranges)]
    if which in (4, 5):
        return [row for row in numbered if row[1] == told[0]]
    if which in (6, 7, 8):
        begin, end, step, _ = told
        return [row for row in numbered if _within(row[1], begin, end, step)]
    if which == 9:
        return numbered[-told : len(numbered) - told + 1] if 0 < told <= len(numbered) else []
    return numbered[-told[0] :] if told[0] else []


def _inside(at: datetime, told: tuple[int, Data, Data, Data]) -> bool:
    column, begin, end, step = told
    return column in objects.STAMPS and _within(at, begin.value, end.value, step.value if step.tag == TI else None)


def _within(at: datetime, begin: Any, end: Any, step: tuple[int, int] | None) -> bool:
    """From `begin` on, before `end`, and a whole number of steps after it."""
    if not isinstance(begin, datetime) or not isinstance(end, datetime) or not begin <= at < end:
        return False
    seconds = TI_SECONDS.get(step[0], 0) * step[1] if step else 0
    return not seconds or (at - begin) % timedelta(seconds=seconds) == timedelta(0)


def _cell(store: Store, oi: int, column: int, at: datetime, row: int) -> Data:
    if column in objects.STAMPS:
        return Data(DATE_TIME_S, at)
    if column == objects.EVENT_NUMBER:
        return Data(UINT32, row)
    if column == objects.EVENT_END:
        return Data(DATE_TIME_S, store.state.events[oi][row][1]) if oi in objects.EVENTS else NOTHING
    if oi in objects.EVENTS:
        return NOTHING
    which, found = attribute(store, column, store.instant(at))
    return found if which else NOTHING


def parts(table: tuple[Any, ...], most: int) -> list[tuple[Any, ...]]:
    """`table`, or tables with some of its rows each, none of more than `most` octets if a row is not."""
    oad, columns, (which, rows) = table
    if not which or len(rows) < 2 or len(TABLE.write(table)) <= most:
        return [table]
    each = max(1, len(rows) * most // (len(TABLE.write(table)) + 64))
    return [(oad, columns, (1, rows[at : at + each])) for at in range(0, len(rows), each)]
