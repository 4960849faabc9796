"""The live lane's end: a Sparkplug host that keeps latest values and presence, gives orders and hears what became of
them, and an ear for what gateways tell of their lines. Nothing depends on its delivery."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import close_old_connections
from django.utils import timezone

from metergate.links.mqtt import Message, MqttClient, Will
from metergate.model import Quality
from metergate.station.archive.models import Register
from metergate.station.collect import services
from metergate.station.collect.lines import Lines
from metergate.station.collect.models import Presence
from metergate.station.collect.services import Newest
from metergate.station.conf import StationConfig
from metergate.station.jobs.runner import Orders
from metergate.wire.base import Problem
from metergate.wire.sparkplug import Host, Out
from metergate.wire.sparkplug.edge import GOOD
from metergate.wire.sparkplug.host import Born, Died, Heard, Value

log = logging.getLogger(__name__)
EVERY = 0.5
"""Seconds between two writings of what was heard."""
_PLACES = Decimal("0.000001")


def note(heard: Iterable[Heard], at: datetime) -> int:
    """Take over what a host heard: births, deaths, values of registers that are known. Returns the values used.

    A node is a gateway, a device a meter, a metric the rest of its register's key. Values are what people look at:
    what is billed comes by the record lane.
    """
    values: dict[str, Value] = {}
    for said in heard:
        if isinstance(said, Value) and said.device and isinstance(said.value, int | float) and not said.historical:
            values[f"{said.device}/{said.name}"] = said
        elif isinstance(said, Born | Died):
            _turned(said)
    rows = Register.objects.filter(key__in=values)
    return services.note_latest([_newest(row, values[row.key], at) for row in rows])


def _turned(said: Born | Died) -> None:
    kind, code = (Presence.Kind.METER, said.device) if said.device else (Presence.Kind.GATEWAY, said.node)
    if isinstance(said, Born):
        services.heard(kind, code, said.at)
    else:
        services.died(kind, code, said.at)


def _newest(row: Register, said: Value, at: datetime) -> Newest:
    exact = Decimal(repr(said.value)).quantize(_PLACES)
    quality = Quality.GOOD if said.quality == GOOD else Quality.SUSPECT
    return Newest(row.pk, exact, said.time or at, at, quality)


class Listener:
    """One host at one broker; run one a station. `written(used)` is called after each writing."""

    def __init__(
        self, config: StationConfig, password: str | None, written: Callable[[int], None] = lambda used: None
    ) -> None:
        self.host = Host("metergate")
        self._written = written
        self._heard: list[Heard] = []
        self._news = asyncio.Event()
        self.lines = Lines()
        self.orders = Orders(self.host, config.group)
        self.turn = asyncio.Lock()
        self.client = MqttClient(
            config.broker,
            "station-live",
            password=password,
            will=self._will,
            version=4 if config.records else None,
        )

    async def run(self) -> None:
        """Until cancelled."""
        async with self.client:
            for topic_filter in self.host.filters:
                await self.client.subscribe(topic_filter, self._received, qos=1)
            self.client.greet(self._greet)
            await self._greet()
            await asyncio.gather(
                self._tick(),
                self._write(),
                self.lines.run(self.client, self.turn),
                self.orders.run(self.client, self.turn),
            )

    def _will(self) -> Will:
        out = self.host.will(timezone.now())
        return Will(out.topic, out.payload, out.qos, out.retain)

    async def _greet(self) -> None:
        await self._publish(self.host.online())

    async def _publish(self, out: Out) -> None:
        await self.client.publish(out.topic, out.payload, out.qos, out.retain)

    async def _received(self, message: Message) -> None:
        await self._take(self.host.receive(message.topic, message.payload, timezone.now()))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1)
            await self._take(self.host.tick(timezone.now()))

    async def _take(self, heard: Iterable[Heard]) -> None:
        for said in heard:
            if isinstance(said, Out):
                await self._publish(said)
            elif isinstance(said, Problem):
                log.warning("live lane: %s", said.message)
            else:
                self.orders.take(said)
                self._heard.append(said)
                self._news.set()

    async def _write(self) -> None:
        while await self._news.wait():
            self._news.clear()
            heard, self._heard = self._heard, []
            async with self.turn:
                used = await asyncio.to_thread(partial(_in_thread, heard))
            self._written(used)
            await asyncio.sleep(EVERY)


def _in_thread(heard: list[Heard]) -> int:
    close_old_connections()
    return note(heard, timezone.now())
