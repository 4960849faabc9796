"""paho-mqtt at the embedded broker and at Mosquitto: what we publish arrives at a client that is not ours, and back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from brokers import mosquitto
from metergate.links.broker import Broker, BrokerSettings, gateway_user, station_user
from metergate.links.mqtt import BrokerAddress, Message, MqttClient

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Stranger:
    """A paho client in its own thread; `messages` are (topic, payload, qos)."""

    def __init__(
        self, name: str, address: BrokerAddress, password: str | None = None, clean: bool = True, **tls: Any
    ) -> None:
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, clean)
        if address.user:
            self.client.username_pw_set(address.user, password)
        if tls:
            self.client.tls_set(**tls)
        self.messages: asyncio.Queue[tuple[str, bytes, int]] = asyncio.Queue()
        self.codes: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def put(queue: asyncio.Queue[Any], item: Any) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, item)

        self.client.on_connect = lambda client, data, flags, reason, properties: put(self.codes, reason)
        self.client.on_subscribe = lambda client, data, mid, reasons, properties: put(self.codes, reasons[0])
        self.client.on_message = lambda client, data, m: put(self.messages, (m.topic, m.payload, m.qos))
        self._address = address

    async def __aenter__(self) -> Stranger:
        await asyncio.to_thread(self.client.connect, self._address.host, self._address.port)
        self.client.loop_start()
        assert not (await self.code()).is_failure
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)

    async def code(self) -> Any:
        return await asyncio.wait_for(self.codes.get(), 20)

    async def message(self) -> tuple[str, bytes, int]:
        return await asyncio.wait_for(self.messages.get(), 20)


async def exchange(ours: MqttClient, stranger: Stranger) -> None:
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    await ours.subscribe("to/us", inbox.put, qos=2)
    stranger.client.subscribe("to/paho/#", 2)
    assert not (await stranger.code()).is_failure
    for qos in range(3):
        await ours.publish("to/paho/x", f"Zähler {qos}".encode(), qos=qos)
        assert await stranger.message() == ("to/paho/x", f"Zähler {qos}".encode(), qos)
        stranger.client.publish("to/us", bytes([qos]) * 10_000, qos)
        found = await asyncio.wait_for(inbox.get(), 20)
        assert (found.payload, found.qos) == (bytes([qos]) * 10_000, qos)
    ours.outlet("to/paho/live").send(b"x" * 300)
    assert await stranger.message() == ("to/paho/live", b"x" * 300, 0)


async def test_at_mosquitto(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with MqttClient(broker.url, "ours") as ours, Stranger("paho", ours.address) as stranger:
            await exchange(ours, stranger)


@pytest.mark.parametrize("tls", [(), ("localhost",)])
async def test_at_the_embedded_broker(tls: tuple[str, ...], tmp_path: Path) -> None:
    async with Broker(BrokerSettings(tmp_path, port=0, tls=tls), [station_user()]) as broker:
        address, password = broker.address("station"), broker.password("station")
        files: dict[str, Any] = {"ca_certs": str(broker.tls.ca)} if broker.tls else {}
        async with (
            MqttClient(address, "ours", password=password, tls=broker.tls, version=4) as ours,
            Stranger("paho", address, password, **files) as stranger,
        ):
            await exchange(ours, stranger)


async def test_the_embedded_broker_holds_a_stranger_to_its_permissions(tmp_path: Path) -> None:
    users = [station_user(), gateway_user("town", "gwA"), gateway_user("town", "gwB")]
    async with Broker(BrokerSettings(tmp_path, port=0), users) as broker:
        address, password = broker.address("gwA"), broker.password("gwA")
        async with Stranger("paho", address, password) as stranger:
            for topic_filter, allowed in (("metergate/gwA/#", True), ("metergate/gwB/#", False), ("#", False)):
                stranger.client.subscribe(topic_filter, 1)
                assert (await stranger.code()).is_failure is not allowed


async def test_another_gateways_session_holds_nothing_for_a_thief(tmp_path: Path) -> None:
    """With gateway A's client id, gateway B takes over A's kept session, but none of the messages that wait in it."""
    users = [station_user(), gateway_user("town", "gwA"), gateway_user("town", "gwB")]
    async with Broker(BrokerSettings(tmp_path, port=0), users) as broker:

        def of(user: str) -> tuple[BrokerAddress, str]:
            return broker.address(user), broker.password(user)

        async with Stranger("same", *of("gwA"), clean=False) as owner:
            owner.client.subscribe("metergate/town/ack/gwA", 1)
            assert not (await owner.code()).is_failure
        address, password = of("station")
        async with MqttClient(address, "station", password=password, version=4) as station:
            await station.publish("metergate/town/ack/gwA", b"for A, who is away")
            async with Stranger("same", *of("gwB"), clean=False) as thief:
                thief.client.subscribe("metergate/gwB/#", 1)
                assert not (await thief.code()).is_failure
                await station.publish("metergate/town/ack/gwA", b"for A")
                await station.publish("metergate/gwB/x", b"for B")
                assert await thief.message() == ("metergate/gwB/x", b"for B", 1)
