"""What all publishers share: who a meter is, how values become text, and the shape of a publisher."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from metergate.links.mqtt import Handler
from metergate.model import Medium, Obis, Reading, TimeQuality


@dataclass(frozen=True, slots=True)
class MeterCard:
    """What a publisher tells of a meter. Prices are per kWh (or m3) and per day in the tariff's currency.

    `kwh_per_m3` turns gas volume into energy where the meter does not. `sensors` are further values by OBIS code.
    """

    id: str
    name: str = ""
    medium: Medium | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    software: str | None = None
    mpan: str = ""
    supplier: str = ""
    unit_rate: Decimal | None = None
    standing_charge: Decimal | None = None
    currency: str = "EUR"
    kwh_per_m3: Decimal | None = None
    sensors: Mapping[str, Obis] = field(default_factory=dict)


class Outlet(Protocol):
    """A topic made ready for live data."""

    def send(self, payload: bytes) -> bool:
        """Hand over; False when it was dropped."""
        ...


class Mqtt(Protocol):
    """What publishers need of an MQTT client; `links.mqtt.MqttClient` is one."""

    def outlet(self, topic: str, retain: bool = False) -> Outlet:
        """A topic made ready."""
        ...

    def greet(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have `callback` awaited after every connect."""
        ...

    async def subscribe(self, topic_filter: str, handler: Handler, qos: int) -> object:
        """Have `handler` called with every message, over reconnects."""
        ...

    async def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        """Publish and wait until the broker has it."""
        ...


class Publisher(Protocol):
    """Somebody who gets readings. Nothing but `run` may wait."""

    name: str

    def meter(self, card: MeterCard) -> None:
        """A meter is there: for the first time, again, or under another name."""
        ...

    def accept(self, reading: Reading) -> None:
        """One value; cheap."""
        ...

    def flush(self, meter: str) -> None:
        """The telegram is over: publish what it changed."""
        ...

    def silent(self, meter: str) -> None:
        """The meter is missed."""
        ...

    async def run(self) -> None:
        """Do what has to be done in time, until cancelled."""
        ...


def level(text: str) -> str:
    """`text` as one level of a topic that every broker and program takes: others' signs become `_`. Never empty."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text) or "_"


def slug(text: str) -> str:
    """`text` as an identifier: letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text) or "_"


def measured(reading: Reading) -> datetime | None:
    """When it was measured: by the meter's clock where that can be believed, else when the meter was heard."""
    if reading.meter_time and reading.time_quality in (TimeQuality.SYNCHRONISED, TimeQuality.UNCHECKED):
        return reading.meter_time
    return reading.received


def stamp(instant: datetime) -> str:
    """`2026-11-22T18:30:00Z`, for an instant in UTC."""
    return f"{instant.isoformat(timespec='seconds')[:19]}Z"


def number(value: Decimal) -> str:
    """A JSON number with exactly the digits of `value`."""
    return format(value, "f")


def availability(gateway: str, meter: str) -> str:
    """The topic that says whether the meter is heard: `online` or `offline`, retained."""
    return f"metergate/{level(gateway)}/meter/{level(meter)}/availability"
