"""The live lane: births, data and deaths as a Sparkplug host sees them, and orders that come back answered."""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers import Mosquitto, mosquitto
from faulty import serve, stop
from metergate.gateway.daemon import Gateway
from metergate.gateway.settings import HomeAssistant, Line, Meter, Mqtt, Publish, Settings, Station
from metergate.links import open_link
from metergate.links.mqtt import Message, MqttClient
from metergate.model import Obis
from metergate.toml import Seconds
from metergate.wire.dlt645 import Meter as Dlt645Meter
from metergate.wire.sparkplug import DataType, Metric
from metergate.wire.sparkplug.host import Host, Value
from metergate.wire.sparkplug.topics import ms

pytestmark = pytest.mark.anyio
ADDRESS = "112233445566"
ENERGY = Obis.parse("1-0:1.8.0")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as broker:
        yield broker


class Watcher:
    """A host application on the broker."""

    def __init__(self, client: MqttClient) -> None:
        self.host = Host("station", ("north",))
        self.client = client
        self.values: dict[str, Any] = {}
        self.news = asyncio.Condition()

    async def take(self, message: Message) -> None:
        for heard in self.host.receive(message.topic, message.payload, datetime.now(UTC)):
            if isinstance(heard, Value):
                self.values[heard.name] = heard.value
        async with self.news:
            self.news.notify_all()

    async def until(self, what: Any) -> None:
        async with asyncio.timeout(20), self.news:
            await self.news.wait_for(what)

    async def order(self, name: str, order_id: str, value: bool = True) -> None:
        later = ms(datetime.now(UTC) + timedelta(minutes=1))
        metrics = (
            Metric(name=f"Cmd/{name}", type=DataType.BOOLEAN, value=value),
            Metric(name="Cmd/id", type=DataType.STRING, value=order_id),
            Metric(name="Cmd/expires", type=DataType.DATETIME, value=later),
        )
        out = self.host.command(("north", "gw1", ADDRESS), metrics, datetime.now(UTC))
        await self.client.publish(out.topic, out.payload, qos=1)


@asynccontextmanager
async def street(broker: Mosquitto, folder: Path) -> Any:
    """A gateway that asks one meter, and a host that listens."""
    asked: list[datetime] = []

    def source(obis: Obis, at: datetime) -> Decimal | None:
        asked.append(at)
        return Decimal(100 + len(asked)) if obis == ENERGY else None

    settings = Settings(
        line=(Line("loop://live", "dlt645", meter=(Meter(id=ADDRESS, registers=("00010000",)),), jitter=Decimal(0)),),
        mqtt=Mqtt(broker.url),
        id="gw1",
        data=folder / "data",
        station=Station("north", delay=Seconds(0.05)),
        publish=Publish(homeassistant=HomeAssistant(enabled=False)),
    )
    theirs = await open_link("loop://live")
    serving = asyncio.create_task(serve(theirs, [Dlt645Meter(ADDRESS, source, datetime(2026, 1, 1, tzinfo=UTC))]))
    async with MqttClient(broker.url, "host", linger=0) as client:
        watcher = Watcher(client)
        await client.subscribe("spBv1.0/#", watcher.take, qos=1)
        gateway = Gateway(settings)
        running = asyncio.create_task(gateway.run())
        try:
            yield gateway, watcher, asked
        finally:
            gateway.stop()
            await running
            await watcher.until(lambda: not watcher.host.alive("north", "gw1"))
            await stop(serving)


async def test_births_data_and_orders(broker: Mosquitto, tmp_path: Path) -> None:
    async with street(broker, tmp_path) as (_, watcher, asked):
        await watcher.until(lambda: watcher.host.alive("north", "gw1", ADDRESS))
        await watcher.until(lambda: any("1.8.0" in name for name in watcher.values))
        before = len(asked)
        await watcher.order("read-now", "order-1")
        await watcher.until(lambda: watcher.values.get("Cmd/lastId") == "order-1")
        assert watcher.values["Cmd/result"] == "done"
        assert len(asked) > before
        after = len(asked)
        await watcher.order("read-now", "order-1")
        await watcher.order("relay", "order-2", value=False)
        await watcher.until(lambda: watcher.values.get("Cmd/lastId") == "order-2")
        assert watcher.values["Cmd/result"] == "refused"  # it moves a relay and is not signed
        assert len(asked) == after
