"""Where all lines of a gateway meet: meters are known here, clocks checked, silence noticed, values handed on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from metergate.gateway.clock import HostClock, MeterClocks
from metergate.gateway.settings import Meter
from metergate.gateway.watch import Watch
from metergate.model import Event, MeterIdentity, Reading, Severity
from metergate.wire.base import Problem, Telegram

log = structlog.get_logger(__name__)


@dataclass
class MeterState:
    """One meter as the gateway knows it."""

    identity: MeterIdentity
    settings: Meter
    line: str
    protocol: str
    map: str = ""
    telegrams: int = 0
    heard: float = 0.0
    heard_at: datetime | None = None
    readings: tuple[Reading, ...] = ()
    problem: str = ""
    twice: bool = False

    @property
    def id(self) -> str:
        """The meter's number."""
        return self.identity.id

    @property
    def name(self) -> str:
        """What people call it."""
        return self.settings.name or self.identity.id


@dataclass
class LineState:
    """One line as the gateway knows it."""

    name: str
    url: str
    protocol: str
    state: str = "closed"
    reason: str = ""
    since: float = field(default_factory=time.monotonic)
    opened: int = 0
    asked: int = 0
    answered: int = 0
    round: float | None = None
    """Seconds that the last answered dialogue took, waiting for its turn included."""
    telegrams: int = 0
    readings: int = 0
    foreign: int = 0
    problems: Counter[str] = field(default_factory=Counter)

    def turn(self, state: str, reason: str = "") -> None:
        """It opened, closed or broke."""
        if (state, reason) != (self.state, self.reason):
            self.state, self.reason, self.since = state, reason, time.monotonic()


class Sink:
    """Somebody who gets values: what a publisher has to do for the gateway. Nothing here may wait."""

    name = "sink"
    keeps = False
    """Is it for ever? Such sinks are spared values that somebody else has stored already."""

    def meter(self, meter: MeterState) -> None:
        """A meter was heard for the first time, or returned."""

    def accept(self, meter: MeterState, readings: tuple[Reading, ...]) -> None:
        """The readings of one telegram."""

    def keep(self, readings: tuple[Reading, ...]) -> None:
        """Readings of the past."""

    def silent(self, meter: MeterState) -> None:
        """A meter is missed."""

    def event(self, event: Event) -> None:
        """Something happened."""


class Hub:
    """Takes in what lines find and hands it to the sinks."""

    def __init__(
        self,
        source: str,
        sinks: Iterable[Sink] = (),
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.source = source
        self.sinks = list(sinks)
        self.meters: dict[str, MeterState] = {}
        self.lines: dict[str, LineState] = {}
        self.watch = Watch()
        self.clocks = MeterClocks()
        self.host = HostClock(wall(), monotonic())
        self.events = 0
        self._monotonic, self._wall = monotonic, wall

    def telegram(
        self, line: LineState, telegram: Telegram, readings: tuple[Reading, ...], settings: Meter, keep: bool = True
    ) -> None:
        """A telegram and its readings; a telegram without any is only counted. `keep` False: to be shown only."""
        line.telegrams += 1
        for problem in telegram.problems:
            self.problem(line, problem)
        if not readings or telegram.meter is None:
            return
        line.readings += len(readings)
        known = self.meters.get(telegram.meter.id) or self._meet(line, telegram, settings)
        now = self._monotonic()
        if known.line != line.name and not self._takes_over(known, line, now):
            return
        known.telegrams += 1
        known.heard = now
        known.heard_at = readings[0].received
        known.readings = readings = self.clocks.check(readings)
        if self.watch.heard(known.id, now) and known.telegrams > 1:
            self.event("METER_BACK", known.id, Severity.NOTICE)
            self._tell(lambda sink: sink.meter(known))
        for sink in self.sinks:
            if keep or not sink.keeps:
                sink.accept(known, readings)

    def _takes_over(self, known: MeterState, line: LineState, now: float) -> bool:
        """A meter heard on two lines counts on one of them, as long as it is heard there."""
        line.foreign += 1
        if not known.twice:
            known.twice = True
            self.event("METER_TWICE", known.id, Severity.WARNING, lines=[known.line, line.name])
        rhythm = self.watch.meters[known.id]
        if now - rhythm.last <= rhythm.patience:
            return False
        known.line = line.name
        return True

    def history(self, line: LineState, meter: MeterIdentity, readings: tuple[Reading, ...]) -> None:
        """Readings that somebody stored: they are kept, and shown to nobody as live."""
        line.readings += len(readings)
        self.watch.heard(meter.id, self._monotonic())
        for sink in self.sinks:
            sink.keep(readings)

    def _meet(self, line: LineState, telegram: Telegram, settings: Meter) -> MeterState:
        assert telegram.meter is not None
        known = MeterState(telegram.meter, settings, line.name, telegram.protocol)
        self.meters[known.id] = known
        log.info("meter found", meter=known.id, line=line.name, protocol=telegram.protocol)
        self._tell(lambda sink: sink.meter(known))
        return known

    def problem(self, line: LineState, problem: Problem) -> None:
        """Something on a line that gave no reading: counted, and said the first time and then ever more seldom."""
        line.problems[problem.code] += 1
        count = line.problems[problem.code]
        if count & (count - 1) == 0:
            log.warning("no reading", line=line.name, code=problem.code, reason=problem.message, count=count)

    def failed(self, meter: str, reason: str) -> None:
        """A meter that was asked gave no answer, or a wrong one."""
        if known := self.meters.get(meter):
            known.problem = reason

    def event(self, code: str, source: str, severity: Severity = Severity.NOTICE, **args: object) -> None:
        """Something happened that the station may have to know."""
        self.pass_event(Event(datetime.now(UTC), code, source, severity, args))

    def pass_event(self, event: Event) -> None:
        """An event that somebody else saw."""
        self.events += 1
        log.info("event", code=event.code, source=event.source, severity=event.severity.name, **dict(event.args))
        self._tell(lambda sink: sink.event(event))

    def look(self) -> None:
        """To be called every few seconds: who is silent, did the host's clock jump?"""
        now = self._monotonic()
        for meter in list(self.watch.missed(now)):
            known = self.meters.get(meter)
            self.event("METER_SILENT", meter, Severity.WARNING)
            if known:
                self._tell(lambda sink, known=known: sink.silent(known))  # type: ignore[misc]
        if step := self.host.jumped(self._wall(), now):
            self.event("CLOCK_JUMPED", self.source, Severity.WARNING, seconds=round(step, 3))

    def forget(self, line: str) -> None:
        """A line is gone: so are its meters."""
        self.lines.pop(line, None)
        for meter in [known.id for known in self.meters.values() if known.line == line]:
            known = self.meters.pop(meter)
            self.watch.forget(meter)
            self._tell(lambda sink, known=known: sink.silent(known))  # type: ignore[misc]

    def _tell(self, what: Callable[[Sink], None]) -> None:
        for sink in self.sinks:
            what(sink)
