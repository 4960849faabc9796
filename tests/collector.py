"""An MQTT client that only collects, a clock that stands still, and readings, for the tests of publishers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from metergate.links.mqtt import Handler
from metergate.model import Medium, Obis, Reading, Register, Unit
from metergate.publish import MeterCard

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


class Collector:
    """An MQTT client that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bool]] = []
        self._news = asyncio.Event()
        self.handlers: dict[str, Handler] = {}
        self.greeters: list[Callable[[], Awaitable[None]]] = []

    def outlet(self, topic: str, retain: bool = False) -> CollectorOutlet:
        return CollectorOutlet(self, topic, retain)

    def greet(self, callback: Callable[[], Awaitable[None]]) -> None:
        self.greeters.append(callback)

    async def subscribe(self, topic_filter: str, handler: Handler, qos: int) -> None:
        self.handlers[topic_filter] = handler

    async def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        self.put(topic, payload, retain)

    def put(self, topic: str, payload: bytes, retain: bool) -> None:
        self.sent.append((topic, payload, retain))
        self._news.set()

    async def wait(self, count: int) -> None:
        """Until so many messages wait to be taken."""
        async with asyncio.timeout(20):
            while len(self.sent) < count:
                self._news.clear()
                await self._news.wait()

    def take(self) -> list[tuple[str, bytes, bool]]:
        found, self.sent = self.sent, []
        return found


class CollectorOutlet:
    def __init__(self, client: Collector, topic: str, retain: bool) -> None:
        self._client, self._topic, self._retain = client, topic, retain

    def send(self, payload: bytes) -> bool:
        self._client.put(self._topic, payload, self._retain)
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def reading(
    code: str, value: str | None, unit: Unit, meter: str = "1023497978063", at: datetime = NOW, **more: Any
) -> Reading:
    register = Register(meter, Obis.parse(code), unit=unit)
    return Reading(register, None if value is None else Decimal(value), received=at, **more)


CARD = MeterCard(
    "1023497978063",
    "Electricity meter",
    Medium.ELECTRICITY,
    "Landis+Gyr",
    "E470",
    "21L1234567",
    "1.0",
    unit_rate=Decimal("0.16401"),
    standing_charge=Decimal("0.19383"),
    currency="GBP",
)
