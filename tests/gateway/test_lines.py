"""One line of a gateway: whose telegrams count, keys, foreign protocols, duplicate meters, silence, breaks."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from metergate.errors import ConfigError
from metergate.gateway.hub import Hub, MeterState, Sink
from metergate.gateway.lines import LineTask
from metergate.gateway.settings import Line, Meter
from metergate.links.loop import LoopLink, pair
from metergate.meters.pollers import read_key
from metergate.model import Event, Medium, MeterIdentity, Obis, Outcome, Reading, ReadNow, Register
from metergate.sim.bank import Bank
from metergate.sim.meters import responder
from metergate.sim.serve import bank_of, meter_of
from metergate.toml import Seconds
from metergate.wire.base import Telegram
from metergate.wire.mbus.records import record
from metergate.wire.wmbus import Address, Format, Sender
from smlmeter import meter_id, telegram

pytestmark = pytest.mark.anyio
KEY = bytes(range(16))


class Seen(Sink):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.values: list[tuple[str, object]] = []
        self.silenced: list[str] = []
        self.events: list[str] = []

    def accept(self, meter: MeterState, readings: tuple[Reading, ...]) -> None:
        self.values += [(meter.id, reading.value) for reading in readings]

    def silent(self, meter: MeterState) -> None:
        self.silenced.append(meter.id)

    def event(self, event: Event) -> None:
        self.events.append(event.code)


async def heard(settings: Line, *chunks: bytes) -> tuple[LineTask, Seen]:
    """A line that hears `chunks`, then closes."""
    ours, theirs = pair()
    seen = Seen()
    line = LineTask(settings, Hub("gw1", [seen]))
    serving = asyncio.create_task(line._serve(ours))
    for chunk in chunks:
        await theirs.write(chunk)
    await theirs.close()
    await serving
    return line, seen


def radio(key: bytes | None = None, name: str = "12345678") -> bytes:
    """A radio telegram of a water meter that stands at 12.345 m3."""
    sender = Sender(Address.named(name, "ELS", 1, 7), key, 5 if key else 0, Format.A, "short")
    return sender.frames([record(b"\x0c", b"\x13", Decimal("12.345"))])[0]


async def test_a_listed_meter_makes_all_others_strangers() -> None:
    listed = Line("loop://", "sml", meter=(Meter(id=meter_id(1), name="Flat 1"),))
    line, seen = await heard(listed, telegram(1, 10), telegram(2, 20))
    assert {name for name, _ in seen.values} == {meter_id(1)}
    assert line.state.foreign == 1
    assert line._hub.meters[meter_id(1)].name == "Flat 1"


async def test_others_are_kept_where_none_or_all_are_wanted() -> None:
    for settings in (
        Line("loop://", "sml"),
        Line("loop://", "sml", meter=(Meter(id=meter_id(1)),), others=True),
    ):
        _, seen = await heard(settings, telegram(1, 10), telegram(2, 20))
        assert {name for name, _ in seen.values} == {meter_id(1), meter_id(2)}


async def test_a_foreign_protocol_and_noise_give_no_readings() -> None:
    line, seen = await heard(Line("loop://", "sml"), radio(), b"/EMH5\\2MT\r\n!\r\n", bytes(300), telegram(1, 10)[:90])
    assert seen.values == []
    assert line.state.problems


async def test_a_good_telegram_between_bad_ones_counts() -> None:
    bad = bytearray(telegram(1, 10))
    bad[100] ^= 1
    line, seen = await heard(Line("loop://", "sml"), bytes(bad), telegram(1, 11), bytes(bad))
    assert (meter_id(1), Decimal("1.1")) in seen.values
    assert (meter_id(1), Decimal("1.0")) not in seen.values
    assert line.state.problems["bad_checksum"] == 2


@pytest.mark.parametrize(("key", "problem"), [(KEY, None), (bytes(16), "wrong_key"), (None, "key_missing")])
async def test_keys_from_files(tmp_path: Path, key: bytes | None, problem: str | None) -> None:
    file = tmp_path / "key"
    file.write_text((key or b"").hex())
    meter = Meter(id="12345678", key_file=file if key else None)
    line, seen = await heard(Line("loop://", "wmbus", meter=(meter,), gap=Seconds(0.05)), radio(KEY))
    assert (seen.values == [("12345678", Decimal("12.345"))]) == (problem is None)
    assert (dict(line.state.problems) == {problem: 1}) == (problem is not None)


def test_a_file_that_holds_no_key_is_named_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hunter2")
    with pytest.raises(ConfigError) as caught:
        read_key(file)
    assert str(file) in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_who_speaks_by_himself_cannot_be_asked() -> None:
    line, _ = await heard(Line("loop://", "sml"), telegram(1, 10))
    assert line.has(meter_id(1))
    assert (await line.execute(ReadNow("1", meter_id(1))))[0] is Outcome.UNSUPPORTED


def told(hub: Hub, line: str, counter: int) -> None:
    identity = MeterIdentity("m", medium=Medium.WATER)
    reading = Reading(Register("m", Obis.parse("8-0:1.0.0")), Decimal(counter))
    hub.telegram(hub.lines[line], Telegram("sml", 0, 0, True, meter=identity, readings=(reading,)), (reading,), Meter())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def two_lines() -> tuple[Hub, Seen, Clock]:
    seen, clock = Seen(), Clock()
    hub = Hub("gw1", [seen], clock, clock)
    for url in ("loop://a", "loop://b"):
        LineTask(Line(url, "sml"), hub)
    return hub, seen, clock


def test_a_meter_on_two_lines_counts_once() -> None:
    hub, seen, clock = two_lines()
    for second in range(5):
        clock.now = float(second)
        told(hub, "loop://a", second)
        told(hub, "loop://b", second)
    assert [value for _, value in seen.values] == [0, 1, 2, 3, 4]
    assert seen.events == ["METER_TWICE"]
    clock.now = 100.0
    told(hub, "loop://b", 9)
    assert seen.values[-1] == ("m", 9)
    assert hub.meters["m"].line == "loop://b"


def test_silence_is_an_event_and_so_is_coming_back() -> None:
    hub, seen, clock = two_lines()
    for second in range(5):
        clock.now = float(second)
        told(hub, "loop://a", second)
    clock.now = 60.0
    hub.look()
    hub.look()
    assert (seen.events, seen.silenced) == (["METER_SILENT"], ["m"])
    told(hub, "loop://a", 9)
    assert seen.events == ["METER_SILENT", "METER_BACK"]


def test_a_line_that_goes_takes_its_meters_along() -> None:
    hub, seen, _ = two_lines()
    told(hub, "loop://a", 1)
    hub.forget("loop://a")
    assert (hub.meters, seen.silenced) == ({}, ["m"])


async def test_a_line_comes_back_after_a_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metergate.gateway.lines.REOPEN", (0.1, 0.1))
    ends: list[LoopLink] = []
    opened = asyncio.Event()

    async def opener(url: str) -> LoopLink:
        ours, theirs = pair()
        ends.append(theirs)
        opened.set()
        return ours

    seen = Seen()
    line = LineTask(Line("loop://x", "sml", gap=Seconds(0.05)), Hub("gw1", [seen]), opener)
    running = asyncio.create_task(line.run())
    for counter in (1, 2):
        await opened.wait()
        opened.clear()
        await ends[-1].write(telegram(1, counter))
        await ends[-1].close()
    await opened.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [value for _, value in seen.values if value in (Decimal("0.1"), Decimal("0.2"))] == [
        Decimal("0.1"),
        Decimal("0.2"),
    ]
    assert line.state.opened == 3


async def test_what_a_meter_answers_has_its_time_of_receipt() -> None:
    """DL/T 645 meters tell no time with their values: without ours nobody could place them."""
    ours, theirs = pair()
    hub = Hub("gw1")
    line = LineTask(Line("loop://", "dlt645", meter=(Meter(id="261005000001"),), jitter=Decimal(0)), hub)
    spec = meter_of("dlt645", "261005000001", 0, "", 0, 1.0)
    bank = bank_of(spec, datetime.now(UTC), 1.0, 1)
    before = datetime.now(UTC)
    tasks = [asyncio.create_task(Bank(theirs, [responder(spec, bank)], bank.time).run())]
    owner = line._own(ours, [])
    tasks.append(asyncio.create_task(owner))
    await asyncio.sleep(0)
    await line.read(line.settings.meter[0])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    readings = hub.meters["261005000001"].readings
    assert readings
    assert all(one.received and before <= one.received <= datetime.now(UTC) for one in readings)


def test_a_host_clock_that_jumps_is_an_event() -> None:
    seen, wall, steady = Seen(), Clock(), Clock()
    hub = Hub("gw1", [seen], steady, wall)
    hub.look()
    wall.now = 3600.0
    hub.look()
    hub.look()
    assert seen.events == ["CLOCK_JUMPED"]
