"""`pysparkplug` as the other side: it decodes our births and data, and we decode its."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from brokers import mosquitto
from collector import CARD, NOW, reading
from metergate.links.mqtt import Message, MqttClient
from metergate.model import Unit
from metergate.publish import SparkplugPublisher, SparkplugSettings
from metergate.wire.sparkplug import Died, Host, Value
from metergate.wire.sparkplug.topics import ms

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "sparkplug" / "bin" / "python"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def stranger_is_there() -> None:
    if not PYTHON.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("make .venv/sparkplug from requirements/sparkplug-oracle.txt")
        pytest.skip("no .venv/sparkplug, see requirements/sparkplug-oracle.txt")


@asynccontextmanager
async def stranger(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    program = str(Path(__file__).with_name("sparkplug_stranger.py"))
    process = await asyncio.create_subprocess_exec(
        str(PYTHON), program, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_it_decodes_what_we_say(tmp_path: Path) -> None:
    publisher = SparkplugPublisher(SparkplugSettings("town", "gw1"), now=lambda: NOW)
    with mosquitto(tmp_path) as broker:
        async with (
            stranger("host", str(broker.port), "5") as host,
            MqttClient(broker.url, "gw1", will=publisher.will) as client,
        ):
            assert host.stdout is not None
            assert await host.stdout.readline() == b"ready\n"
            publisher.meter(CARD)
            publisher.accept(reading("1-0:1.8.0", "15254827.3", Unit.WH))
            publisher.accept(reading("1-0:16.7.0", None, Unit.W))
            publisher.accept(reading("1-0:2.8.0", "0", Unit.WH))
            publisher.flush(CARD.id)
            await publisher.attach(client)
            publisher.accept(reading("1-0:16.7.0", "-425", Unit.W))
            publisher.flush(CARD.id)
            publisher.silent(CARD.id)
            await publisher.close()
            told = (await asyncio.wait_for(host.communicate(), 30))[0].decode().splitlines()
    messages = [json.loads(line) for line in told]
    where = [message["topic"] for message in messages]
    device = f"gw1/{CARD.id}"
    kinds = ("NBIRTH/gw1", f"DBIRTH/{device}", f"DDATA/{device}", f"DDEATH/{device}", "NDEATH/gw1")
    assert where == [f"spBv1.0/town/{kind}" for kind in kinds]
    assert [message["seq"] for message in messages[:4]] == [0, 1, 2, 3]
    names = {metric["name"]: metric for metric in messages[0]["metrics"]}
    assert (names["bdSeq"]["value"], names["Node Control/Rebirth"]["value"]) == (0, False)
    births = {metric["name"]: metric for metric in messages[1]["metrics"]}
    assert births["1-0:1.8.0*255"]["value"] == 15254827.3
    assert births["1-0:1.8.0*255"]["time"] == ms(NOW)
    assert births["1-0:16.7.0*255"]["null"]
    (data,) = messages[2]["metrics"]
    assert (data["name"], data["value"]) in ((None, -425.0), ("1-0:16.7.0*255", -425.0))
    assert data["alias"] == births["1-0:16.7.0*255"]["alias"]


async def test_we_decode_what_it_says(tmp_path: Path) -> None:
    host, heard = Host("station"), asyncio.Queue[Any]()

    async def take(message: Message) -> None:
        for said in host.receive(message.topic, message.payload, datetime.now(UTC)):
            await heard.put(said)

    async def values(count: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while len(found) < count:
            said = await asyncio.wait_for(heard.get(), 30)
            if isinstance(said, Value) and said.device == "m1":
                found[said.name] = said.value
        return found

    with mosquitto(tmp_path) as broker:
        async with MqttClient(broker.url, "station") as client:
            for topic_filter in host.filters:
                await client.subscribe(topic_filter, take, qos=1)
            async with stranger("edge", str(broker.port)) as edge:
                assert edge.stdin is not None
                expected = [
                    {"power": 425.5 + n, "small": -2 - n, "large": (1 << 63) + n, "on": n == 0, "text": f"Zähler {n}"}
                    for n in range(2)
                ]
                assert await values(5) == expected[0]
                assert host.alive("town", "stranger", "m1")
                edge.stdin.write(b"\n")
                assert await values(5) == expected[1]
                edge.kill()
                assert isinstance(await asyncio.wait_for(heard.get(), 30), Died)
                assert not host.alive("town", "stranger")
