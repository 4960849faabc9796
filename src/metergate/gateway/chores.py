"""What is asked of meters besides their values: event logs, gaps in load profiles, the time told to a whole line."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import structlog

from metergate.errors import ConfigError, LinkError, MetergateError, Unsupported
from metergate.gateway.targets import target
from metergate.meters.driver import Priority
from metergate.meters.pollers import Poller
from metergate.model import Event, Outcome, Reading, ReadProfile, Severity

if TYPE_CHECKING:
    from metergate.gateway.cursors import Cursors
    from metergate.gateway.lines import LineTask
    from metergate.gateway.settings import Meter

log = structlog.get_logger(__name__)
LOG_PERIOD = 3600.0
"""Seconds between two looks at a meter's event log."""
FIRST, OVERLAP = timedelta(days=1), timedelta(hours=1)
"""How far back the first look goes; how far every other goes behind the newest event, as logs are not in order."""
BROADCAST_AT = time(3, 7)
"""UTC: not near the end of a quarter of an hour, nor near anybody's midnight who uses this."""
LONGEST = timedelta(days=31)
"""Of one order for a profile: a line is not to be held for longer."""
_WORDS = re.compile(r"[^A-Za-z0-9]+")


async def read_profile(line: LineTask, poller: Poller, meter: Meter, order: ReadProfile) -> tuple[Outcome, str]:
    """Fetch what a meter stored and keep it, as history. NoAnswer, LinkError, DecodeError."""
    if order.begin is None or order.end is None or not order.register:
        return Outcome.REFUSED, "a profile needs its register, begin and end"
    if not timedelta(0) < order.end - order.begin <= LONGEST:
        return Outcome.REFUSED, f"from {order.begin} to {order.end}: ask for up to {LONGEST.days} days"
    asked = poller.profile(target(meter), order.register, order.begin, order.end)
    try:
        telegram = await line.talk(asked, Priority.ON_DEMAND)
    except Unsupported as error:
        return Outcome.UNSUPPORTED, error.reason
    readings = tuple(_received(line.translated(telegram)))
    if telegram.meter and readings:
        line.keep(telegram.meter, readings)
    return Outcome.DONE, f"{len(readings)} values"


def _received(readings: Iterable[Reading]) -> Iterator[Reading]:
    now = datetime.now(UTC)
    return (replace(reading, received=now) for reading in readings)


class EventReader:
    """Reads one meter's event log again and again. `cursors` keeps the newest instant over restarts."""

    def __init__(self, line: LineTask, meter: Meter, cursors: Cursors | None) -> None:
        self._line, self._meter, self._cursors = line, meter, cursors
        self._name = f"{line.state.name}/{meter.id}/events"
        kept = cursors.get(self._name) if cursors else 0
        self._newest = datetime.fromtimestamp(kept, UTC) if kept else None
        self._told: set[tuple[datetime, str]] = set()

    async def run(self, poller: Poller) -> None:
        """For ever; a meter that does not answer is asked again next time."""
        while True:
            try:
                await self.look(poller, datetime.now(UTC))
            except LinkError:
                pass
            except MetergateError as error:
                log.warning("event log not read", line=self._line.state.name, meter=self._meter.id, reason=str(error))
            await asyncio.sleep(LOG_PERIOD)

    async def look(self, poller: Poller, now: datetime) -> int:
        """Read what is new and pass it on as events; how many there were. NoAnswer, LinkError, DecodeError."""
        begin = self._begin(now)
        asked = poller.events(target(self._meter), begin, now + OVERLAP)  # the meter's clock may be ahead
        telegram = await self._line.talk(asked, Priority.SCHEDULE)
        fresh = [event for event in self._events(telegram.readings, now) if event.time >= begin]
        for event in sorted(fresh, key=lambda one: one.time):
            self._line.pass_event(event)
        if fresh:
            await self._remember(max(event.time for event in fresh), now)
        return len(fresh)

    def _begin(self, now: datetime) -> datetime:
        if self._newest is None:
            return now - FIRST
        return self._newest - OVERLAP if self._told else self._newest + timedelta(seconds=1)

    def _events(self, readings: Iterable[Reading], now: datetime) -> Iterator[Event]:
        for reading in readings:
            text = str(reading.value)
            if reading.meter_time is None or reading.value is None or (reading.meter_time, text) in self._told:
                continue
            self._told.add((reading.meter_time, text))
            args = {"text": text, "register": str(reading.obis or reading.register.address or "")}
            yield Event(reading.meter_time, event_code(text), self._meter.id, Severity.NOTICE, args, now)

    async def _remember(self, newest: datetime, now: datetime) -> None:
        self._newest = max(newest, self._newest or newest)
        self._told = {one for one in self._told if one[0] >= self._newest - OVERLAP}
        if self._cursors:
            await asyncio.to_thread(self._cursors.put, self._name, int(self._newest.timestamp()))


def event_code(text: str) -> str:
    """A stable name for what a log says: "power failure" is METER_POWER_FAILURE, a number stays one."""
    return "METER_" + _WORDS.sub("_", text).strip("_").upper()[:48]


async def tell_time(line: LineTask, poller: Poller) -> None:
    """Tell all meters of a line the time once a day, for ever."""
    while True:
        await asyncio.sleep(until(BROADCAST_AT, datetime.now(UTC)).total_seconds())
        try:
            outcome = await line.talk(poller.broadcast_clock(datetime.now(UTC)), Priority.CONTROL)
            log.info("clock told to all meters", line=line.state.name, outcome=outcome.value)
        except (MetergateError, ConfigError) as error:
            log.warning("clock not told", line=line.state.name, reason=str(error))


def until(wanted: time, now: datetime) -> timedelta:
    """How long it is until it is next `wanted` o'clock, UTC; never nothing."""
    then = datetime.combine(now.date(), wanted, UTC)
    return (then if then > now else then + timedelta(days=1)) - now
