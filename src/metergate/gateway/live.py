"""The live lane: Sparkplug B on a connection of its own, orders from the station and their answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from metergate.gateway.broker import client_of
from metergate.gateway.commands import Commander
from metergate.gateway.settings import Mqtt, Settings, Station
from metergate.links.mqtt import State
from metergate.meters.pollers import read_key
from metergate.model import Command
from metergate.publish.sparkplug import SparkplugPublisher, SparkplugSettings

log = structlog.get_logger(__name__)


class Live:
    """The node at the broker. Its client's will is its death, so it needs a client of its own."""

    def __init__(self, settings: Settings, mqtt: Mqtt, station: Station, commander: Commander) -> None:
        wanted = SparkplugSettings(
            station.group,
            settings.id,
            station.primary,
            _kept(settings.data),
            read_key(station.key_file) if station.key_file else None,
        )
        self._commander = commander
        self._orders: set[asyncio.Task[None]] = set()
        self.publisher = SparkplugPublisher(wanted, self._order)
        self.client = client_of(mqtt, f"metergate-{settings.id}-live", self.publisher.will, "-live")

    async def run(self) -> None:
        """Connect and stay."""
        await self.publisher.attach(self.client)
        await asyncio.Event().wait()

    def _order(self, command: Command) -> None:
        log.info("order", id=command.id, meter=command.meter, order=type(command).__name__)
        task = asyncio.create_task(self._execute(command))
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def _execute(self, command: Command) -> None:
        self.publisher.answer(command.meter, await self._commander.execute(command))

    async def close(self) -> None:
        """Say goodbye."""
        if self.client.state is State.ONLINE:
            await self.publisher.close()
        await self.client.close()


def _kept(folder: Path) -> Path:
    return folder / "sparkplug.seq"
