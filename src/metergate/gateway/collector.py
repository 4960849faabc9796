"""Lines with MGC/1 collectors: what they stored is fetched, made durable here, and only then let go there.

A meter of such a line has the address `collector` or `collector/channel`; a channel that is not listed is called just
that. Records are kept for the station; what is shown as live comes from READ_NOW.
"""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

import structlog

from metergate.errors import BadValue, DecodeError, LinkError, MetergateError, NoAnswer
from metergate.gateway.cursors import Cursors
from metergate.gateway.hub import Hub
from metergate.gateway.lines import ANY, LineTask
from metergate.gateway.record import Recorder
from metergate.gateway.schedule import Schedule
from metergate.gateway.settings import Line, Meter
from metergate.links import Link
from metergate.meters.driver import Priority
from metergate.model import (
    CloseValve,
    Command,
    MeterIdentity,
    OpenValve,
    Outcome,
    Reading,
    ReadNow,
    SetClock,
    Severity,
)
from metergate.wire.base import Dialogue, Telegram
from metergate.wire.mgc1 import REGISTERS, CollectorStatus, Master, Record, ValvePosition
from metergate.wire.mgc1.master import CLOSE, OPEN, SLEW, STEP
from metergate.wire.mgc1.receiver import channel_meter

log = structlog.get_logger(__name__)
T = TypeVar("T")
MeterReadings = tuple[MeterIdentity, tuple[Reading, ...]]
TOLERATED, SLEWED = timedelta(seconds=5), timedelta(minutes=5)
"""A collector's clock may be this wrong; up to the second it is set gently, beyond that somebody has to look."""
LONGEST = 300.0
"""Pauses for a collector that does not answer grow up to this, seconds: many meters hang on it."""
VALVE_TIME, VALVE_POLL = 60.0, 5.0


class CollectorLine(LineTask):
    """A line with collectors."""

    def __init__(self, settings: Line, hub: Hub, recorder: Recorder | None, cursors: Cursors) -> None:
        super().__init__(settings, hub, cursors=cursors)
        self._recorder, self._marks = recorder, cursors
        self._doubtful: set[int] = set()  # collectors whose clock was told to be far off
        self._places = {meter.address or meter.id: meter for meter in settings.meter}
        addresses = sorted({int(place.partition("/")[0]) for place in self._places})
        self._masters = {address: Master(address, seq=random.randrange(256)) for address in addresses}  # noqa: S311

    async def _serve(self, link: Link) -> None:
        await self._own(link, [self._rounds(master) for master in self._masters.values()])

    async def _rounds(self, master: Master) -> None:
        """Visit one collector again and again; one that is dead does not hold up the others."""
        period = float(self.settings.period)
        schedule = Schedule(period, float(self.settings.jitter), first=period, longest=LONGEST)
        due = schedule.begin(time.monotonic())
        while True:
            await asyncio.sleep(due - time.monotonic())
            try:
                await self.visit(master)
            except LinkError:
                due = schedule.answered(time.monotonic())
            except MetergateError as error:
                self.state.problems[error.code] += 1
                log.warning("collector", line=self.state.name, address=master.address, reason=str(error))
                due = schedule.failed(time.monotonic())
            else:
                due = schedule.answered(time.monotonic())

    async def visit(self, master: Master) -> None:
        """Log, events, clock, live values. NoAnswer, LinkError, DecodeError, StorageError."""
        status = await self._ask(master.status())
        await self._fetch_log(master, status)
        await self._fetch_events(master)
        await self._check_clock(master, status)
        await self.live(master)

    async def _ask(self, dialogue: Dialogue[T], priority: Priority = Priority.SCHEDULE) -> T:
        return await self.talk(dialogue, priority)

    async def _fetch_log(self, master: Master, status: CollectorStatus) -> None:
        """READ_LOG, fsync, ACK_LOG, until the log is empty. Without a spool nothing is acknowledged."""
        cursor, more = max(status.acked + 1, status.oldest), status.newest > status.acked
        while more and self._recorder:
            records, more = await self._ask(master.read_log(cursor))
            if not records:
                return
            if records[0].cursor < cursor:
                raise DecodeError(f"collector {master.address} went back from {cursor} to {records[0].cursor}")
            for meter, readings in self._by_meter(master, records):
                self._hub.history(self.state, meter, readings)
            await self._recorder.flush()
            cursor = records[-1].cursor + 1
            await self._ask(master.ack_log(cursor - 1))

    async def _fetch_events(self, master: Master) -> None:
        name = f"{self.state.name}/{master.address}"
        cursor = self._marks.get(name)
        while found := await self._ask(master.events(cursor + 1)):
            fresh = [record for record in found if record.cursor > cursor]
            for record in fresh:
                place = channel_meter(master.address, record.channel) if record.channel else str(master.address)
                self._hub.pass_event(record.event(self._name(place), datetime.now(UTC)))
            if self._recorder:
                await self._recorder.flush()
            if not fresh:
                return
            cursor = fresh[-1].cursor
            await asyncio.to_thread(self._marks.put, name, cursor)

    async def _check_clock(self, master: Master, status: CollectorStatus) -> None:
        """Set gently what is a little wrong, but not where a quarter of an hour begins or ends."""
        now = datetime.now(UTC)
        error = datetime.fromtimestamp(status.time, UTC) - now
        if abs(error) <= SLEWED:
            self._doubtful.discard(master.address)
        if abs(error) <= TOLERATED:
            return
        if abs(error) > SLEWED and master.address not in self._doubtful:
            self._doubtful.add(master.address)
            seconds = round(error.total_seconds())
            self._hub.event("CLOCK_DOUBTFUL", self._name(str(master.address)), Severity.WARNING, seconds=seconds)
        elif abs(error) <= SLEWED and 2 <= now.minute % 15 < 13:
            await self._ask(master.set_time(now, SLEW))

    async def live(self, master: Master, channel: int | None = None, priority: Priority = Priority.SCHEDULE) -> int:
        """READ_NOW: what the meters show, for those who look; the log brings it for good. How many values."""
        records = await self._ask(master.read_now() if channel is None else master.read_now(channel), priority)
        for meter, readings in self._by_meter(master, records):
            telegram = Telegram("mgc1", 0, 0, True, meter=meter, readings=readings)
            self._hub.telegram(self.state, telegram, readings, self._meters.get(meter.id, ANY), keep=False)
        return len(records)

    def _by_meter(
        self, master: Master, records: Iterable[Record]
    ) -> Iterator[tuple[MeterIdentity, tuple[Reading, ...]]]:
        now = datetime.now(UTC)
        for channel, group in groupby(sorted(records, key=attrgetter("channel", "cursor")), attrgetter("channel")):
            name = self._name(channel_meter(master.address, channel))
            rows = list(group)
            known = next((REGISTERS[row.register] for row in rows if row.register in REGISTERS), None)
            identity = MeterIdentity(name, medium=known.medium if known else None)
            yield identity, tuple(row.reading(name, now) for row in rows)

    def _name(self, place: str) -> str:
        known = self._places.get(place)
        return known.id if known and known.id else place

    # Orders

    def _place(self, meter: str) -> tuple[Master, int | None]:
        """Collector and channel of a meter. BadValue if this line has no such meter."""
        listed: Meter | None = self._meters.get(meter)
        address, _, channel = (listed.address if listed else meter).partition("/")
        if not address.isdecimal() or int(address) not in self._masters:
            raise BadValue(f"meter {meter} is not on line {self.state.name}")
        return self._masters[int(address)], int(channel) if channel.isdecimal() else None

    def has(self, meter: str) -> bool:
        """Is it a collector, or a channel of one, of this line?"""
        try:
            return bool(self._place(meter))
        except BadValue:
            return False

    async def execute(self, command: Command) -> tuple[Outcome, str]:
        """Valve, clock, reading now."""
        master, channel = self._place(command.meter)
        match command:
            case ReadNow():
                return Outcome.DONE, f"{await self.live(master, channel, Priority.ON_DEMAND)} values"
            case SetClock(time=wanted):
                before = await self._ask(master.set_time(wanted or datetime.now(UTC), STEP), Priority.CONTROL)
                return Outcome.DONE, f"it was {before.isoformat()}"
            case OpenValve() | CloseValve() if channel is not None:
                return await self._move(master, channel, command)
        return Outcome.UNSUPPORTED, ""

    async def _move(self, master: Master, channel: int, command: Command) -> tuple[Outcome, str]:
        """Order the valve (the same order moves it once, however often it is sent) and wait until it is there."""
        close = isinstance(command, CloseValve)
        left = (command.expires - datetime.now(UTC)).total_seconds() if command.expires else VALVE_TIME
        number = zlib.crc32(command.id.encode())
        ttl = max(1, min(int(left), 0xFFFF))
        position = await self._ask(master.valve(number, channel, CLOSE if close else OPEN, ttl), Priority.CONTROL)
        target = ValvePosition.CLOSED if close else ValvePosition.OPEN
        deadline = time.monotonic() + VALVE_TIME
        while position == ValvePosition.MOVING and time.monotonic() < deadline:
            await asyncio.sleep(VALVE_POLL)
            try:
                position = (await self._ask(master.valve_state(channel), Priority.CONTROL)).position
            except NoAnswer:
                continue
        known = {place.value: place.name for place in ValvePosition}
        return Outcome.DONE if position == target else Outcome.UNSURE, known.get(position, str(position))
