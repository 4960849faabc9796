"""A gateway end to end: PTYs, a real broker, the spool, the station's end of the record lane."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers import Mosquitto, mosquitto
from metergate.errors import ConfigError
from metergate.gateway.daemon import Gateway
from metergate.gateway.settings import (
    Glow,
    HomeAssistant,
    Line,
    Meter,
    Metrics,
    Mqtt,
    Native,
    Publish,
    Settings,
    Spool,
    Station,
)
from metergate.gateway.status import ask_status
from metergate.links.broker import Broker, BrokerSettings, gateway_user, station_user
from metergate.links.mqtt import Message, MqttClient
from metergate.toml import Seconds
from metergate.wire.batch import Ack, decode, encode_ack
from metergate.wire.lines import decode_report, decode_sight, trace_topic, watch_topic
from smlmeter import PtyMeter, meter_id

pytestmark = pytest.mark.anyio


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def meters() -> Iterator[list[PtyMeter]]:
    made = [PtyMeter(1), PtyMeter(2)]
    yield made
    for meter in made:
        meter.close()


class Seen:
    """What a subscriber and a station see."""

    def __init__(self, client: MqttClient, acknowledge: bool = True) -> None:
        self.client, self.acknowledge = client, acknowledge
        self.messages: dict[str, list[bytes]] = {}
        self.values: dict[str, list[int]] = {}
        self.events: list[str] = []
        self.cursor: dict[str, int] = {}
        self.news = asyncio.Condition()

    async def take(self, message: Message) -> None:
        async with self.news:
            self.messages.setdefault(message.topic, []).append(message.payload)
            self.news.notify_all()

    async def record(self, message: Message) -> None:
        batch = decode(message.payload)
        cursor = self.cursor.setdefault(batch.epoch, 0)
        if batch.start <= cursor < batch.end and self.acknowledge:
            self.cursor[batch.epoch] = batch.end
            for number, value in zip(batch.columns.register.tolist(), batch.columns.value.tolist(), strict=True):
                self.values.setdefault(batch.registers[number].key, []).append(value)
            self.events += [event.code for event in batch.events]
        if self.acknowledge:
            ack = encode_ack(Ack(batch.epoch, self.cursor[batch.epoch]))
            await self.client.publish(message.topic.replace("/record/", "/ack/"), ack)
        async with self.news:
            self.news.notify_all()

    async def until(self, what: Any) -> None:
        """Wait until `what()`."""
        async with asyncio.timeout(20), self.news:
            await self.news.wait_for(what)

    def imported(self, number: int = 1) -> list[int]:
        """The import readings of a meter that the station has."""
        return self.values.get(f"{meter_id(number)}/1-0:1.8.0*255", [])


@asynccontextmanager
async def station(url: str, acknowledge: bool = True) -> AsyncIterator[Seen]:
    async with MqttClient(url, "station", backoff=(0.05, 0.2), linger=0) as client:
        seen = Seen(client, acknowledge)
        await client.subscribe("metergate/north/record/+", seen.record, qos=1)
        await client.subscribe("metergate/gw1/#", seen.take, qos=1)
        await client.subscribe("glow/#", seen.take, qos=1)
        yield seen


@asynccontextmanager
async def running(settings: Settings, reload: Any = None) -> AsyncIterator[Gateway]:
    gateway = Gateway(settings, reload)
    task = asyncio.create_task(gateway.run())
    try:
        yield gateway
    finally:
        gateway.stop()
        await task


def settings_of(url: str, folder: Path, meters: list[PtyMeter]) -> Settings:
    return Settings(
        line=tuple(Line(meter.path, "sml", gap=Seconds(0.05)) for meter in meters),
        mqtt=Mqtt(url),
        id="gw1",
        data=folder / "data",
        station=Station("north", delay=Seconds(0.02), resend=Seconds(2)),
        publish=Publish(native=Native(interval=Seconds(0)), homeassistant=HomeAssistant(enabled=False)),
        spool=Spool(sync=Seconds(0.02)),
    )


async def until(what: Callable[[], object]) -> None:
    """Wait until `what()` is true of a gateway that tells nobody when it becomes so."""
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def heard(gateway: Gateway, count: int) -> Callable[[], bool]:
    """Whether so many telegrams came in."""
    return lambda: sum(known.telegrams for known in gateway.hub.meters.values()) == count


async def opened(gateway: Gateway, count: int) -> None:
    """Wait until so many lines are open."""
    await until(lambda: sum(line.state.state == "open" for line in gateway.executors()) == count)


async def test_from_the_wire_to_broker_and_station(broker: Mosquitto, tmp_path: Path, meters: list[PtyMeter]) -> None:
    state = f"metergate/gw1/meter/{meters[0].id}/state"
    async with station(broker.url) as seen, running(settings_of(broker.url, tmp_path, meters)) as gateway:
        await opened(gateway, 2)
        assert gateway.outward is not None
        await gateway.outward.client.ready()
        for _ in range(10):
            meters[0].push()
        await seen.until(lambda: len(seen.imported()) == 10 and seen.messages.get(state))
        assert seen.imported() == list(range(1, 11))
        told = json.loads(seen.messages[state][-1], parse_float=Decimal)
        assert (told["import"], told["power"]) == (Decimal("0.0010"), Decimal("0.010"))
        assert gateway.recorder is not None
        await seen.until(lambda: seen.messages.get("metergate/gw1/availability"))
    assert seen.messages["metergate/gw1/availability"][0] == b"online"


@pytest.mark.slow
async def test_glow_display(broker: Mosquitto, tmp_path: Path, meters: list[PtyMeter]) -> None:
    base = settings_of(broker.url, tmp_path, meters[:1])
    shown = Meter(mpan="1023497978063", unit_rate=Decimal("0.3"), standing_charge=Decimal("0.5"))
    settings = replace(
        base, line=(replace(base.line[0], meter=(shown,)),), publish=replace(base.publish, glow=Glow(cycle=Seconds(6)))
    )
    async with station(broker.url) as seen, running(settings) as gateway:
        await opened(gateway, 1)
        meters[0].push()
        await seen.until(lambda: any(topic.endswith("SENSOR/electricitymeter") for topic in seen.messages))
    topic = next(topic for topic in seen.messages if topic.endswith("SENSOR/electricitymeter"))
    told = json.loads(seen.messages[topic][0])["electricitymeter"]
    assert told["energy"]["import"]["mpan"] == "1023497978063"
    assert told["power"]["value"] == 0.001


async def test_a_broker_that_was_away_gets_everything_once(
    broker: Mosquitto, tmp_path: Path, meters: list[PtyMeter]
) -> None:
    broker.kill()
    async with running(settings_of(broker.url, tmp_path, meters)) as gateway:
        await opened(gateway, 2)
        for sent in range(1, 201):
            for meter in meters:
                meter.push()
            if sent % 20 == 0:  # more than a line holds at once
                await until(heard(gateway, 2 * sent))
        broker.start()
        async with station(broker.url) as seen:
            await seen.until(lambda: len(seen.imported(1)) == len(seen.imported(2)) == 200)
            assert seen.imported(1) == seen.imported(2) == list(range(1, 201))


async def test_what_a_dead_gateway_had_made_durable_comes_after_its_restart(
    broker: Mosquitto, tmp_path: Path, meters: list[PtyMeter]
) -> None:
    settings = settings_of(broker.url, tmp_path, meters[:1])
    async with station(broker.url, acknowledge=False) as deaf, running(settings) as gateway:
        await opened(gateway, 1)
        for _ in range(5):
            meters[0].push()
        await deaf.until(lambda: deaf.cursor)
    async with station(broker.url) as seen, running(settings) as gateway:
        await opened(gateway, 1)
        meters[0].push()
        await seen.until(lambda: len(seen.imported()) == 6)
        assert seen.imported() == list(range(1, 7))


async def test_only_changed_lines_restart(broker: Mosquitto, tmp_path: Path, meters: list[PtyMeter]) -> None:
    both = settings_of(broker.url, tmp_path, meters)
    one = replace(both, line=both.line[:1])
    given: list[Settings | ConfigError] = [
        one,
        both,
        ConfigError("gateway.toml:3: unknown key"),
        replace(both, line=(replace(both.line[0], gap=Seconds(0.1)), both.line[1])),
    ]

    def reload() -> Settings:
        found = given.pop(0)
        if isinstance(found, ConfigError):
            raise found
        return found

    async with running(both, reload) as gateway:
        await opened(gateway, 2)
        first, second = gateway.executors()
        gateway.reload()
        await until(lambda: gateway.reloads == 1)
        assert gateway.executors() == [first]
        gateway.reload()
        await until(lambda: gateway.reloads == 2)
        assert gateway.executors()[0] is first
        assert gateway.executors()[1] is not second
        gateway.reload()
        assert len(gateway.executors()) == 2
        gateway.reload()
        await until(lambda: gateway.reloads == 3)
        assert first not in gateway.executors()
        await opened(gateway, 2)
        assert first.state.opened == 1


async def test_other_settings_change_while_it_runs(broker: Mosquitto, tmp_path: Path, meters: list[PtyMeter]) -> None:
    first = settings_of(broker.url, tmp_path, meters)
    other = replace(first, timezone="Europe/Berlin", line=first.line[:1])
    taken = socket.create_server(("127.0.0.1", 0))
    wrong = replace(other, metrics=Metrics(port=taken.getsockname()[1]))
    given = [other, wrong]
    async with running(first, lambda: given.pop(0)) as gateway:
        await opened(gateway, 2)
        gateway.reload()
        await until(lambda: gateway.reloads == 1)
        await opened(gateway, 1)
        assert gateway.settings == other
        meters[0].push()
        await until(lambda: bool(gateway.status()["meters"]))
        gateway.reload()
        await until(lambda: gateway.reloads == 2)
        await opened(gateway, 1)
        assert gateway.settings == other
        meters[0].push()
        await until(lambda: bool(gateway.status()["meters"]))
    taken.close()


async def test_status_over_the_socket(broker: Mosquitto, tmp_path: Path, meters: list[PtyMeter]) -> None:
    settings = settings_of(broker.url, tmp_path, meters)
    async with running(settings) as gateway:
        await opened(gateway, 2)
        meters[0].push()
        meters[1].say(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01garbage")
        await until(lambda: gateway.hub.meters and gateway.executors()[1].state.problems)
        told = await ask_status(settings.socket)
    assert told["id"] == "gw1"
    assert [line["state"] for line in told["lines"]] == ["open", "open"]
    assert told["lines"][0]["readings"] >= 5
    assert told["lines"][1]["problems"]
    (meter,) = told["meters"]
    assert (meter["id"], meter["state"], meter["manufacturer"]) == (meters[0].id, "ok", "EBZ")
    assert meter["values"]["1-0:1.8.0"] == "0.1 Wh"
    assert not settings.socket.exists()


async def test_a_cable_that_is_pulled_and_put_back(broker: Mosquitto, tmp_path: Path) -> None:
    meter = PtyMeter(1)
    settings = settings_of(broker.url, tmp_path, [meter])
    link = tmp_path / "tty"
    link.symlink_to(meter.path)
    settings = replace(settings, line=(replace(settings.line[0], url=str(link)),))
    async with running(settings) as gateway:
        await opened(gateway, 1)
        meter.push()
        meter.close()
        await until(lambda: gateway.executors()[0].state.state == "broken")
        meter = PtyMeter(2)
        link.unlink()
        link.symlink_to(meter.path)
        await opened(gateway, 1)
        meter.push()
        await until(lambda: meter.id in gateway.hub.meters)
    meter.close()
    assert gateway.executors() == []


async def test_on_the_embedded_broker_with_a_user_of_its_own(tmp_path: Path, meters: list[PtyMeter]) -> None:
    users = (station_user(), gateway_user("north", "gw1"))
    async with Broker(BrokerSettings(tmp_path / "broker", port=0), users) as broker:
        password = tmp_path / "password"
        password.write_text(broker.password("gw1"))
        settings = settings_of("", tmp_path, meters[:1])
        settings = replace(settings, mqtt=Mqtt(str(broker.address("gw1")), password_file=password))
        address, secret = broker.address("station"), broker.password("station")
        async with MqttClient(address, "station", password=secret, linger=0) as client, running(settings) as gateway:
            seen = Seen(client)
            await client.subscribe("metergate/north/record/+", seen.record, qos=1)
            await opened(gateway, 1)
            for _ in range(5):
                meters[0].push()
            await seen.until(lambda: len(seen.imported()) == 5)
            assert gateway.recorder is not None
            spool = gateway.recorder.spool
            await until(lambda: spool.acknowledged == spool.newest)
            assert gateway.outward is not None
            assert gateway.outward.live is not None
            await gateway.outward.live.client.ready(20)


async def test_station_watches_a_line_on_the_embedded_broker(tmp_path: Path, meters: list[PtyMeter]) -> None:
    users = (station_user(), gateway_user("north", "gw1"))
    async with Broker(BrokerSettings(tmp_path / "broker", port=0), users) as broker:
        password = tmp_path / "password"
        password.write_text(broker.password("gw1"))
        settings = replace(
            settings_of("", tmp_path, meters[:1]), mqtt=Mqtt(str(broker.address("gw1")), password_file=password)
        )
        name = settings.line[0].url
        address, secret = broker.address("station"), broker.password("station")
        async with MqttClient(address, "station", password=secret, linger=0) as client:
            seen = Seen(client)
            await client.subscribe("metergate/+/lines", seen.take)
            await client.subscribe("metergate/+/trace/+", seen.take)
            async with running(settings) as gateway:
                await opened(gateway, 1)
                await seen.until(lambda: seen.messages.get("metergate/gw1/lines"))
                await client.publish(watch_topic("gw1", name), b"", qos=0)
                (line,) = gateway.executors()
                await until(lambda: line._listener is not None and line._listener.trace is not None)
                meters[0].push()
                await seen.until(lambda: seen.messages.get(trace_topic("gw1", name)))
    assert decode_report(seen.messages["metergate/gw1/lines"][0]).lines[0].name == name
    assert meter_id(1) in decode_sight(seen.messages[trace_topic("gw1", name)][0]).text
