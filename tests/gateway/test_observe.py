"""Looking at lines: counters for everybody, bytes only while somebody watches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from brokers import mosquitto
from faulty import serve, stop
from metergate.gateway.hub import Hub
from metergate.gateway.lines import LineTask
from metergate.gateway.observe import Observatory, Observer, Piece
from metergate.gateway.settings import Line, Meter
from metergate.links.loop import pair
from metergate.links.mqtt import Message, MqttClient
from metergate.meters.driver import Priority
from metergate.model import Obis
from metergate.toml import Seconds
from metergate.wire.dlt645 import Meter as Dlt645Meter
from metergate.wire.lines import LineReport, Sight, decode_report, decode_sight, watch_topic
from smlmeter import meter_id, telegram

pytestmark = pytest.mark.anyio
ADDRESS = "112233445566"


class Place:
    """A line that listens, a gateway's client and somebody at the station."""

    def __init__(self, gateway: MqttClient, station: MqttClient) -> None:
        self.line = LineTask(Line("loop://", "sml", name="flat/7", gap=Seconds(0.02)), Hub("gw1"))
        self.ours, self.theirs = pair()
        self.station = station
        self.observatory = Observatory("gw1", gateway, lambda: [self.line], every=0.02)
        self.traces: asyncio.Queue[Sight] = asyncio.Queue()
        self.reports: asyncio.Queue[LineReport] = asyncio.Queue()

    def take(self, message: Message) -> None:
        self.traces.put_nowait(decode_sight(message.payload))

    def report(self, message: Message) -> None:
        self.reports.put_nowait(decode_report(message.payload).lines[0])

    async def watch(self, line: str = "flat/7", retain: bool = False) -> None:
        await self.station.publish(watch_topic("gw1", line), b"", qos=0, retain=retain)

    async def told(self, telegrams: int) -> LineReport:
        """A report that was sent after so many telegrams."""
        while (found := await self.reports.get()).telegrams < telegrams:
            pass
        return found

    async def observed(self, yes: bool) -> None:
        """Wait until the line tells its bytes, or does not any more."""
        while (self.line._listener is not None and self.line._listener.trace is not None) is not yes:
            await self.reports.get()


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    with mosquitto(folder / "broker") as broker:
        async with (
            MqttClient(broker.url, "gw1", linger=0) as gateway,
            MqttClient(broker.url, "station", linger=0) as station,
            asyncio.timeout(30),
        ):
            found = Place(gateway, station)
            await station.subscribe("metergate/+/trace/+", found.take)
            await station.subscribe("metergate/+/lines", found.report)
            tasks = [asyncio.create_task(found.observatory.run()), asyncio.create_task(found.line._serve(found.ours))]
            await found.told(0)
            try:
                yield found
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def test_without_a_watch_there_are_counters_only(tmp_path: Path) -> None:
    async with place(tmp_path) as there:
        await there.theirs.write(telegram(1, 10) + telegram(1, 11)[:60])
        await there.theirs.write(bytes(40))
        report = await there.told(1)
        assert (report.name, report.asked, report.round_ms) == ("flat/7", 0, None)
        await there.theirs.write(telegram(1, 12))
        await there.told(2)
        assert there.line._listener is not None
        assert there.line._listener.trace is None
        assert there.traces.empty()


async def test_a_watch_shows_bytes_and_words_and_ends_by_itself(tmp_path: Path) -> None:
    async with place(tmp_path) as there:
        there.observatory.lasting = 0.5
        await there.watch("strange")
        await there.watch()
        await there.observed(True)
        await there.theirs.write(telegram(1, 10))
        sight = await there.traces.get()
        assert telegram(1, 10).startswith(sight.data)
        assert (sight.direction, sight.protocol) == ("rx", "sml")
        assert meter_id(1) in sight.text
        assert "5 values" in sight.text
        await there.observed(False)
        await there.theirs.write(telegram(1, 11))
        await there.told(2)
        assert there.traces.empty()


async def test_who_keeps_watching_keeps_seeing(tmp_path: Path) -> None:
    async with place(tmp_path) as there:
        there.observatory.lasting = 0.5
        await there.watch()
        await there.observed(True)
        until = asyncio.get_running_loop().time() + 1.0
        while asyncio.get_running_loop().time() < until:
            await there.watch()
            await there.reports.get()
        await there.theirs.write(telegram(1, 10))
        assert (await there.traces.get()).data


async def test_a_kept_watch_of_earlier_days_does_not_count(tmp_path: Path) -> None:
    async with place(tmp_path) as there:
        there.observatory.watch(Message(watch_topic("gw1", "flat/7"), b"", retain=True))
        assert there.line._listener is not None
        assert there.line._listener.trace is None


async def test_messages_are_kept_apart_by_direction_and_silence() -> None:
    seen: asyncio.Queue[Piece] = asyncio.Queue()
    observer = Observer(0.02, seen.put_nowait)
    for way, data in ((">", b"ask"), ("<", b"ans"), ("<", b"wer"), (">", b"1"), (">", b"2")):
        observer(way, data)
    found = [await seen.get() for _ in range(4)]
    assert [(piece.way, bytes(piece.data)) for piece in found] == [
        (">", b"ask"),
        ("<", b"answer"),
        (">", b"1"),
        (">", b"2"),
    ]
    observer("<", b"later")
    assert bytes((await seen.get()).data) == b"later"


async def test_a_flood_is_kept_within_bounds() -> None:
    seen: list[Piece] = []
    observer = Observer(10, seen.append)
    for _ in range(1000):
        observer("<", bytes(4096))
    observer._look()
    assert 0 < len(seen) <= 64
    assert all(len(piece.data) <= 4096 for piece in seen)
    observer.close()


async def test_what_is_asked_and_answered_is_counted() -> None:
    ours, theirs = pair()
    meter = Dlt645Meter(ADDRESS, lambda obis, at: Decimal(1), datetime(2026, 1, 1, tzinfo=UTC))
    listed = Meter(id=ADDRESS, registers=("00010000",))
    line = LineTask(Line("loop://", "dlt645", meter=(listed,), jitter=Decimal(0)), Hub("gw1"))
    seen: list[str] = []
    line.observe(lambda way, data: seen.append(way))
    serving = asyncio.create_task(serve(theirs, [meter]))
    owning = asyncio.create_task(line._own(ours, []))
    await asyncio.sleep(0)
    await line.read(listed, Priority.ON_DEMAND)
    line.observe(None)
    shown = len(seen)
    await line.read(listed, Priority.ON_DEMAND)
    assert (line.state.asked, line.state.answered) == (2, 2)
    assert line.state.round is not None
    assert {">", "<"} == set(seen)
    assert len(seen) == shown
    assert Obis.parse("1-0:1.8.0") in {reading.register.obis for reading in line._hub.meters[ADDRESS].readings}
    owning.cancel()
    await asyncio.gather(owning, return_exceptions=True)
    await stop(serving)
