"""A worker at a real broker: what a gateway publishes is stored and acknowledged, poison put aside, wills heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError

from metergate.errors import LinkError
from metergate.links.broker import Broker, BrokerSettings, ensure_stream, gateway_user, station_user
from metergate.links.mqtt import Message, MqttClient
from metergate.station.collect import ingest
from metergate.station.collect import worker as worker_module
from metergate.station.collect.models import Presence
from metergate.station.collect.worker import Worker, client_of
from metergate.station.conf import StationConfig
from metergate.wire.batch import Ack, decode_ack, encode
from station.test_ingest import EPOCH, batch, stored

pytestmark = [pytest.mark.django_db(transaction=True)]
RECORD, ACK = "metergate/g/record/gw1", "metergate/g/ack/gw1"


class Bench:
    """A broker, a gateway's client and what it was told."""

    def __init__(self, broker: Broker, gateway: MqttClient) -> None:
        self.broker = broker
        self.gateway = gateway
        self.acks: asyncio.Queue[Ack] = asyncio.Queue()

    def hear(self, message: Message) -> None:
        self.acks.put_nowait(decode_ack(message.payload))

    async def next_ack(self) -> Ack:
        async with asyncio.timeout(30):
            return await self.acks.get()


@asynccontextmanager
async def bench(folder: Path, kind: type[Worker] = Worker) -> AsyncIterator[tuple[Bench, Worker]]:
    async with Broker(BrokerSettings(folder, port=0), [station_user(), gateway_user("g", "gw1")]) as broker:
        await ensure_stream(broker.native_url, "station", broker.password("station"))
        config = StationConfig(
            broker=str(broker.address("station")),
            broker_password_file=str(broker.password_file("station")),
            records=broker.native_url,
            group="g",
        )
        gateway = MqttClient(broker.address("gw1"), "gw1", password=broker.password("gw1"), version=4)
        async with gateway:
            table = Bench(broker, gateway)
            await gateway.subscribe(ACK, table.hear, qos=1)
            worker = kind(config, client_of(config, "station-ingest-test"))
            task = asyncio.create_task(worker.run())
            try:
                yield table, worker
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await worker.close()


def test_from_the_gateway_to_blocks_and_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as (table, worker):
            await table.gateway.publish(RECORD, encode(batch(0)))
            assert await table.next_ack() == Ack(EPOCH, 8)
            await table.gateway.publish(RECORD, b"no batch at all")
            await table.gateway.publish(RECORD, encode(batch(4, after=8)))
            assert await table.next_ack() == Ack(EPOCH, 16)
            assert (worker.stored, worker.refused) == (2, 1)

    asyncio.run(story())
    assert stored() == [(i, 1000 + 7 * i) for i in range(8)]


def test_a_database_that_restarts_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, refusals = ingest.store, [OperationalError("server closed the connection"), InterfaceError("closed")]

    def restarting(*given: Any) -> Ack:
        if refusals:
            raise refusals.pop()
        return store(*given)

    async def story() -> None:
        async with bench(tmp_path) as (table, worker):
            monkeypatch.setattr(ingest, "store", restarting)
            await table.gateway.publish(RECORD, encode(batch(0)))
            assert await table.next_ack() == Ack(EPOCH, 8)
            assert (worker.stored, worker.refused, refusals) == (1, 0, [])

    asyncio.run(story())
    assert len(stored()) == 4


def test_what_was_sent_while_no_worker_ran_is_found(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as (table, _):
            await table.gateway.publish(RECORD, encode(batch(0)))
            await table.next_ack()
        async with Broker(BrokerSettings(tmp_path, port=0), [station_user(), gateway_user("g", "gw1")]) as broker:
            gateway = MqttClient(broker.address("gw1"), "gw1", password=broker.password("gw1"), version=4)
            async with gateway:
                await gateway.publish(RECORD, encode(batch(4, after=8)))
        async with bench(tmp_path) as (table, worker):
            await table.gateway.publish(RECORD, encode(batch(8, after=16)))
            while (await table.next_ack()).cursor < 24:
                pass
            assert worker.stored == 2

    asyncio.run(story())
    assert len(stored()) == 12


class DeafSource:
    """A record source that swallows the request to end, as a wait that is just over may do."""

    def __init__(self, fails: bool) -> None:
        self.fails = fails
        self.waiting = asyncio.Event()

    @asynccontextmanager
    async def __call__(self, *_: object) -> AsyncIterator[DeafSource]:
        yield self

    async def fetch(self, count: int) -> list[object]:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self.fails:
                raise LinkError("the connection is closed") from None
        return []


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_ends_when_asked_even_if_nobody_passes_it_on(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    async def story() -> bool:
        source = DeafSource(fails)
        monkeypatch.setattr(worker_module, "record_source", source)
        config = StationConfig(broker="mqtt://station@127.0.0.1:1", records="nats://127.0.0.1:1")
        task = asyncio.create_task(Worker(config, client_of(config, "deaf"))._stream())
        async with asyncio.timeout(30):
            await source.waiting.wait()
            task.cancel()
            await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(story())


class Attentive(Worker):
    """Tells when it has heard."""

    told: asyncio.Queue[tuple[bytes, str]]

    async def available(self, message: Message) -> None:
        await super().available(message)
        self.told.put_nowait((message.payload, await sync_to_async(_state)()))


def test_births_and_wills_become_presence(tmp_path: Path) -> None:
    async def story() -> None:
        Attentive.told = asyncio.Queue()
        async with bench(tmp_path, Attentive) as (table, _):
            for word in (b"online", b"offline"):
                await table.gateway.publish("metergate/gw1/availability", word, retain=True)
                async with asyncio.timeout(30):
                    heard.append(await Attentive.told.get())

    heard: list[tuple[bytes, str]] = []
    asyncio.run(story())
    assert heard == [(b"online", "ok"), (b"offline", "down")]


def _state() -> str:
    return Presence.objects.get(kind="gateway", code="gw1").state
