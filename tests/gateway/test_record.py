"""Store and forward: nothing is lost and nothing doubled, whatever broker, station and disk do."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from metergate.errors import LinkError, StorageError
from metergate.gateway.record import Recorder, Sender
from metergate.model import Event, Obis, Reading, Register, Unit
from metergate.profiles.spool import Spool
from metergate.wire.batch import Ack, decode, encode_ack

pytestmark = pytest.mark.anyio
START = datetime(2026, 11, 22, tzinfo=UTC)
REGISTER = Register("m", Obis.parse("1-0:1.8.0"), unit=Unit.WH)


def readings(first: int, count: int = 5) -> tuple[Reading, ...]:
    """Readings with the numbers first, first + 1 ... as values."""
    return tuple(
        Reading(REGISTER, Decimal(n), raw=n, received=START + timedelta(seconds=n)) for n in range(first, first + count)
    )


class Station:
    """Keeps what it gets and acknowledges it, unless it is away or forgetful."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self.events: list[str] = []
        self.cursor = 0
        self.sender: Sender | None = None
        self.deaf = False
        self.batches = 0
        self.got = asyncio.Event()
        self.done = asyncio.Event()

    async def publish(self, message: bytes) -> None:
        batch = decode(message)
        self.batches += 1
        if self.deaf:
            self.got.set()
            return
        if batch.start <= self.cursor < batch.end:
            self.cursor = batch.end
            self.values += batch.columns.value.tolist()
            self.events += [event.code for event in batch.events]
        assert self.sender is not None
        self.sender.acknowledged(encode_ack(Ack(batch.epoch, self.cursor)))
        self.got.set()
        if not self.sender.waiting:
            self.done.set()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool") as spool:
        yield spool


async def until_empty(station: Station) -> None:
    """Run the sender until the station has everything."""
    assert station.sender is not None
    running = asyncio.create_task(station.sender.run())
    async with asyncio.timeout(20):
        await station.done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def connected(recorder: Recorder, station: Station, resend: float = 30.0) -> Sender:
    sender = Sender(recorder, station.publish, limit=20, delay=0.01, resend=resend)
    station.sender = sender
    return sender


async def test_everything_arrives_once_and_in_order(spool: Spool) -> None:
    recorder, station = Recorder(spool), Station()
    sender = connected(recorder, station)
    for first in range(0, 500, 5):
        recorder.add(readings(first))
        await recorder.flush()
    recorder.add_event(Event(START, "DOOR_OPEN", "m"))
    await recorder.flush()
    await until_empty(station)
    assert station.values == list(range(500))
    assert station.events == ["DOOR_OPEN"]
    assert spool.acknowledged == spool.durable
    assert sender.batches == station.batches > 10


async def test_what_was_not_acknowledged_is_sent_again_after_a_restart(tmp_path: Path) -> None:
    station = Station()
    station.deaf = True
    with Spool(tmp_path / "s") as spool:
        recorder = Recorder(spool)
        sender = connected(recorder, station)
        recorder.add(readings(0, 50))
        await recorder.flush()
        running = asyncio.create_task(sender.run())
        await station.got.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    station.deaf = False
    with Spool(tmp_path / "s") as spool:
        connected(Recorder(spool), station)
        await until_empty(station)
    assert station.values == list(range(50))


async def test_a_forgotten_batch_is_sent_again_in_time(spool: Spool) -> None:
    recorder, station = Recorder(spool), Station()
    sender = connected(recorder, station, resend=0.05)
    station.deaf = True
    recorder.add(readings(0))
    await recorder.flush()
    running = asyncio.create_task(sender.run())
    await station.got.wait()
    station.deaf = False
    async with asyncio.timeout(20):
        await station.done.wait()
    running.cancel()
    assert station.values == list(range(5))
    assert sender.resent >= 1


async def test_a_broker_that_refuses_loses_nothing(spool: Spool) -> None:
    recorder, station = Recorder(spool), Station()
    tries = 0

    async def flaky(message: bytes) -> None:
        nonlocal tries
        tries += 1
        if tries % 2:
            raise LinkError("gone")
        await station.publish(message)

    station.sender = Sender(recorder, flaky, limit=20, delay=0.01, resend=0.05)
    for first in range(0, 100, 5):
        recorder.add(readings(first))
        await recorder.flush()
    await until_empty(station)
    assert sorted(station.values) == list(range(100))


@pytest.mark.parametrize("message", [b"", b"x" * 32, encode_ack(Ack("00" * 16, 5))])
async def test_a_strange_acknowledgement_releases_nothing(spool: Spool, message: bytes) -> None:
    recorder = Recorder(spool)
    sender = Sender(recorder, Station().publish)
    recorder.add(readings(0))
    await recorder.flush()
    sender.acknowledged(message)
    assert (spool.acknowledged, sender.bad_acknowledgements) == (0, 1)


async def test_an_acknowledgement_of_more_than_there_is_releases_what_is_durable(spool: Spool) -> None:
    recorder = Recorder(spool)
    sender = Sender(recorder, Station().publish)
    recorder.add(readings(0))
    await recorder.flush()
    sender.acknowledged(encode_ack(Ack(spool.epoch, 1_000_000)))
    assert spool.acknowledged == spool.durable


async def test_a_disk_that_fails_keeps_what_was_taken_in(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, station = Recorder(spool), Station()
    good = spool.sync
    broken = True

    def sync() -> int:
        if broken:
            raise StorageError("disk full")
        return good()

    monkeypatch.setattr(spool, "sync", sync)
    recorder.add(readings(0))
    with pytest.raises(StorageError):
        await recorder.flush()
    recorder.add(readings(5))
    broken = False
    await recorder.flush()
    connected(recorder, station)
    await until_empty(station)
    assert station.values == list(range(10))
    assert (recorder.errors, recorder.written) == (1, 10)


async def test_groups_are_written_by_themselves(spool: Spool) -> None:
    recorder = Recorder(spool, period=0.01)
    durable = asyncio.Event()
    recorder.watch(durable.set)
    running = asyncio.create_task(recorder.run())
    recorder.add(readings(0))
    async with asyncio.timeout(20):
        await durable.wait()
    running.cancel()
    batch = spool.read(0)
    assert batch is not None
    assert batch.columns.value.tolist() == [0, 1, 2, 3, 4]
