"""One task a line: open it, listen or ask, and come back after every break."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import structlog

from metergate.errors import ConfigError, LinkError, MetergateError
from metergate.gateway.chores import EventReader, read_profile, tell_time
from metergate.gateway.cursors import Cursors
from metergate.gateway.hub import Hub, LineState
from metergate.gateway.memory import Learnt, Memories
from metergate.gateway.schedule import Pace, Schedule
from metergate.gateway.settings import Line, Meter
from metergate.gateway.targets import listening_keys, target
from metergate.links import Link, open_link
from metergate.links.stick import stick_options
from metergate.meters.driver import Line as Owner
from metergate.meters.driver import Listener, Priority, Tracer, utc_now
from metergate.meters.map import known_maps
from metergate.meters.options import address_options
from metergate.meters.pollers import POLLERS, Poller
from metergate.meters.translate import Translator
from metergate.meters.usual import usual_address
from metergate.model import Command, Event, MeterIdentity, Outcome, Reading, ReadNow, ReadProfile
from metergate.wire import protocol
from metergate.wire.base import Dialogue, Found, Receiver, Telegram
from metergate.wire.masks import Masker

T = TypeVar("T")
log = structlog.get_logger(__name__)
REOPEN = (1.0, 60.0)
ANY = Meter()
STRICT: dict[str, object] = {"replay": True, "accept_clear": False}
"""How a gateway listens, where its settings do not say otherwise: nothing twice, and nothing in clear from a meter
that has a key."""


class LineTask:
    """A line of the settings at work."""

    def __init__(
        self,
        settings: Line,
        hub: Hub,
        opener: Callable[[str], object] = open_link,
        memories: Memories | None = None,
        cursors: Cursors | None = None,
    ) -> None:
        self._memories, self._cursors = memories, cursors
        self.settings = settings
        self.state = LineState(settings.name or settings.url.partition("?")[0], settings.url, settings.protocol)
        self._hub, self._open = hub, opener
        hub.lines[self.state.name] = self.state
        self._meters = {meter.id: meter for meter in settings.meter if meter.id}
        self._only = settings.meter[0] if len(settings.meter) == 1 and not settings.meter[0].id else ANY
        self._others = settings.others if settings.others is not None else not self._meters
        chosen = {meter.id: meter.map for meter in settings.meter if meter.map}
        self._translate = Translator(known_maps(settings.maps), chosen=chosen)
        self.pace = Pace()
        self._rate = sum(1 / self._period(meter) for meter in settings.meter)
        self._asker: Poller | None = None
        self._owner: Owner | None = None
        self._listener: Listener | None = None
        self._observer: Tracer | None = None
        self._mask = Masker(settings.protocol)

    async def run(self) -> None:
        """For ever: open, work, and after a break open again, waiting 1 to 60 seconds with full jitter."""
        pause, longest = REOPEN
        while True:
            began = time.monotonic()
            try:
                await self._work()
                self.state.turn("closed", "the other side closed the line")
            except (LinkError, ConfigError) as error:
                if self.state.reason != str(error):
                    log.warning("line broken", line=self.state.name, reason=str(error))
                self.state.turn("broken", str(error))
            pause = REOPEN[0] if time.monotonic() - began > longest else min(longest, pause * 2)
            await asyncio.sleep(random.uniform(0.1, pause))  # noqa: S311 - no secret

    async def _work(self) -> None:
        link: Link = await self._open(usual_address(self.settings.url, self.settings.protocol))  # type: ignore[misc]
        self.state.turn("open")
        self.state.opened += 1
        log.info("line open", line=self.state.name, protocol=self.settings.protocol)
        try:
            await self._serve(link)
        finally:
            await link.close()

    async def _serve(self, link: Link) -> None:
        """Work on the open line until it breaks."""
        if self.settings.protocol not in POLLERS:
            await self._listen(link)
            return
        poller = self._poller()
        await self._own(link, [*self._visits(poller)])

    def _visits(self, poller: Poller) -> Iterator[Coroutine[None, None, None]]:
        """All that is to be asked, each again and again."""
        for meter in self.settings.meter:
            yield self._visit(poller, meter)
            if self.settings.events:
                yield EventReader(self, meter, self._cursors).run(poller)
        if self.settings.broadcast_clock:
            yield tell_time(self, poller)

    def _trace(self, way: str, data: bytes) -> None:
        log.debug("bytes", line=self.state.name, way=way, hex=self._mask(way, data).hex())
        if self._observer:
            self._observer(way, data)

    def observe(self, observer: Tracer | None) -> None:
        """From now on tell `observer` of every byte that passes; None: nobody looks any more, and it costs nothing."""
        self._observer = observer
        for end in (self._listener, self._owner):
            if end is not None:
                end.trace = self._tracer()

    def _tracer(self) -> Tracer | None:
        return self._trace if self.settings.trace else self._observer

    # Listening

    async def _listen(self, link: Link) -> None:
        entry = protocol(self.settings.protocol)
        if entry is None:
            raise ConfigError(f"unknown protocol {self.settings.protocol!r}")
        receiver = entry.receiver(self.keys(), STRICT | stick_options(self.settings.url) | self.settings.options)
        self._listener = Listener(link, receiver, self._found, self.settings.gap, trace=self._tracer())
        async with self._remembering(receiver):
            if greeting := getattr(receiver, "greeting", b""):
                await link.write(greeting)
            try:
                await self._listener.run()
            finally:
                self._listener = None

    @asynccontextmanager
    async def _remembering(self, receiver: Receiver) -> AsyncIterator[None]:
        """Give the receiver back what it learnt before, and keep what it learns; nothing where it learns nothing."""
        learnt: Learnt | None = getattr(receiver, "memory", None)
        if learnt is None or self._memories is None:
            yield
            return
        self._memories.restore(self.state.name, learnt)
        keeper = asyncio.create_task(self._memories.keep(self.state.name, learnt))
        try:
            yield
        finally:
            keeper.cancel()
            self._memories.put_new(self.state.name, learnt)

    def keys(self) -> Mapping[str, bytes]:
        """See `listening_keys`."""
        return listening_keys(self.settings)

    def _found(self, item: Found) -> None:
        if not isinstance(item, Telegram):
            self._hub.problem(self.state, item)
            return
        settings = self._meters.get(item.meter.id) if item.meter else None
        if settings is None:
            if not self._others:
                self.state.foreign += 1
                return
            settings = self._only
        self._hub.telegram(self.state, item, self._translate(item), settings)

    # Asking

    def _poller(self) -> Poller:
        """One for all questions on the line: it remembers what it learns of its meters."""
        if self._asker is None:
            own = {"maps": self.settings.maps} if self.settings.maps else {}
            kept = {"counters": str(self._memories.folder / "counters")} if self._memories else {}
            implied = address_options(self.settings.protocol, self.settings.url)
            self._asker = POLLERS[self.settings.protocol]({**implied, **kept, **self.settings.options, **own})
        return self._asker

    async def _own(self, link: Link, visits: Iterable[Coroutine[None, None, None]]) -> None:
        """Be the owner of a half-duplex line while `visits` ask on it."""
        owner = self._owner = Owner(link, self.settings.echo, self.settings.spare, self._tracer())
        tasks = [asyncio.ensure_future(visit) for visit in visits]
        try:
            await owner.run()
        finally:
            self._owner = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await owner.close()

    def _period(self, meter: Meter) -> float:
        return float(meter.period or self.settings.period)

    async def _visit(self, poller: Poller, meter: Meter) -> None:
        """Ask one meter again and again."""
        period = self._period(meter)
        schedule = Schedule(period, float(self.settings.jitter))
        self._hub.watch.expect(meter.id, time.monotonic(), period)
        due = schedule.begin(time.monotonic())
        while True:
            await asyncio.sleep(due - time.monotonic())
            good = await self._once(poller, meter)
            schedule.period = self.pace.period(period, self._rate)
            now = time.monotonic()
            due = schedule.answered(now) if good else schedule.failed(now)

    async def _once(self, poller: Poller, meter: Meter) -> bool:
        try:
            await self.read(meter, Priority.SCHEDULE, poller)
        except LinkError:
            return True  # the line's trouble, not the meter's
        except MetergateError as error:
            self.state.problems[error.code] += 1
            self._hub.failed(meter.id, str(error))
            log.warning("meter not read", line=self.state.name, meter=meter.id, code=error.code, reason=str(error))
            return False
        return True

    async def read(
        self, meter: Meter, priority: Priority = Priority.ON_DEMAND, poller: Poller | None = None
    ) -> Telegram:
        """Ask one meter for its values now, and hand them on. NoAnswer, LinkError, DecodeError."""
        poller = poller or self._poller()
        telegram = await self.talk(poller.read(target(meter)), priority)
        now = utc_now()
        readings = tuple(one if one.received else replace(one, received=now) for one in self.translated(telegram))
        self._hub.telegram(self.state, telegram, readings, meter)
        return telegram

    async def talk(self, dialogue: Dialogue[T], priority: Priority) -> T:
        """Hold a dialogue on this line. LinkError if it is not open."""
        if self._owner is None:
            dialogue.close()
            raise LinkError(f"{self.state.name}: the line is not open ({self.state.reason or self.state.state})")
        began = time.monotonic()
        self.state.asked += 1
        owner = self._owner
        try:
            result = await owner.ask(dialogue, priority)
        finally:
            self.pace.took(owner.counts.last)
        self.state.answered += 1
        self.state.round = time.monotonic() - began
        return result

    def translated(self, telegram: Telegram) -> tuple[Reading, ...]:
        """A telegram's readings, with the OBIS codes that its meter's map knows."""
        return tuple(self._translate(telegram))

    def keep(self, meter: MeterIdentity, readings: tuple[Reading, ...]) -> None:
        """Keep readings that a meter stored; nobody is shown them as live."""
        self._hub.history(self.state, meter, readings)

    def pass_event(self, event: Event) -> None:
        """Something that a meter's log tells."""
        self._hub.pass_event(event)

    # Orders

    def has(self, meter: str) -> bool:
        """Is it a meter of this line?"""
        known = self._hub.meters.get(meter)
        return meter in self._meters or (known is not None and known.line == self.state.name)

    async def execute(self, command: Command) -> tuple[Outcome, str]:
        """Carry out an order. Meters that speak by themselves cannot be told anything."""
        meter = self._meters.get(command.meter)
        if meter is None or self.settings.protocol not in POLLERS:
            return Outcome.UNSUPPORTED, "this meter speaks by itself and cannot be asked"
        poller = self._poller()
        if isinstance(command, ReadNow):
            telegram = await self.read(meter, Priority.ON_DEMAND)
            return Outcome.DONE, f"{len(telegram.readings)} values"
        if isinstance(command, ReadProfile):
            return await read_profile(self, poller, meter, command)
        return await self.talk(poller.execute(target(meter), command, utc_now()), Priority.CONTROL), ""
