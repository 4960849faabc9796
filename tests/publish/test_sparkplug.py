"""The gateway's live lane at a real broker: births, data, deaths, and orders that are checked first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from brokers import mosquitto
from collector import CARD, NOW, reading
from metergate.errors import Refused
from metergate.links.mqtt import Message, MqttClient
from metergate.model import CloseValve, Command, CommandResult, Outcome, Quality, ReadNow, ReadProfile, Unit
from metergate.publish import SparkplugPublisher, SparkplugSettings
from metergate.publish.sparkplug import order_of
from metergate.wire.sparkplug import Born, DataType, Died, Host, Metric, Out, Value
from metergate.wire.sparkplug import Command as Order

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()


class Station:
    """A host application at a broker, and everything it heard."""

    def __init__(self, client: MqttClient) -> None:
        self.host, self.client = Host("station"), client
        self.heard: list[Any] = []
        self._news = asyncio.Condition()

    async def start(self) -> None:
        for topic_filter in self.host.filters:
            await self.client.subscribe(topic_filter, self._take, qos=1)
        self.host.will(NOW)
        online = self.host.online()
        await self.client.publish(online.topic, online.payload, online.qos, online.retain)

    async def _take(self, message: Message) -> None:
        for said in self.host.receive(message.topic, message.payload, datetime.now(UTC)):
            self.heard.append(said)
            if isinstance(said, Out):
                self.client.send(said.topic, said.payload)
        async with self._news:
            self._news.notify_all()

    async def wait(self, *wanted: Any) -> None:
        """Until `wanted` (values by name, or kinds) was heard."""
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: all(any(self._is(item, w) for item in self.heard) for w in wanted))

    @staticmethod
    def _is(item: Any, wanted: Any) -> bool:
        if isinstance(wanted, tuple):
            return isinstance(item, Value) and (item.name, item.value) == wanted
        return isinstance(item, wanted)


World = tuple[Station, SparkplugPublisher, MqttClient, list[Command]]


@asynccontextmanager
async def world(folder: Path, **more: Any) -> AsyncIterator[World]:
    orders: list[Command] = []
    settings = SparkplugSettings("town", "gw1", state=folder / "bdseq", key=PUBLIC, **more)
    publisher = SparkplugPublisher(settings, orders.append)
    with mosquitto(folder / "broker") as broker:
        live = MqttClient(broker.url, "gw1-live", will=publisher.will, backoff=(0.01, 0.1))
        async with MqttClient(broker.url, "station") as client, live:
            station = Station(client)
            await station.start()
            await publisher.attach(live)
            yield station, publisher, live, orders


def telegram(publisher: SparkplugPublisher, wh: str, watts: str | None = "425") -> None:
    publisher.meter(CARD)
    publisher.accept(reading("1-0:1.8.0", wh, Unit.WH))
    publisher.accept(reading("1-0:16.7.0", watts, Unit.W))
    publisher.flush(CARD.id)


@pytest.mark.anyio
@pytest.mark.parametrize("primary", [None, "station"])
async def test_from_birth_to_death(primary: str | None, tmp_path: Path) -> None:
    async with world(tmp_path, primary=primary) as (station, publisher, live, _):
        telegram(publisher, "1000")
        await station.wait(("1-0:1.8.0*255", 1000.0), ("1-0:16.7.0*255", 425.0))
        found = next(v for v in station.heard if isinstance(v, Value) and v.name == "1-0:1.8.0*255")
        assert (found.device, found.time, found.type) == (CARD.id, NOW, DataType.DOUBLE)
        telegram(publisher, "1001", None)
        await station.wait(("1-0:1.8.0*255", 1001.0), ("1-0:16.7.0*255", None))
        publisher.silent(CARD.id)
        await station.wait(Died)
        assert not station.host.alive("town", "gw1", CARD.id)
        station.heard.clear()
        telegram(publisher, "1002")
        await station.wait(Born, ("1-0:1.8.0*255", 1002.0))
        station.heard.clear()
        await (await live.ready(20)).abort()
        await station.wait(Died, Born, ("1-0:1.8.0*255", 1002.0))
        await publisher.close()
        assert int((tmp_path / "bdseq").read_text()) == publisher.edge.bd_seq == 1


@pytest.mark.anyio
async def test_orders_come_and_are_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as (station, publisher, _, orders):
        telegram(publisher, "1000")
        await station.wait(("1-0:1.8.0*255", 1000.0))
        where = ("town", "gw1", CARD.id)
        for command_id, name, value in (("id-1", "read-now", True), ("id-2", "valve", False)):
            named = Metric("Cmd/id", type=DataType.STRING, value=command_id)
            wanted = Metric(f"Cmd/{name}", type=DataType.BOOLEAN, value=value)
            out = station.host.command(where, (named, wanted), NOW)
            await station.client.publish(out.topic, out.payload, qos=0)
        await station.wait(("Cmd/lastId", "id-2"), ("Cmd/result", "refused"))
        assert orders == [ReadNow("id-1", CARD.id)]
        publisher.answer(CARD.id, CommandResult("id-1", Outcome.DONE))
        await station.wait(("Cmd/lastId", "id-1"), ("Cmd/result", "done"))


def order(name: str = "valve", value: object = False, **more: Any) -> Order:
    fields: dict[str, Any] = {"id": "7", "expires": NOW + timedelta(minutes=1), **more}
    return Order("m", name, value, **fields)  # type: ignore[arg-type]


def test_a_signed_order_is_obeyed() -> None:
    given = order()
    signed = order(signature=KEY.sign(given.signed_text))
    assert order_of(signed, "m", NOW, PUBLIC) == CloseValve("7", "m", given.expires)
    assert order_of(order("read-now", True, expires=None), "m", NOW, None) == ReadNow("7", "m")
    gap = order("read-profile", "1-0:1.8.0 2026-11-22T00:00:00Z 2026-11-22T06:00:00+00:00", expires=None)
    begin = datetime(2026, 11, 22, tzinfo=UTC)
    wanted = ReadProfile("7", "m", None, "1-0:1.8.0", begin, begin + timedelta(hours=6))
    assert order_of(gap, "m", NOW, None) == wanted


@pytest.mark.parametrize(
    ("given", "key", "told"),
    [
        (order(), PUBLIC, "signed"),
        (order(signature=KEY.sign(order().signed_text)), None, "signed"),
        (order(signature=KEY.sign(order(value=True).signed_text)), PUBLIC, "wrong signature"),
        (order(signature=b"short"), PUBLIC, "wrong signature"),
        (order(expires=None, signature=KEY.sign(order(expires=None).signed_text)), PUBLIC, "expire"),
        (order(expires=NOW), PUBLIC, "expired"),
        (order(id=None), PUBLIC, "id"),
        (order("valve", 3), PUBLIC, "no such order"),
        (order("read-profile", "1-0:1.8.0 yesterday today"), PUBLIC, "REGISTER BEGIN END"),
        (order("read-profile", "1-0:1.8.0 2026-11-22T00:00:00 2026-11-23T00:00:00"), PUBLIC, "zone"),
        (order("explode", True), PUBLIC, "no such order"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_orders_that_are_refused(given: Order, key: bytes | None, told: str) -> None:
    with pytest.raises(Refused, match=told):
        order_of(given, "m", NOW, key)


@pytest.mark.anyio
async def test_bad_and_missing_values_are_graded(tmp_path: Path) -> None:
    async with world(tmp_path) as (station, publisher, _, _orders):
        telegram(publisher, "1000")
        publisher.accept(reading("1-0:1.8.0", "1005", Unit.WH, quality=Quality.BAD))
        publisher.flush(CARD.id)
        await station.wait(("1-0:1.8.0*255", 1005.0))
        assert [v.quality for v in station.heard if isinstance(v, Value) and v.value == 1005.0] == [0]
