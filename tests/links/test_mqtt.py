"""The MQTT client at two brokers that other people wrote."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import mosquitto
from metergate.errors import BadValue, ConfigError, LinkError, Refused
from metergate.links.broker import Broker, BrokerSettings, station_user
from metergate.links.mqtt import (
    BrokerAddress,
    Message,
    MqttClient,
    State,
    Tls,
    Will,
    check_filter,
    check_topic,
    matches,
    read_password,
)

pytestmark = pytest.mark.anyio
QUICK = (0.01, 0.1)


@asynccontextmanager
async def embedded(folder: Path, **settings: object) -> AsyncIterator[Broker]:
    async with Broker(BrokerSettings(folder, port=0, **settings), [station_user()]) as broker:  # type: ignore[arg-type]
        yield broker


@asynccontextmanager
async def client_of(kind: str, folder: Path, name: str = "one") -> AsyncIterator[MqttClient]:
    if kind == "nats":
        async with embedded(folder) as broker:
            password = broker.password("station")
            async with MqttClient(broker.address("station"), name, password=password, backoff=QUICK) as client:
                yield client
    else:
        with mosquitto(folder) as server:
            async with MqttClient(server.url, name, backoff=QUICK) as client:
                yield client


class Inbox:
    """Collects messages and lets a test wait for a number of them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._news = asyncio.Condition()

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)
        async with self._news:
            self._news.notify_all()

    async def wait(self, count: int) -> list[Message]:
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: len(self.messages) >= count)
        return self.messages


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
async def test_all_qualities_of_service_arrive(kind: str, tmp_path: Path) -> None:
    async with client_of(kind, tmp_path) as client:
        inbox = Inbox()
        await client.subscribe("a/+/c", inbox, qos=2)
        for qos in (0, 1, 2):
            await client.publish("a/b/c", f"payload {qos}".encode(), qos=qos)
        assert client.outlet("a/live/c").send(b"live")
        found = await inbox.wait(4)
    assert sorted((m.topic, m.payload, m.qos) for m in found) == [
        ("a/b/c", b"payload 0", 0),
        ("a/b/c", b"payload 1", 1),
        ("a/b/c", b"payload 2", 2),
        ("a/live/c", b"live", 0),
    ]


@pytest.mark.parametrize(("kind", "version"), [("mosquitto", 5), ("nats", 4)])
async def test_protocol_5_where_the_broker_knows_it(kind: str, version: int, tmp_path: Path) -> None:
    async with client_of(kind, tmp_path) as client:
        assert (await client.ready(20)).version == version


async def test_only_the_version_asked_for(tmp_path: Path) -> None:
    async with embedded(tmp_path) as broker:
        password = broker.password("station")
        async with MqttClient(broker.address("station"), "x", password=password, version=5) as client:
            assert "protocol version" in str(await asyncio.wait_for(client.failed(), 20))


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
async def test_more_messages_than_may_be_in_flight(kind: str, tmp_path: Path) -> None:
    async with client_of(kind, tmp_path) as client:
        inbox = Inbox()
        await client.subscribe("many", inbox, qos=1)
        await asyncio.gather(*(client.publish("many", str(n).encode()) for n in range(500)))
        assert {m.payload for m in await inbox.wait(500)} == {str(n).encode() for n in range(500)}


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
async def test_retained_and_empty_payload(kind: str, tmp_path: Path) -> None:
    async with client_of(kind, tmp_path) as client:
        await client.publish("kept/x", b"old", retain=True)
        await client.publish("kept/y", b"gone", retain=True)
        await client.publish("kept/y", b"", retain=True)
        for _ in range(50):  # nats-server forgets a cleared message a moment after its PUBACK
            inbox = Inbox()
            await client.subscribe("kept/#", inbox, qos=1)
            found = [(m.topic, m.payload, m.retain) for m in await inbox.wait(1)]
            if all(payload for _, payload, _ in found):
                break
            await client.unsubscribe("kept/#")
        assert found == [("kept/x", b"old", True)]


async def test_wrong_password_is_refused_and_named(tmp_path: Path) -> None:
    async with embedded(tmp_path) as broker, MqttClient(broker.address("station"), "x", password="wrong") as client:
        error = await asyncio.wait_for(client.failed(), 20)
        assert isinstance(error, Refused)
        assert "CONNACK code" in str(error)
        assert "wrong" not in str(broker.address("station"))


async def test_nobody_listens() -> None:
    async with MqttClient("mqtt://127.0.0.1:1", "x") as client:
        assert isinstance(await asyncio.wait_for(client.failed(), 20), LinkError)
        with pytest.raises(LinkError):
            await client.ready(0.01)
        assert not client.send("t", b"nobody")
        assert client.dropped == 1


async def test_comes_back_after_kill_9_and_loses_no_acknowledged_message(tmp_path: Path) -> None:
    """The broker is killed twice in the middle of 2,000 messages at QoS 1; the subscriber's session is kept."""
    async with embedded(tmp_path) as broker:
        password = broker.password("station")
        sender = MqttClient(broker.address("station"), "sender", password=password, backoff=QUICK)
        receiver = MqttClient(broker.address("station"), "receiver", password=password, backoff=QUICK, clean=False)
        async with sender, receiver:
            inbox = Inbox()
            await receiver.subscribe("lane", inbox, qos=1)
            states: list[State] = []
            sender.watch(lambda state, _: states.append(state))
            await sender.ready(20)
            for turn in range(2):
                sending = [sender.publish("lane", f"{turn} {number}".encode()) for number in range(2000)]
                waiting = asyncio.gather(*sending)
                await inbox.wait(turn * 2000 + 20)
                session = await sender.ready(20)
                assert broker.pid
                os.kill(broker.pid, signal.SIGKILL)
                await session.ended.wait()
                await asyncio.wait_for(waiting, 60)
                await sender.ready(20)
            wanted = {f"{turn} {number}".encode() for turn in range(2) for number in range(2000)}
            async with asyncio.timeout(60):
                while {m.payload for m in inbox.messages} != wanted:
                    await inbox.wait(len(inbox.messages) + 1)
    assert states.count(State.OFFLINE) == 2
    assert sender.connects == 3


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
async def test_the_will_speaks_for_a_broken_line(kind: str, tmp_path: Path) -> None:
    async with client_of(kind, tmp_path, "watcher") as watcher:
        inbox = Inbox()
        await watcher.subscribe("gw/availability", inbox, qos=1)
        wills = (Will("gw/availability", f"offline {number}".encode()) for number in count(1))
        version = (await watcher.ready(20)).version
        dying = MqttClient(
            watcher.address,
            "dying",
            password=watcher._password,
            will=lambda: next(wills),
            backoff=QUICK,
            version=version,
        )
        async with dying:
            await (await dying.ready(20)).abort()
            assert [m.payload for m in await inbox.wait(1)] == [b"offline 1"]
            await (await dying.ready(20)).abort()
            assert [m.payload for m in await inbox.wait(2)] == [b"offline 1", b"offline 2"]
            await dying.ready(20)


async def test_a_poisoned_message_is_counted_and_the_next_one_handled(tmp_path: Path) -> None:
    async with client_of("mosquitto", tmp_path) as client:
        inbox = Inbox()

        async def handle(message: Message) -> None:
            if message.payload == b"poison":
                raise ValueError("cannot read this")
            await inbox(message)

        subscription = await client.subscribe("in", handle, qos=1)
        await client.publish("in", b"poison")
        await client.publish("in", b"fine")
        await inbox.wait(1)
        assert subscription.bad == 1


async def test_a_slow_handler_does_not_hold_up_the_line(tmp_path: Path) -> None:
    async with client_of("mosquitto", tmp_path) as client:
        stuck = asyncio.Event()

        async def handle(message: Message) -> None:
            await stuck.wait()

        slow = await client.subscribe("slow", handle, qos=1)
        inbox = Inbox()
        await client.subscribe("fast", inbox, qos=1)
        await client.publish("slow", b"1")
        await client.publish("fast", b"2")
        assert (await inbox.wait(1))[0].payload == b"2"
        assert slow.bad == 0
        await client.unsubscribe("slow")
        assert list(client._subscriptions) == ["fast"]


async def test_refused_publish_is_not_taken_for_sent(tmp_path: Path) -> None:
    """Mosquitto answers a publish outside its access list with PUBACK 0x87 on protocol 5."""
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite mine/#\n")
    with mosquitto(tmp_path, "allow_anonymous true", f"acl_file {acl}") as server:
        async with MqttClient(server.url, "x") as client:
            await client.publish("mine/a", b"fine")
            with pytest.raises(Refused, match="not authorised"):
                await client.publish("other/a", b"no")


async def test_greeting_after_every_connect(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as server:
        async with MqttClient(server.url, "x", backoff=QUICK) as client:
            inbox = Inbox()
            await client.subscribe("hello", inbox, qos=1)
            client.greet(lambda: client.publish("hello", b"again"))
            for number in (1, 2):
                await (await client.ready(20)).abort()
                await inbox.wait(number)


async def test_closing_gives_up_what_waits(tmp_path: Path) -> None:
    client = MqttClient("mqtt://127.0.0.1:1", "x", backoff=QUICK)
    client.start()
    waiting = asyncio.create_task(client.publish("t", b"x"))
    await client.failed()
    await client.close()
    with pytest.raises(LinkError, match="closed"):
        await waiting


async def test_tls_with_a_host_name_checked(tmp_path: Path) -> None:
    async with embedded(tmp_path, tls=("localhost",)) as broker:
        assert broker.tls is not None
        password = broker.password("station")
        async with MqttClient(broker.address("station"), "x", password=password, tls=broker.tls) as client:
            await client.ready(20)
            await client.publish("t", b"x")
        wrong_name = BrokerAddress("127.0.0.1", broker.ports[0], True, "station")
        for address, tls in ((wrong_name, broker.tls), (broker.address("station"), Tls())):
            async with MqttClient(address, "x", password=password, tls=tls) as client:
                assert "certificate" in str(await asyncio.wait_for(client.failed(), 20))


def test_plain_text_leaves_the_machine_only_by_its_own_setting() -> None:
    with pytest.raises(ConfigError, match="mqtts"):
        MqttClient("mqtt://192.0.2.7", "x")
    assert MqttClient("mqtt://192.0.2.7", "x", plain=True).address.port == 1883


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://host", "mqtt://"),
        ("mqtt://u:secret@host", "no password"),
        ("mqtt://", "user@host"),
        ("mqtt://host:99999", "cannot be read"),
        ("mqtt://host/path", "nothing behind"),
    ],
)
def test_addresses_that_are_none(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        BrokerAddress.parse(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["mqtt://127.0.0.1:1883", "mqtts://me@broker.example:8883", "mqtt://[::1]:1883"])
def test_addresses_come_back(text: str) -> None:
    assert str(BrokerAddress.parse(text)) == text


def test_password_from_file_or_environment(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a secret \nsecond line\n")
    assert read_password(file, {}) == "a secret "
    assert read_password(None, {"METERGATE_MQTT_PASSWORD": "b"}) == "b"
    assert read_password(None, {}) is None
    with pytest.raises(ConfigError, match="cannot be read"):
        read_password(tmp_path / "absent", {})


@pytest.mark.parametrize(
    ("topic_filter", "topic", "hit"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("+", "/a", False),
        ("+/+", "/a", True),
        ("/+", "/a", True),
        ("a//b", "a//b", True),
        ("a/+", "a/", True),
        ("$share/g/a/+", "a/b", True),
    ],
)
def test_filters_match(topic_filter: str, topic: str, hit: bool) -> None:
    assert matches(check_filter(topic_filter), check_topic(topic)) is hit


@pytest.mark.parametrize("bad", ["", "a/#/b", "a#", "a/b+", "+a/b", "a\0b", "$share/g", "$share//a", "x" * 65_536])
def test_filters_that_are_none(bad: str) -> None:
    with pytest.raises(BadValue):
        check_filter(bad)


@pytest.mark.parametrize("bad", ["", "a/+", "#", "a\0"])
def test_topics_that_are_none(bad: str) -> None:
    with pytest.raises(BadValue):
        check_topic(bad)


LEVELS = st.lists(st.text("ab", max_size=2), min_size=1, max_size=5)


@given(LEVELS)
def test_a_topic_matches_itself_and_every_generalisation(levels: list[str]) -> None:
    topic = "/".join(levels)
    for place in range(len(levels)):
        assert matches("/".join([*levels[:place], "+", *levels[place + 1 :]]), topic)
        assert matches("/".join([*levels[:place], "#"]), topic)
