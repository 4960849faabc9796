"""What a meter of DL/T 645-2007 remembers, by time: load records, freezes, events. Times are the meter's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from metergate.errors import ApplicationError
from metergate.model import Reading
from metergate.wire.base import Dialogue
from metergate.wire.dlt645.dialogue import LINE, Line, payload, read
from metergate.wire.dlt645.load import AT_TIME, MINUTE, readings

Timed = tuple[datetime, Reading]
PER_QUESTION = 10
"""Load records in one question."""
TIMED, AT_ONCE, HOURLY, DAILY = 0, 1, 4, 6
"""Kinds of freezes."""
FREEZES, RECORDS = 62, 10
"""Freezes of a kind and records of an event that a meter keeps."""
EVENTS = {
    0x03110000: "POWER_DOWN",
    0x03300000: "PROGRAMMED",
    0x03300100: "CLEARED",
    0x03300200: "DEMAND_CLEARED",
    0x03300300: "EVENTS_CLEARED",
    0x03300400: "CLOCK_SET",
    0x03300D00: "COVER_OPENED",
    0x03300E00: "TERMINAL_COVER_OPENED",
    0x1D000001: "RELAY_OPENED",
    0x1E000001: "RELAY_CLOSED",
}
"""Identifier that the numbers of the records are added to -> name."""


def load_profile(address: str, number: int, begin: datetime, end: datetime, line: Line = LINE) -> Dialogue[list[Timed]]:
    """The load records of a class, `begin` <= time < `end`, each reading with its record's time.

    ApplicationError if the meter has none from `begin` on.
    """
    found: list[Timed] = []
    at: datetime | None = begin
    while at is not None and at < end:
        request = bytes.fromhex(f"{PER_QUESTION:02d}") + MINUTE.encode(at)
        try:
            meter, octets = yield from payload(address, 0x06000000 | number << 16 | AT_TIME, line, request=request)
        except ApplicationError:
            if at == begin:
                raise
            return found  # nothing later is stored
        came = [*timed(readings(meter, octets))]
        found += [(when, one) for when, one in came if begin <= when < end]
        last = max((when for when, _ in came), default=None)
        at = last + timedelta(minutes=1) if last is not None and last >= at else None
    return found


def timed(found: Iterable[Reading]) -> Iterator[Timed]:
    """The values of records whose time can be read."""
    when: datetime | None = None
    for one in found:
        if one.register.quantity == "time_point":
            when = datetime.fromisoformat(str(one.value)) if one.value else None
        elif when is not None:
            yield when, one


def freezes(
    address: str, kind: int, what: int, begin: datetime, end: datetime, line: Line = LINE
) -> Dialogue[list[Timed]]:
    """Frozen values, oldest first; `what` as in the other groups: 1 forward energy, 2 reverse ..., 10H powers."""
    found: list[list[Timed]] = []
    for number in range(1, FREEZES + 1):
        try:
            time = yield from read(address, 0x05000000 | kind << 16 | number, line)
            when = datetime.fromisoformat(str(time[0].value)) if time[0].value else None
            if when is None or when < begin:
                break
            if when < end:
                rows = yield from read(address, 0x05000000 | kind << 16 | what << 8 | number, line)
                found.append([(when, one) for one in rows])
        except ApplicationError:
            break
    return [one for rows in reversed(found) for one in rows]


def events(
    address: str, begin: datetime, end: datetime, line: Line = LINE, known: Iterable[int] = tuple(EVENTS)
) -> Dialogue[list[tuple[datetime, int]]]:
    """`(time, identifier)` of the events that the meter keeps records of, oldest first."""
    found: list[tuple[datetime, int]] = []
    for event in known:
        for number in range(1, RECORDS + 1):
            try:
                record = yield from read(address, event + number, line)
            except ApplicationError:
                break
            when = _when(record)
            if when is None or when < begin:
                break
            if when < end:
                found.append((when, event))
    return sorted(found)


def _when(record: Iterable[Reading]) -> datetime | None:
    """When an event began: the first time in its record."""
    times = (one.value for one in record if one.register.quantity in ("begin", "clock before"))
    first = next(times, None)
    return datetime.fromisoformat(str(first)) if first else None
