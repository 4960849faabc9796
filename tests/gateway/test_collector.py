"""Collectors: what they stored is durable here before it is let go there; valves move once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from faulty import FAULTS, Fault, serve, stop
from metergate.errors import StorageError
from metergate.gateway import collector
from metergate.gateway.collector import CollectorLine
from metergate.gateway.cursors import Cursors
from metergate.gateway.hub import Hub, MeterState, Sink
from metergate.gateway.record import Recorder, SpoolSink
from metergate.gateway.settings import Line, Meter
from metergate.links import open_link
from metergate.model import CloseValve, Event, Obis, OpenValve, Outcome, Reading, ReadNow, SetClock
from metergate.profiles.spool import Spool
from metergate.sim.collector import Channel, Memory
from metergate.toml import Seconds
from metergate.wire.mgc1 import Collector, EventCode, ValvePosition, ValveState
from metergate.wire.mgc1 import master as mgc1

pytestmark = pytest.mark.anyio
WATER = Obis.parse("8-0:1.0.0")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Seen(Sink):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.live: list[tuple[str, Decimal]] = []
        self.events: list[tuple[str, str]] = []

    def accept(self, meter: MeterState, readings: tuple[Reading, ...]) -> None:
        self.live += [(meter.id, reading.value) for reading in readings if isinstance(reading.value, Decimal)]

    def event(self, event: Event) -> None:
        self.events.append((event.code, event.source))


class Valved(Memory):
    """A collector whose valve needs two looks to arrive; an order with a known number moves nothing."""

    moves: list[int] = []
    looks = 0

    def valve(self, order: int, channel: int, action: int, ttl: int, now: datetime) -> int:
        if order not in self.moves:
            self.moves = [*self.moves, order]
        return ValvePosition.MOVING

    def valve_state(self, channel: int, now: datetime) -> ValveState:
        self.looks += bool(self.moves)
        place = ValvePosition.CLOSED if self.looks > 1 else ValvePosition.MOVING
        return ValveState(place, 0, self.moves[-1] if self.moves else 0)


class Bench:
    """A gateway's line with one collector, address 18, that has two water meters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        channels = [Channel(number, (WATER,), lambda obis, at: Decimal(at.minute), True) for number in (1, 2)]
        self.memory = Valved(channels, folder / "collector", "S1")
        self.spool = Spool(folder / "spool")
        self.recorder = Recorder(self.spool)
        self.seen = Seen()
        self.hub = Hub("gw1", [SpoolSink(self.recorder), self.seen])
        listed = (Meter(address="18"), Meter(id="W-1", address="18/1"))
        self.settings = Line(f"loop://{folder.name}", "mgc1", meter=listed, period=Seconds(900), jitter=Decimal(0))
        self.line = CollectorLine(self.settings, self.hub, self.recorder, Cursors(folder / "cursors.json"))
        self.master = self.line._masters[18]

    def log(self, count: int) -> None:
        """The collector logs so many times."""
        for number in range(count):
            self.memory.tick(NOW + timedelta(minutes=number))

    def kept(self) -> list[tuple[str, Decimal]]:
        """Everything in the spool, in order."""
        batch = self.spool.read(0, 100_000)
        if batch is None:
            return []
        rows = zip(batch.columns.register.tolist(), batch.columns.value.tolist(), strict=True)
        return [(batch.registers[number].meter, Decimal(value) / 1000) for number, value in rows]

    @asynccontextmanager
    async def connected(self, fault: Fault | None = None) -> AsyncIterator[None]:
        """The line is open, and the collector answers."""
        theirs = await open_link(self.settings.url)
        serving = asyncio.create_task(serve(theirs, [Collector(18, self.memory)], fault))
        ours = await open_link(self.settings.url)
        owning = asyncio.create_task(self.line._own(ours, []))
        await asyncio.sleep(0)
        try:
            yield
        finally:
            await stop(owning)
            await stop(serving)
            await theirs.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    made.master.timeout = 0.05
    monkeypatch.setattr(collector, "VALVE_POLL", 0.01)
    return made


async def test_the_log_becomes_durable_and_is_then_let_go(bench: Bench) -> None:
    bench.log(50)
    async with bench.connected():
        await bench.line.visit(bench.master)
    assert sorted(bench.kept()) == sorted((name, Decimal(n)) for n in range(50) for name in ("W-1", "18/2"))
    assert bench.spool.durable == bench.spool.newest
    status = bench.memory.status(NOW)
    assert status.acked == status.newest


async def test_nothing_is_let_go_that_is_not_durable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.log(5)

    def full() -> int:
        raise StorageError("disk full")

    monkeypatch.setattr(bench.spool, "sync", full)
    async with bench.connected():
        with pytest.raises(StorageError):
            await bench.line.visit(bench.master)
    assert bench.memory.status(NOW).acked == 0


async def test_the_next_visit_goes_on_where_the_last_one_ended(bench: Bench) -> None:
    async with bench.connected():
        for _ in range(3):
            bench.log(10)
            await bench.line.visit(bench.master)
    assert len(bench.kept()) == 60


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_on_the_line_lose_and_double_nothing(bench: Bench, fault: str) -> None:
    bench.log(30)
    async with bench.connected(FAULTS[fault]):
        await bench.line.visit(bench.master)
    assert sorted(bench.kept()) == sorted((name, Decimal(n)) for n in range(30) for name in ("W-1", "18/2"))


async def test_live_values_are_those_of_now(bench: Bench) -> None:
    bench.log(3)
    async with bench.connected():
        await bench.line.visit(bench.master)
        assert {name for name, _ in bench.seen.live} == {"W-1", "18/2"}
        outcome, _ = await bench.line.execute(ReadNow("1", "W-1"))
    assert outcome is Outcome.DONE
    assert bench.seen.live[-1][0] == "W-1"


async def test_events_come_once_even_over_a_restart(bench: Bench) -> None:
    bench.memory.note(EventCode.MAINS_FAIL, NOW)
    bench.memory.note(EventCode.LOOP_OPEN, NOW, channel=1)
    async with bench.connected():
        await bench.line.visit(bench.master)
        await bench.line.visit(bench.master)
        again = CollectorLine(bench.settings, bench.hub, bench.recorder, Cursors(bench.folder / "cursors.json"))
        again._owner = bench.line._owner
        await again.visit(again._masters[18])
    codes = bench.seen.events
    assert codes.count(("LOOP_OPEN", "W-1")) == 1
    assert codes.count(("MAINS_FAIL", "18")) == 1


async def test_a_valve_moves_once_and_is_seen_to_be_there(bench: Bench) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    async with bench.connected(FAULTS["silence"]):
        for _ in range(2):
            assert await bench.line.execute(CloseValve("order-1", "W-1", later)) == (Outcome.DONE, "CLOSED")
        outcome, _ = await bench.line.execute(OpenValve("order-2", "18"))
        assert outcome is Outcome.UNSUPPORTED
    assert len(bench.memory.moves) == 1


async def test_a_valve_that_never_arrives_is_unsure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "VALVE_TIME", 0.1)
    bench.memory.looks = -1_000_000
    async with bench.connected():
        assert await bench.line.execute(CloseValve("order-1", "W-1")) == (Outcome.UNSURE, "MOVING")


async def test_setting_the_clock(bench: Bench) -> None:
    async with bench.connected():
        outcome, text = await bench.line.execute(SetClock("1", "18"))
    assert outcome is Outcome.DONE
    assert text.startswith("it was ")


async def test_meters_of_the_line(bench: Bench) -> None:
    assert [bench.line.has(name) for name in ("W-1", "18", "18/2", "19/1", "W-2")] == [True, True, True, False, False]


def test_master_timing() -> None:
    assert (mgc1.TIMEOUT, mgc1.TRIES) == (0.5, 3)


async def test_a_clock_that_is_far_off_is_told_once(bench: Bench) -> None:
    async with bench.connected():
        await bench.line.visit(bench.master)
        await bench.line.visit(bench.master)
    assert [event[0] for event in bench.seen.events].count("CLOCK_DOUBTFUL") == 1
