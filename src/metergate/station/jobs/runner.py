"""Orders on their way: whoever has the live lane's connection tells them to gateways and hears what became of them.

Rows are written before anything is sent and every order has an id that a gateway obeys once, so this may be killed at
any instant and started again, or run twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from datetime import datetime

from django.db import Error, close_old_connections
from django.utils import timezone

from metergate.links.mqtt import MqttClient
from metergate.publish.base import level
from metergate.station.jobs import reread, services
from metergate.station.jobs.models import Order
from metergate.station.jobs.services import Answer
from metergate.wire.sparkplug import DataType, Host, Metric, Out, Value
from metergate.wire.sparkplug.topics import ms

log = logging.getLogger(__name__)
EVERY = 0.5
"""Seconds between two turns."""
LOOK = 30.0
"""Seconds between two looks whether a round of re-reading is due."""
WAITING = 20_000
"""Answers that wait for the next turn at most; who got lost answers again when he is told again."""
_PARTS = ("Cmd/lastId", "Cmd/result", "Cmd/error")


class Answers:
    """Puts the three metrics of an answer together; a gateway says them in one message, in this order."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], dict[str, str]] = {}

    def take(self, said: object) -> Answer | None:
        """One metric; the answer that it completes."""
        if not isinstance(said, Value) or said.device is None or said.name not in _PARTS:
            return None
        parts = self._open.setdefault((said.node, said.device), {})
        parts[said.name] = said.value if isinstance(said.value, str) else ""
        if said.name != _PARTS[-1]:
            return None
        del self._open[said.node, said.device]
        order, outcome, text = (parts.get(name, "") for name in _PARTS)
        return Answer(said.node, order, outcome, text) if order and outcome else None


def message(host: Host, group: str, order: Order, now: datetime) -> Out:
    """What tells an order to its gateway."""
    span = services.span_of(order)
    what = (DataType.STRING, str(span)) if span else (DataType.BOOLEAN, True)
    metrics = (
        Metric(f"Cmd/{order.act}", type=what[0], value=what[1]),
        Metric("Cmd/id", type=DataType.STRING, value=order.pk),
        Metric("Cmd/expires", type=DataType.DATETIME, value=ms(order.expires or now + services.life(order))),
    )
    return host.command((level(group), level(order.gateway), level(order.meter.identity)), metrics, now)


class Orders:
    """The orders of a station: run one beside its host."""

    def __init__(self, host: Host, group: str) -> None:
        self._host, self._group = host, group
        self._answers = Answers()
        self._heard: deque[Answer] = deque(maxlen=WAITING)
        self._looked = -LOOK

    def take(self, said: object) -> None:
        """Something that a gateway said."""
        if answer := self._answers.take(said):
            self._heard.append(answer)

    async def run(self, client: MqttClient, turn: asyncio.Lock) -> None:
        """Until cancelled. `turn` is held while the database is used."""
        while True:
            heard = list(self._heard)
            self._heard.clear()
            async with turn:
                ready = await asyncio.to_thread(self._turn, heard)
            now = timezone.now()
            for order in ready:
                out = message(self._host, self._group, order, now)
                client.send(out.topic, out.payload)
            await asyncio.sleep(EVERY)

    def _turn(self, heard: list[Answer]) -> list[Order]:
        """A database that is busy costs a turn: what was heard is said again when it is told again."""
        close_old_connections()
        try:
            if time.monotonic() - self._looked >= LOOK:
                self._looked = time.monotonic()
                reread.look(timezone.now())
            return services.turn(heard, timezone.now())
        except Error as error:
            log.warning("orders: %s", error)
            return []
