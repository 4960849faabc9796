"""The gateway: its parts started, watched, changed while they run, and stopped in order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from metergate import __version__
from metergate.errors import ConfigError, MetergateError
from metergate.gateway.commands import Commander, Journal
from metergate.gateway.cursors import Cursors
from metergate.gateway.hub import Hub, MeterState
from metergate.gateway.lines import LineTask
from metergate.gateway.logs import configure
from metergate.gateway.memory import Memories
from metergate.gateway.metrics import MetricsServer
from metergate.gateway.outward import Outward
from metergate.gateway.record import Recorder, SpoolSink
from metergate.gateway.settings import Line, Settings
from metergate.gateway.status import StatusServer
from metergate.profiles.spool import Spool

log = structlog.get_logger(__name__)
LOOK = 2.0
"""Seconds between two looks at silence and clocks."""
RESTART = 5.0


class Gateway:
    """A gateway with its settings. `reload` gives new settings (or ConfigError) on SIGHUP."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings] | None = None) -> None:
        self.began = datetime.now(UTC)
        self.reloads = 0
        self._reload = reload
        self._changing: set[asyncio.Task[None]] = set()
        self._one_change = asyncio.Lock()
        self._stop = asyncio.Event()
        self._take(settings)

    def _take(self, settings: Settings) -> None:
        """Parts that are not yet started, for these settings."""
        self.settings = settings
        self.hub = Hub(settings.id)
        self.recorder: Recorder | None = None
        self.outward: Outward | None = None
        self.metrics: MetricsServer | None = None
        self._lines: dict[str, tuple[LineTask, asyncio.Task[None]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._cursors = Cursors(settings.data / "cursors.json")
        self._memories = Memories(settings.data / "learnt.json")
        self._status = StatusServer(settings.socket, self.status)

    async def run(self) -> None:
        """Until `stop`, SIGTERM or SIGINT. StorageError or LinkError if a part cannot be started."""
        try:
            await self._start()
            self._signals()
            log.info("gateway runs", id=self.settings.id, lines=len(self.settings.line), version=__version__)
            await self._stop.wait()
        finally:
            for change in self._changing:
                change.cancel()
            await asyncio.gather(*self._changing, return_exceptions=True)
            await self._end()
            log.info("gateway stopped", id=self.settings.id)

    def stop(self) -> None:
        """Stop soon."""
        self._stop.set()

    def _signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    async def _start(self) -> None:
        settings = self.settings
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if settings.station:
            kept = {"max_bytes": settings.spool.size_mb << 20, "max_age": timedelta(seconds=settings.spool.age)}
            spool = Spool(settings.data / "spool", source=settings.id, **kept)  # type: ignore[arg-type]
            self.recorder = Recorder(spool, settings.spool.sync)
            self.hub.sinks.append(SpoolSink(self.recorder))
            self._keep("recorder", self.recorder.run)
        if settings.mqtt:
            commander = Commander(Journal(settings.data / "commands.jsonl"), self.hub, self.executors)
            self.outward = Outward(settings, self.hub, self.recorder, commander, self.executors)
            for name, run in self.outward.start():
                self._keep(name, run)
        await self._status.start()
        if settings.metrics:
            self.metrics = MetricsServer(settings.metrics.port, self.status)
            await self.metrics.start()
        self._keep("watch", self._look)
        for line in settings.line:
            self._open(line)

    async def _end(self) -> None:
        for url in list(self._lines):
            await self._close(url)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.outward:
            await self.outward.close()
        if self.recorder:
            await self.recorder.flush()
            await asyncio.to_thread(self.recorder.spool.close)
        if self.metrics:
            await self.metrics.close()
        await self._status.close()

    def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(_guarded(name, run), name=name))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            self.hub.look()
            for event in self.recorder.spool.notices() if self.recorder else ():
                log.warning("event", code=event.code, source=event.source, **dict(event.args))

    # Lines

    def executors(self) -> list[LineTask]:
        """Who can carry out orders."""
        return [line for line, _ in self._lines.values()]

    def _open(self, settings: Line) -> None:
        line = self._line_task(settings)
        task = asyncio.create_task(_guarded(line.state.name, line.run), name=line.state.name)
        self._lines[settings.url] = (line, task)

    def _line_task(self, settings: Line) -> LineTask:
        if settings.protocol != "mgc1":
            return LineTask(settings, self.hub, memories=self._memories, cursors=self._cursors)
        from metergate.gateway.collector import CollectorLine

        return CollectorLine(settings, self.hub, self.recorder, self._cursors)

    async def _close(self, url: str) -> None:
        line, task = self._lines.pop(url)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.hub.forget(line.state.name)

    def reload(self) -> None:
        """Read the file again and change what changed; a file with a mistake changes nothing."""
        if self._reload is None:
            return
        try:
            fresh = self._reload()
        except ConfigError as error:
            log.error("the settings are not changed", reason=str(error))
            return
        task = asyncio.create_task(self.change(fresh))
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)

    async def change(self, fresh: Settings) -> None:
        """Where only lines differ, those are closed and opened; else all parts are made anew. Nothing kept is lost."""
        async with self._one_change:
            names = [field.name for field in fields(Settings) if field.name != "line"]
            changed = [name for name in names if getattr(fresh, name) != getattr(self.settings, name)]
            if changed:
                await self._change_all(fresh)
            else:
                await self._change_lines(fresh)
            self.reloads += 1
            log.info("settings read again", lines=len(self._lines), changed=changed)

    async def _change_lines(self, fresh: Settings) -> None:
        for url in [line.settings.url for line in self.executors() if line.settings not in fresh.line]:
            await self._close(url)
        for line in fresh.line:
            if line.url not in self._lines:
                self._open(line)
        self.settings = replace(self.settings, line=fresh.line)

    async def _change_all(self, fresh: Settings) -> None:
        """With settings under which it cannot start it goes on as before."""
        before = self.settings
        await self._end()
        self._take(fresh)
        try:
            await self._start()
        except MetergateError as error:
            log.error("the settings are not changed", reason=str(error))
            await self._end()
            self._take(before)
            await self._start()
        configure(self.settings.log)

    # Telling

    def status(self) -> dict[str, Any]:
        """Everything that an operator may want to know, as plain JSON."""
        recorder = self.recorder
        spool = recorder.spool if recorder else None
        return {
            "id": self.settings.id,
            "version": __version__,
            "began": self.began.isoformat(),
            "reloads": self.reloads,
            "lines": [self._line(line) for line, _ in self._lines.values()],
            "meters": [self._meter(meter) for meter in self.hub.meters.values()],
            "mqtt": self.outward.status() if self.outward else {},
            "spool": {
                "bytes": spool.size,
                "newest": spool.newest,
                "durable": spool.durable,
                "acknowledged": spool.acknowledged,
                "waiting": spool.newest - spool.acknowledged,
                "written": recorder.written,
                "errors": recorder.errors,
            }
            if recorder and spool
            else {},
            "events": self.hub.events,
            "clock_jumps": self.hub.host.jumps,
            "doubtful_times": self.hub.clocks.doubtful,
        }

    def _line(self, line: LineTask) -> dict[str, Any]:
        state = line.state
        return {
            "name": state.name,
            "protocol": state.protocol,
            "state": state.state,
            "reason": state.reason,
            "seconds": round(time.monotonic() - state.since, 1),
            "opened": state.opened,
            "stretch": round(line.pace.stretch, 2),
            "telegrams": state.telegrams,
            "readings": state.readings,
            "foreign": state.foreign,
            "problems": dict(state.problems),
        }

    def _meter(self, meter: MeterState) -> dict[str, Any]:
        rhythm = self.hub.watch.meters.get(meter.id)
        return {
            "id": meter.id,
            "name": meter.name,
            "line": meter.line,
            "protocol": meter.protocol,
            "manufacturer": meter.identity.manufacturer,
            "medium": meter.identity.medium.value if meter.identity.medium else None,
            "state": "silent" if rhythm is None or rhythm.silent else "ok",
            "age": round(time.monotonic() - meter.heard, 1),
            "interval": round(rhythm.interval, 3) if rhythm and rhythm.interval is not None else None,
            "telegrams": meter.telegrams,
            "problem": meter.problem,
            "values": {
                str(reading.register.obis or reading.register.address or reading.register.quantity): str(reading.value)
                + (f" {reading.unit.value}" if reading.unit else "")
                for reading in meter.readings
                if reading.value is not None and not isinstance(reading.value, bytes)
            },
        }


async def _guarded(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """A part that fails for a reason nobody thought of is named and started again; the others go on."""
    while True:
        try:
            await run()
        except MetergateError as error:
            log.error("a part failed", part=name, reason=str(error))
        except Exception:
            log.exception("a part failed", part=name)
        await asyncio.sleep(RESTART)
