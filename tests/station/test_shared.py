"""Workers at a broker that is not ours: they share one MQTT 5 subscription, and one that dies is not missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from brokers import Mosquitto, mosquitto
from metergate.links.mqtt import Message, MqttClient
from metergate.station.collect import ingest
from metergate.station.collect.worker import Worker, client_of
from metergate.station.conf import StationConfig
from metergate.wire.batch import Ack, decode_ack, encode
from station.test_ingest import batch, stored

pytestmark = [pytest.mark.django_db(transaction=True)]
RECORD, ACK = "metergate/g/record/gw1", "metergate/g/ack/gw1"
BATCHES, MORE, SIZE = 16, 4, 4


def subscribed(worker: Worker) -> bool:
    return any(each.established and "/record/" in each.filter for each in worker.client._subscriptions.values())


@asynccontextmanager
async def at_work(broker: Mosquitto, name: str) -> AsyncIterator[Worker]:
    """A worker that has subscribed."""
    config = StationConfig(broker=broker.url, group="g")
    worker = Worker(config, client_of(config, name))
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(30):
        while not subscribed(worker):  # noqa: ASYNC110 - it tells nobody when the broker consented
            await asyncio.sleep(0.01)
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await worker.close()


@pytest.fixture
def one_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' database lives in memory and takes one writer at a time."""
    store, turn = ingest.store, Lock()

    def in_turn(*given: Any) -> Ack:
        with turn:
            return store(*given)

    monkeypatch.setattr(ingest, "store", in_turn)


@pytest.mark.usefixtures("one_writer")
def test_the_work_is_shared_and_goes_on_when_one_ends(tmp_path: Path) -> None:
    async def story() -> tuple[int, int]:
        cursors: asyncio.Queue[int] = asyncio.Queue()

        async def send(gateway: MqttClient, numbers: range) -> None:
            for number in numbers:
                await gateway.publish(RECORD, encode(batch(number * SIZE, after=number * 8)), qos=1)
            async with asyncio.timeout(60):
                while await cursors.get() < numbers.stop * 8:
                    pass

        def hear(message: Message) -> None:
            cursors.put_nowait(decode_ack(message.payload).cursor)

        with mosquitto(tmp_path) as broker:
            async with MqttClient(broker.url, "gw1", version=4) as gateway, at_work(broker, "first") as first:
                await gateway.subscribe(ACK, hear, qos=1)
                async with at_work(broker, "second") as second:
                    await send(gateway, range(BATCHES))
                shared = first.stored, second.stored
                await send(gateway, range(BATCHES, BATCHES + MORE))
                assert first.stored == shared[0] + MORE
        return shared

    shares = asyncio.run(story())
    assert sum(shares) == BATCHES
    assert min(shares) > 0
    assert [place for place, _ in stored()] == list(range((BATCHES + MORE) * SIZE))
