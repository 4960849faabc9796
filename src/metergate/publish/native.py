"""Our own topics: `metergate/<gateway>/meter/<id>/{state,availability,interval,totals,events}`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from metergate.model import Event, Reading
from metergate.publish.base import MeterCard, Mqtt, Outlet, availability, level, number, stamp
from metergate.publish.latest import Latest
from metergate.publish.periods import PERIODS, Periods

TOTALS = ("import", "export", "energy", "volume", "cost", "standing")
_NAMES = {"day": "today"}
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class NativeSettings:
    """`gateway`: its id. `interval`: least seconds between two states of a meter; `totals`: between two totals.
    `zone`: whose days, weeks, months and years the totals count.
    """

    gateway: str
    interval: float = 5.0
    totals: float = 60.0
    zone: ZoneInfo = _UTC


@dataclass(slots=True)
class _Meter:
    latest: Latest
    topic: str
    state: Outlet
    totals: Outlet
    available: bool = False
    told: float = float("-inf")
    summed: float = float("-inf")
    heads: dict[str, str] = field(default_factory=dict)
    periods: dict[str, Periods] = field(default_factory=dict)


def state_topic(gateway: str, meter: str) -> str:
    """Where a meter's states are published."""
    return f"metergate/{level(gateway)}/meter/{level(meter)}/state"


class NativePublisher:
    """States at QoS 0, never more often than `interval` and never without a new measurement; availability retained."""

    name = "native"

    def __init__(self, client: Mqtt, settings: NativeSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._settings, self._clock = client, settings, clock
        self._meters: dict[str, _Meter] = {}
        self._due: dict[str, None] = {}
        self._turned: dict[str, bool] = {}
        self._news = asyncio.Event()
        client.greet(self._announce)

    def meter(self, card: MeterCard) -> None:
        """A meter is there."""
        known = self._meters.get(card.id)
        if known is None:
            topic = f"metergate/{level(self._settings.gateway)}/meter/{level(card.id)}"
            outlets = self._client.outlet(f"{topic}/state"), self._client.outlet(f"{topic}/totals", retain=True)
            known = self._meters[card.id] = _Meter(Latest(card), topic, *outlets)
        known.latest.card = card
        self._turn(card.id, True)

    def accept(self, reading: Reading) -> None:
        """One value."""
        if known := self._meters.get(reading.register.meter):
            known.latest.accept(reading)

    def flush(self, meter: str) -> None:
        """Publish the meter's state, or, where the last one is too young, see to it that it comes in time."""
        known = self._meters.get(meter)
        if known is None or not known.latest.fresh:
            return
        if not known.available:
            self._turn(meter, True)
        now = self._clock()
        if now - known.told >= self._settings.interval:
            self._tell(known, now)
        else:
            self._due[meter] = None

    def silent(self, meter: str) -> None:
        """The meter is missed: its availability turns to offline."""
        if meter in self._meters:
            self._turn(meter, False)

    def tick(self) -> None:
        """Publish the states that were held back and may go now."""
        now = self._clock()
        for meter in list(self._due):
            known = self._meters[meter]
            if now - known.told >= self._settings.interval:
                del self._due[meter]
                self._tell(known, now)

    async def run(self) -> None:
        """Publish what was held back, and availability."""
        while True:
            try:
                async with asyncio.timeout(min(1.0, self._settings.interval or 1.0)):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            self.tick()
            turned, self._turned = self._turned, {}
            for meter, available in turned.items():
                await self._tell_availability(meter, available)

    async def interval(self, meter: str, start: datetime, end: datetime, import_wh: int, flags: list[str]) -> None:
        """One settled interval, QoS 1."""
        told = {"start": stamp(start), "end": stamp(end), "import_wh": import_wh, "status": flags}
        await self._publish(meter, "interval", told)

    async def event(self, meter: str, event: Event) -> None:
        """Something that happened to the meter, QoS 1."""
        told = {"ts": stamp(event.time), "code": event.code, "severity": event.severity.name.lower(), **event.args}
        await self._publish(meter, "events", told)

    async def _publish(self, meter: str, kind: str, told: Mapping[str, object]) -> None:
        topic = f"metergate/{level(self._settings.gateway)}/meter/{level(meter)}/{kind}"
        await self._client.publish(topic, json.dumps(told, default=str).encode(), qos=1)

    async def _announce(self) -> None:
        for meter, known in list(self._meters.items()):
            await self._tell_availability(meter, known.available)

    async def _tell_availability(self, meter: str, available: bool) -> None:
        topic = availability(self._settings.gateway, meter)
        await self._client.publish(topic, b"online" if available else b"offline", qos=1, retain=True)

    def _turn(self, meter: str, available: bool) -> None:
        if self._meters[meter].available is not available:
            self._meters[meter].available = self._turned[meter] = available
            self._news.set()

    def _tell(self, known: _Meter, now: float) -> None:
        latest = known.latest
        if latest.time is None:
            return
        latest.fresh, known.told = False, now
        values = latest.complete()
        known.state.send(_state(known, values).encode())
        self._sum(known, values, latest.time)
        if now - known.summed >= self._settings.totals:
            known.summed = now
            known.totals.send(_totals(known, values).encode())

    def _sum(self, known: _Meter, values: Mapping[str, Decimal], instant: datetime) -> None:
        for name in TOTALS:
            if name in values:
                if name not in known.periods:
                    known.periods[name] = Periods(self._settings.zone)
                known.periods[name].feed(instant, values[name])


def _state(known: _Meter, values: Mapping[str, Decimal]) -> str:
    """`{"ts":...,"import":15254.827,...,"status":[]}`; a missing value has no key."""
    latest = known.latest
    assert latest.time is not None
    parts = [f'{{"ts":"{stamp(latest.time)}"']
    for name, value in values.items():
        head = known.heads.get(name) or known.heads.setdefault(name, f"{json.dumps(name)}:")
        parts.append(f"{head}{value:f}")
    if latest.card.unit_rate is not None:
        parts.append(f'"rate":{number(latest.card.unit_rate)}')
    if latest.status:
        parts.append(f'"status_word":{latest.status}')
    flags = latest.status_flags()
    return f'{",".join(parts)},"status":{json.dumps(flags) if flags else "[]"}}}'


def _totals(known: _Meter, values: Mapping[str, Decimal]) -> str:
    """By field and period: the amount since `last_reset`."""
    assert known.latest.time is not None
    parts = [f'{{"ts":"{stamp(known.latest.time)}"']
    for name, periods in known.periods.items():
        if name in values:
            inner = (
                f'"{_NAMES.get(period, period)}":{{"value":{periods.since(period, values[name]):f},'
                f'"last_reset":"{stamp(periods.starts[period])}"}}'
                for period in PERIODS
            )
            parts.append(f"{json.dumps(name)}:{{{','.join(inner)}}}")
    return ",".join(parts) + "}"
