"""The embedded broker: who may do what, what survives, and how it starts and stops."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from metergate.errors import ConfigError, LinkError, Refused
from metergate.links.broker import (
    Authority,
    Broker,
    BrokerSettings,
    BrokerUser,
    RecordBatch,
    RecordSource,
    ensure_stream,
    find_server,
    gateway_user,
    household_user,
    record_source,
    station_user,
    subjects,
)
from metergate.links.mqtt import Message, MqttClient

pytestmark = pytest.mark.anyio
QUICK = (0.01, 0.1)
USERS = (
    station_user(),
    gateway_user("town", "gwA"),
    gateway_user("town", "gwB"),
    gateway_user("town", "gwH", household=True),
    household_user("home", ["gwH"]),
)


@asynccontextmanager
async def running(folder: Path, users: tuple[BrokerUser, ...] = USERS) -> AsyncIterator[Broker]:
    async with Broker(BrokerSettings(folder, port=0), users) as broker:
        yield broker


def client(broker: Broker, user: str, name: str = "test") -> MqttClient:
    return MqttClient(broker.address(user), f"{user}-{name}", password=broker.password(user), backoff=QUICK, version=4)


async def every(source: RecordSource, count: int) -> list[RecordBatch]:
    """What a consumer is given, and says it is done with, until it had `count` different batches."""
    found: list[RecordBatch] = []
    while len({batch.payload for batch in found}) < count:
        more = await source.fetch(count, within=20)
        for batch in more:
            await batch.done()
        found += more
    return found


def private_files(folder: Path) -> dict[str, int]:
    found = (path for path in folder.rglob("*") if path.is_file() and "jetstream" not in path.parts)
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in found if path.name != "broker.pid"}


def proc(pid: int | None) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize(
    ("user", "topic_filter", "granted"),
    [
        ("gwA", "metergate/gwA/#", True),
        ("gwA", "metergate/town/ack/gwA", True),
        ("gwA", "spBv1.0/town/NCMD/gwA", True),
        ("gwA", "spBv1.0/town/DCMD/gwA/#", True),
        ("gwA", "spBv1.0/STATE/#", True),
        ("gwA", "metergate/gwB/#", False),
        ("gwA", "metergate/gwB/meter/1/state", False),
        ("gwA", "metergate/town/ack/gwB", False),
        ("gwA", "metergate/town/ack/+", False),
        ("gwA", "metergate/town/record/gwB", False),
        ("gwA", "metergate/town/record/+", False),
        ("gwA", "metergate/+/meter/1/state", False),
        ("gwA", "spBv1.0/town/DCMD/gwB/#", False),
        ("gwA", "spBv1.0/#", False),
        ("gwA", "#", False),
        ("gwA", "homeassistant/#", False),
        ("gwA", "$MQTT/#", False),
        ("gwH", "homeassistant/status", True),
        ("home", "metergate/gwH/#", True),
        ("home", "glow/#", True),
        ("home", "homeassistant/#", True),
        ("home", "metergate/gwA/#", False),
        ("home", "#", False),
        ("station", "#", True),
    ],
)
async def test_what_a_user_may_subscribe(user: str, topic_filter: str, granted: bool, shared_broker: Broker) -> None:
    async with client(shared_broker, user) as mqtt:
        if granted:
            await mqtt.subscribe(topic_filter, lambda message: None, qos=1)
        else:
            with pytest.raises(Refused):
                await mqtt.subscribe(topic_filter, lambda message: None, qos=1)


@pytest.mark.parametrize(
    ("user", "topic", "arrives"),
    [
        ("gwA", "metergate/gwA/meter/7/state", True),
        ("gwA", "metergate/town/record/gwA", True),
        ("gwA", "spBv1.0/town/NBIRTH/gwA", True),
        ("gwA", "spBv1.0/town/DDATA/gwA/7", True),
        ("gwA", "metergate/gwB/meter/7/state", False),
        ("gwA", "metergate/town/record/gwB", False),
        ("gwA", "metergate/town/ack/gwA", False),
        ("gwA", "spBv1.0/town/DDATA/gwB/7", False),
        ("gwA", "spBv1.0/STATE/station", False),
        ("gwA", "homeassistant/sensor/x/config", False),
        ("gwH", "homeassistant/sensor/x/config", True),
        ("gwH", "glow/BCDDC2C6A91C/STATE", True),
        ("home", "metergate/gwH/meter/7/state", False),
        ("home", "homeassistant/sensor/x/config", False),
        ("station", "metergate/town/ack/gwA", True),
    ],
)
@pytest.mark.parametrize("retain", [False, True])
async def test_what_a_user_may_publish(
    user: str, topic: str, arrives: bool, retain: bool, shared_broker: Broker
) -> None:
    """Behind each message the station publishes one of its own, so "nothing came" needs no waiting."""
    found: asyncio.Queue[Message] = asyncio.Queue()
    async with client(shared_broker, "station") as station, client(shared_broker, user, "other") as mqtt:
        await station.subscribe(topic, found.put, qos=1)
        await mqtt.publish(topic, b"tried", qos=1, retain=retain)
        await station.publish(topic, b"", qos=1, retain=True)
        first = await asyncio.wait_for(found.get(), 20)
        assert (first.payload == b"tried") is arrives


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broker")


@pytest.fixture
async def shared_broker(shared_folder: Path) -> AsyncIterator[Broker]:
    async with running(shared_folder) as broker:
        yield broker


async def test_strangers_and_wrong_passwords_stay_out(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        for user, password in ((None, None), ("gwA", broker.password("gwB")), ("nobody", "x")):
            async with MqttClient(broker.address(user), "x", password=password) as mqtt:
                assert isinstance(await asyncio.wait_for(mqtt.failed(), 20), Refused)
        with pytest.raises(LinkError):
            await ensure_stream(broker.native_url, "gwA", broker.password("gwA"))


async def test_the_station_finds_everything_after_a_day_away(tmp_path: Path) -> None:
    """Batches that came in while no worker ran, and before the broker was killed and stopped, are all there once.

    The server may confirm a batch to its sender a moment before the stream has it: a second consumer tells when it has.
    """
    lane = "metergate/town/record/gwA"
    async with running(tmp_path) as broker:
        secret = broker.password("station")
        async with (
            record_source(broker.native_url, "station", secret, "witness") as witness,
            client(broker, "gwA") as mqtt,
        ):
            for number in range(10):
                await mqtt.publish(lane, f"batch {number}".encode())
            await every(witness, 10)
            assert broker.pid
            os.kill(broker.pid, signal.SIGKILL)
            for number in range(10, 20):
                await mqtt.publish(lane, f"batch {number}".encode())
        async with record_source(broker.native_url, "station", secret, "witness") as witness:
            await every(witness, 10)
    async with running(tmp_path) as broker:
        async with record_source(broker.native_url, "station", secret) as source:
            (first,) = await source.fetch(1)
            await first.again(0)
            batches = await every(source, 20)
        async with record_source(broker.native_url, "station", secret, days=31) as source:
            assert await source.fetch(1, within=0.2) == []
    assert {(batch.group, batch.gateway) for batch in batches} == {("town", "gwA")}
    assert {batch.payload for batch in batches} == {f"batch {number}".encode() for number in range(20)}
    assert [batch.payload for batch in batches if batch.tries == 2] == [first.payload] == [b"batch 0"]


async def test_a_dead_server_is_a_link_error_whatever_is_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        secret = broker.password("station")
        await ensure_stream(broker.native_url, "station", secret)
        async with client(broker, "gwA") as mqtt:
            await mqtt.publish("metergate/town/record/gwA", b"batch")
        async with record_source(broker.native_url, "station", secret) as source:
            (batch,) = await source.fetch(1)
            assert broker.pid
            os.kill(broker.pid, signal.SIGKILL)
            with pytest.raises(LinkError):
                await source.fetch(1, within=20)
            for say in (batch.done, batch.again, batch.poison):
                with pytest.raises(LinkError):
                    await say()


async def test_users_come_and_go_while_it_runs(tmp_path: Path) -> None:
    async with running(tmp_path, (station_user(),)) as broker:
        password = broker.allow(gateway_user("town", "late"))
        pid = broker.pid
        async with client(broker, "late") as mqtt:
            await mqtt.ready(20)
            assert mqtt._password == password
            broker.revoke("late")
            error = await asyncio.wait_for(mqtt.failed(), 20)
            async with asyncio.timeout(20):
                while not isinstance(error, Refused):
                    async with mqtt._news:
                        await mqtt._news.wait()
                    error = mqtt.error or error
        assert broker.pid == pid


async def test_a_killed_server_comes_back_on_its_ports(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        ports, pid = broker.ports, broker.pid
        async with client(broker, "gwA") as mqtt:
            first = await mqtt.ready(20)
            assert await broker.healthy()
            assert pid
            os.kill(pid, signal.SIGKILL)
            await first.ended.wait()
            await mqtt.ready(20)
        assert broker.ports == ports
        assert broker.pid not in (None, pid)
    assert broker.pid is None
    assert not await broker.healthy()
    assert proc(pid) == ""


async def test_a_server_left_behind_by_a_crash_is_stopped_first(tmp_path: Path) -> None:
    crashed = Broker(BrokerSettings(tmp_path, port=0), USERS)
    await crashed.start()
    assert crashed.pid
    assert crashed._task
    crashed._task.cancel()
    async with running(tmp_path) as broker:
        assert crashed._process
        await asyncio.wait_for(crashed._process.wait(), 20)
        assert await broker.healthy()
    crashed._process = None


PARENT = """
import asyncio, sys
from pathlib import Path
from metergate.links.broker import Broker, BrokerSettings, station_user

async def main():
    async with Broker(BrokerSettings(Path(sys.argv[1]), port=0), [station_user()]) as broker:
        print(broker.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
async def test_the_server_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    command = (sys.executable, "-c", PARENT, str(tmp_path))
    parent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    handle, gone = os.pidfd_open(pid), asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, gone.set)
    parent.kill()
    await asyncio.wait_for(gone.wait(), 20)
    asyncio.get_running_loop().remove_reader(handle)
    os.close(handle)
    await parent.wait()


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    async with running(tmp_path / "one") as broker:
        with pytest.raises(LinkError, match="address already in use"):
            await Broker(BrokerSettings(tmp_path / "two", port=broker.ports[0]), USERS).start()


async def test_files_are_private_and_hold_no_passwords_but_the_servers_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Broker(BrokerSettings(tmp_path, port=0, tls=("localhost", "127.0.0.1")), USERS) as broker:
        secrets = {user.name: broker.password(user.name) for user in USERS}
        assert len(set(secrets.values())) == len(USERS)
        assert min(map(len, secrets.values())) == 32
        assert broker.password_file("gwA").read_text().strip() == secrets["gwA"]
        files = private_files(tmp_path)
        assert set(files) >= {"broker.conf", "ca.key", "broker.key", "gwA"}
        assert set(files.values()) == {0o600}
        arguments = proc(broker.pid)
        assert "broker.conf" in arguments
    for secret in secrets.values():
        assert secret not in arguments
        assert secret not in caplog.text


def test_open_to_the_network_only_with_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs TLS"):
        Broker(BrokerSettings(tmp_path, host="0.0.0.0"), USERS)
    assert Broker(BrokerSettings(tmp_path, host="0.0.0.0", tls=("gw.local",)), USERS).address("gwA").tls


def test_certificates_are_kept_until_they_run_out(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    cert, key = authority.issue("broker", ("localhost", "127.0.0.1", "::1"))
    first = cert.read_bytes()
    assert Authority(tmp_path / "tls").issue("broker", ("localhost", "127.0.0.1", "::1")) == (cert, key)
    assert cert.read_bytes() == first
    found = x509.load_pem_x509_certificate(first)
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate.read_bytes()))
    later = datetime.now(UTC) + timedelta(days=800)
    authority.issue("broker", ("localhost", "127.0.0.1", "::1"), later)
    renewed = cert.read_bytes()
    assert renewed != first
    authority.issue("broker", ("localhost",), later)
    assert cert.read_bytes() != renewed


@pytest.mark.parametrize(
    ("topic_filter", "expected"),
    [
        ("a/b/c", ("a.b.c",)),
        ("a/+/c", ("a.*.c",)),
        ("a/#", ("a.>", "a")),
        ("#", (">",)),
        ("spBv1.0/g", ("spBv1//0.g",)),
    ],
)
def test_filters_as_subjects(topic_filter: str, expected: tuple[str, ...]) -> None:
    assert subjects(topic_filter) == expected


@pytest.mark.parametrize("bad", ["gw 1", "gw/1", "gw.1", "gw+", "", "x" * 65, "gw\n"])
def test_names_that_would_reach_into_others_topics(bad: str) -> None:
    with pytest.raises(ConfigError):
        gateway_user("town", bad)
    with pytest.raises(ConfigError):
        gateway_user(bad, "gw1")
    with pytest.raises(ConfigError):
        household_user("home", [bad])


def test_the_program_is_there() -> None:
    assert os.access(find_server(), os.X_OK)
