"""The simulator's processes: each runs until it is stopped, and may be killed at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from metergate.errors import LinkError, MetergateError
from metergate.links import Link, open_link
from metergate.meters.driver import Line as BusLine
from metergate.meters.pollers import POLLERS, Poller, Target
from metergate.model import CloseValve, OpenValve
from metergate.sim import bank as answering
from metergate.sim.clock import SimClock, next_tick
from metergate.sim.collector import Channel, Memory
from metergate.sim.line import Line
from metergate.sim.meters import Pusher, responder, source
from metergate.sim.meters.base import reader_options
from metergate.sim.source import COUNTED
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.mgc1.collector import Collector
from metergate.wire.mgc1.records import ValvePosition

QUARTER = timedelta(minutes=15)
FLICKER = 0.1
PATIENCE = 20.0
"""Seconds to wait for a port."""


async def _patiently(port: str) -> Link:
    """Open a port that another process may still be about to make. LinkError if it does not come."""
    for _ in range(int(PATIENCE / 0.1)):
        with contextlib.suppress(LinkError):
            return await open_link(port)
        await asyncio.sleep(0.1)
    return await open_link(port)


def _made(port: str) -> str:
    """A plain path becomes a PTY with that name; other addresses are taken as they are."""
    return port if "://" in port else f"pty://{Path(port).absolute()}"


def _tape(path: Path, speed: float) -> str:
    return f"tape://{path.absolute()}?speed={speed:g}&loop=1"


async def line(ports: Sequence[str], baud: int, bits: int, speed: float, faults: dict[str, Any]) -> None:
    """A half-duplex bus between PTYs (or any link addresses)."""
    links = [await open_link(_made(port)) for port in ports]
    bus = Line(links, baud, bits, speed)
    for name, value in faults.items():
        setattr(bus.faults, name, value)
    await bus.run()


async def meters(port: str, bank: Bank) -> None:
    """Meters that answer on one port of a bus."""
    link = await _patiently(port)
    answerers = answering.Bank(link, [responder(spec, bank) for spec in bank.meters], bank.time)
    answerers.silent = {place for place, spec in enumerate(bank.meters) if spec.silent}
    await answerers.run()


async def pushers(port: str, bank: Bank) -> None:
    """Meters that talk by themselves into one port: a radio receiver's air, or an optical head."""
    link = await open_link(_made(port))
    async with asyncio.TaskGroup() as group:
        for spec in bank.meters:
            group.create_task(_push(link, spec, bank))


async def _push(link: Link, spec: MeterSpec, bank: Bank) -> None:
    pusher, clock = Pusher(spec, bank), bank.time
    dice = random.Random(spec.id)  # noqa: S311 - pacing, not secrets
    period = spec.every / clock.speed
    await asyncio.sleep(dice.random() * period)
    while True:
        if not spec.silent:
            for frame in pusher.frames(clock.now()):
                await link.write(frame)
        await asyncio.sleep(period * dice.uniform(1 - FLICKER / 10, 1 + FLICKER / 10))


async def replay(tape: Path, port: str, speed: float) -> None:
    """A recorded line, over and over."""
    link = await open_link(_made(port))
    recorded = await open_link(_tape(tape, speed))
    while data := await recorded.read():
        await link.write(data)


class CollectorProcess:
    """A collector between two lines: asked by the station above, asking its meters below."""

    def __init__(self, address: int, bank: Bank, state: Path, ups: timedelta) -> None:
        channels = [
            Channel(spec.channel, COUNTED[spec.protocol, spec.kind], None, spec.kind == 0x30) for spec in bank.meters
        ]
        self.clock: SimClock = bank.time
        self.memory = Memory(channels, state, f"{address:08d}")
        self.collector = Collector(address, self.memory)
        self.specs = {spec.channel: spec for spec in bank.meters}
        self._ups = ups
        self._pollers: dict[str, Poller] = {}

    async def run(self, upward: str, bus: str | None, bank: Bank) -> None:
        """Until the process ends."""
        above = await _patiently(upward)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._mains_fail)
        loop.add_signal_handler(signal.SIGUSR2, lambda: self.memory.mains(True, self.clock.now()))
        async with asyncio.TaskGroup() as group:
            group.create_task(answering.Bank(above, [self.collector], self.clock, delay=(0.001, 0.003)).run())
            if bus is None:
                self._build_in(bank)
                group.create_task(self._log_built_in())
            else:
                group.create_task(self._read_bus(BusLine(await _patiently(bus))))

    def _build_in(self, bank: Bank) -> None:
        for number, channel in self.memory.channels.items():
            channel.source = source(self.specs[number], bank)

    async def _log_built_in(self) -> None:
        while True:
            tick = next_tick(self.clock.now(), QUARTER)
            await asyncio.sleep(self.clock.until(tick))
            self.memory.tick(tick)

    async def _read_bus(self, bus: BusLine) -> None:
        """Round and round; when a quarter begins, a whole round is read and logged.

        Each value has the instant at which it was read by the collector's clock, shortly after the quarter's mark.
        """
        tick = next_tick(self.clock.now(), QUARTER)
        while True:
            for number, channel in self.memory.channels.items():
                if self.clock.now() >= tick:
                    break
                await self._carry_out_orders(bus)
                await self._read(bus, self.specs[number], channel)
            else:
                continue
            for number, channel in self.memory.channels.items():
                await self._read(bus, self.specs[number], channel)
            self.memory.tick(tick)
            tick = next_tick(self.clock.now(), QUARTER)

    async def _read(self, bus: BusLine, spec: MeterSpec, channel: Channel) -> None:
        try:
            telegram = await bus.ask(self._poller(spec).read(_target(spec)))
        except MetergateError:
            channel.silent = True
            return
        values = {
            reading.obis: reading.value
            for reading in telegram.readings
            if reading.obis in channel.registers and not reading.register.storage and reading.value is not None
        }
        channel.show(values, self.clock.now())  # type: ignore[arg-type]

    def _poller(self, spec: MeterSpec) -> Poller:
        """One for all meters of a protocol: it remembers what it learns of them."""
        if spec.protocol not in self._pollers:
            self._pollers[spec.protocol] = POLLERS[spec.protocol](reader_options(spec.protocol))
        return self._pollers[spec.protocol]

    async def _carry_out_orders(self, bus: BusLine) -> None:
        while self.memory.orders:
            order = self.memory.orders.pop(0)
            spec = self.specs[order.channel]
            if self.clock.now() > order.expires:
                continue
            command = (CloseValve if order.close else OpenValve)(str(order.id), spec.id)
            with contextlib.suppress(MetergateError):
                await bus.ask(self._poller(spec).execute(_target(spec), command, self.clock.now()))
                self.memory.arrived(order.channel, ValvePosition.CLOSED if order.close else ValvePosition.OPEN)

    def _mains_fail(self) -> None:
        """On battery from now on; when it is empty the process ends as if killed."""
        self.memory.mains(False, self.clock.now())
        asyncio.get_running_loop().call_later(self._ups.total_seconds() / self.clock.speed, _die, self.memory)


def _die(memory: Memory) -> None:
    if not memory.on_mains:
        signal.raise_signal(signal.SIGKILL)


def _target(spec: MeterSpec) -> Target:
    return Target(spec.id, f"{spec.kind:02X}:{spec.id}" if spec.protocol == "cjt188" else spec.id)


def until_stopped(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` until SIGTERM or Ctrl-C."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        for order in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(order, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await work()

    asyncio.run(main())
