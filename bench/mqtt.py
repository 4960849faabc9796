"""MQTT: what live values cost in CPU time, and how fast acknowledged messages go, at Mosquitto and the embedded broker.

Live load: 250 messages a second, 50 meters in turn, against gmqtt and paho doing the same in the same run. Publishers:
50 telegrams a second of 5 values each into states, Home Assistant and a Glow display.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import gmqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.rows import Row, row
from metergate.links.broker import Broker, BrokerSettings, free_port, station_user
from metergate.links.mqtt import MqttClient
from metergate.model import Medium, Obis, Reading, Register, Unit
from metergate.publish import (
    GlowPublisher,
    GlowSettings,
    HomeAssistantPublisher,
    HomeAssistantSettings,
    MeterCard,
    NativePublisher,
    NativeSettings,
    Publisher,
)

METERS, SECONDS = 50, 4
CODES = {"1-0:1.8.0": Unit.WH, "1-0:2.8.0": Unit.WH, "1-0:16.7.0": Unit.W, "1-0:32.7.0": Unit.V, "1-0:31.7.0": Unit.A}
PAYLOAD = b'{"ts":"2026-11-22T18:30:00Z","import":15254.827,"export":0.0,"power":0.425,"status":[]}'
TOPICS = [f"metergate/gw1/meter/{number:08}/state" for number in range(METERS)]
ACKNOWLEDGED = 3000


@contextmanager
def _mosquitto(folder: Path) -> Iterator[int]:
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
    if program is None:
        raise SystemExit("this benchmark needs mosquitto")
    port = free_port("127.0.0.1")
    config = folder / "mosquitto.conf"
    config.write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    child = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.PIPE)
    try:
        assert child.stderr is not None
        next(line for line in child.stderr if b" running" in line)
        yield port
    finally:
        child.terminate()
        child.wait()


async def _paced(send: Callable[[int], object], a_second: int, step: float = 0.02) -> float:
    """CPU seconds a second of `send` called `a_second` times a second, as a live line would, without the waiting."""

    async def turn(work: Callable[[int], object]) -> float:
        clock = asyncio.get_running_loop().time
        spent, done, began = time.process_time(), 0, clock()
        while clock() - began < SECONDS:
            await asyncio.sleep(step)
            due = int((clock() - began) * a_second)
            for number in range(done, due):
                work(number)
            done = due
        return (time.process_time() - spent) / SECONDS

    idle = await turn(lambda number: None)
    return await turn(send) - idle


async def _live(port: int) -> list[Row]:
    async with MqttClient(f"mqtt://127.0.0.1:{port}", "ours") as ours:
        await ours.ready(10)
        outlets = [ours.outlet(topic) for topic in TOPICS]
        mine = await _paced(lambda number: outlets[number % METERS].send(PAYLOAD), 250)
    peer = gmqtt.Client("gmqtt")
    await peer.connect("127.0.0.1", port)
    other = await _paced(lambda number: peer.publish(TOPICS[number % METERS], PAYLOAD), 250)
    await peer.disconnect()
    threaded = paho.Client(CallbackAPIVersion.VERSION2)
    threaded.connect("127.0.0.1", port)
    threaded.loop_start()
    third = await _paced(lambda number: threaded.publish(TOPICS[number % METERS], PAYLOAD), 250)
    threaded.disconnect()
    threaded.loop_stop()
    name = "live: CPU of 250 messages/s at QoS 0"
    return [
        row(name, mine * 1000, "ms/s", peer=("gmqtt alone", other * 1000), most=20),
        row(name, mine * 1000, "ms/s", peer=("paho", third * 1000)),
    ]


def _readings(number: int, at: datetime) -> Iterator[Reading]:
    for code in CODES:
        yield Reading(REGISTERS[number, code], Decimal(15_254_827 + at.second), received=at)


REGISTERS = {
    (number, code): Register(f"{number:08}", Obis.parse(code), unit=unit)
    for number in range(METERS)
    for code, unit in CODES.items()
}


async def _publishers(port: int) -> Row:
    began = datetime.now(UTC)
    async with MqttClient(f"mqtt://127.0.0.1:{port}", "publishers") as client:
        made: list[Publisher] = [
            NativePublisher(client, NativeSettings("gw1", interval=0)),
            HomeAssistantPublisher(client, HomeAssistantSettings("gw1")),
            GlowPublisher(client, GlowSettings(), "gw1"),
        ]
        running = [asyncio.create_task(publisher.run()) for publisher in made]
        for number in range(METERS):
            price = Decimal(1)
            card = MeterCard(f"{number:08}", "", Medium.ELECTRICITY, unit_rate=price, standing_charge=price)
            for publisher in made:
                publisher.meter(card)

        def telegram(number: int) -> None:
            at = began + timedelta(seconds=number // METERS)
            for publisher in made:
                for reading in _readings(number % METERS, at):
                    publisher.accept(reading)
                publisher.flush(f"{number % METERS:08}")

        for number in range(METERS):
            telegram(number)
        await asyncio.sleep(1)
        spent = await _paced(telegram, METERS)
        for task in running:
            task.cancel()
    return row("publishers: CPU of 50 telegrams/s x 5 values (states, HA, Glow)", spent * 1000, "ms/s", most=30)


async def _acknowledged(client: MqttClient) -> float:
    await client.ready(10)

    async def worker(count: int) -> None:
        for _ in range(count):
            await client.publish("bench/record", PAYLOAD * 10, qos=1)

    began = time.perf_counter()
    await asyncio.gather(*(worker(ACKNOWLEDGED // 100) for _ in range(100)))
    return ACKNOWLEDGED / (time.perf_counter() - began)


def _paho_acknowledged(port: int) -> float:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(100)
    client.connect("127.0.0.1", port)
    client.loop_start()
    began = time.perf_counter()
    sent = [client.publish("bench/record", PAYLOAD * 10, qos=1) for _ in range(ACKNOWLEDGED)]
    for info in sent:
        info.wait_for_publish(30)
    spent = time.perf_counter() - began
    client.disconnect()
    client.loop_stop()
    return ACKNOWLEDGED / spent


async def _measure(folder: Path) -> list[Row]:
    with _mosquitto(folder) as port:
        rows = [*await _live(port), await _publishers(port)]
        async with MqttClient(f"mqtt://127.0.0.1:{port}", "acknowledged") as client:
            mine = await _acknowledged(client)
        peer = await asyncio.to_thread(_paho_acknowledged, port)
        rows.append(row("QoS 1 at Mosquitto, 880 bytes", mine, "messages/s", peer=("paho", peer), least=1000))
    async with Broker(BrokerSettings(folder / "broker", port=0), [station_user()]) as broker:
        password = broker.password("station")
        async with MqttClient(broker.address("station"), "acknowledged", password=password, version=4) as client:
            mine = await _acknowledged(client)
    rows.append(row("QoS 1 at the embedded broker, 880 bytes", mine, "messages/s", least=1000))
    return rows


def run() -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory(prefix="mg-bench-mqtt") as folder:
        return asyncio.run(_measure(Path(folder)))
