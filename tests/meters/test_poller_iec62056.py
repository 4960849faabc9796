"""IEC 62056-21 meters asked over links: bad lines, the clock, the profile, and a line whose speed really changes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from faulty import FAULTS, NOW, Fault, serve, stop
from metergate.errors import MetergateError, NoAnswer, Refused, Unsupported
from metergate.links import Link, open_link
from metergate.links.loop import pair
from metergate.meters.driver import Line
from metergate.meters.pollers import POLLERS, Poller, Target
from metergate.model import Disconnect, Obis, Outcome, Quality, SetClock
from metergate.sim import specs
from metergate.sim.bank import Bank
from metergate.sim.clock import SimClock
from metergate.sim.household import Household
from metergate.sim.line import Line as Bus
from metergate.sim.meters import Pusher, responder, source
from metergate.wire.base import Dialogue, Responder, Telegram, received
from metergate.wire.iec62056 import Access, Identification, Meter, Receiver, Setup, reader
from metergate.wire.iec62056.datasets import DataSet, data_set
from metergate.wire.iec62056.profile import Channel, Section

pytestmark = pytest.mark.anyio
IMPORT, POWER = Obis.parse("1-0:1.8.0"), Obis.parse("1-0:16.7.0")
PASSWORD = b"12345678"
TARGET = Target("4711", "4711", PASSWORD)


def show(now: datetime) -> Sequence[DataSet]:
    return [data_set("C.1.0", "4711"), data_set("1.8.0", "000285.4*kWh"), data_set("16.7.0", "-00.512*kW")]


def profile(begin: datetime, end: datetime) -> Sequence[Section]:
    rows = (("0.25", "1.5"), ("", "1.6"), ("0.27", "1.7"), ("0.28", "1.8"))
    return [Section(f"{begin:%y%m%d%H%M}", "80", 15, (Channel("1.5.0", "kW"), Channel("2.5.0", "kW")), rows)]


def log(begin: datetime, end: datetime) -> Sequence[Section]:
    return [Section("2611220815", "0040", 0, (), ())]


def meter(baud_id: str = "5") -> Meter:
    setup = Setup(Identification("MGT", baud_id, "M1"), "4711", Access({1: PASSWORD.decode()}))
    return Meter(setup, show, profile, log)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory nobody has to be waited for long."""
    monkeypatch.setattr(reader, "LINE", replace(reader.LINE, timeout=0.05, gap=0.05))


def poller(**options: object) -> Poller:
    return POLLERS["iec62056-21"](options)


@asynccontextmanager
async def asked(meters: Sequence[Responder], fault: Fault | None = None) -> AsyncIterator[Line]:
    ours, theirs = pair()
    line, serving = Line(ours), asyncio.create_task(serve(theirs, meters, fault))
    yield line
    await stop(serving)
    await line.close()


async def test_a_readout_names_the_target() -> None:
    async with asked([meter()]) as line:
        telegram = await line.ask(poller().read(Target("my meter", "4711")))
    assert telegram.meter
    assert (telegram.meter.id, telegram.meter.manufacturer) == ("my meter", "MGT")
    assert {reading.obis: reading.value for reading in telegram.readings}[IMPORT] == Decimal("285.4")
    assert {one.obis: one.register.quantity for one in telegram.readings if one.unit} == {
        IMPORT: "energy",
        POWER: "power",
    }


async def test_registers_are_asked_for_in_programming_mode() -> None:
    async with asked([meter()]) as line:
        telegram = await line.ask(poller().read(replace(TARGET, registers=("1.8.0", "16.7.0"))))
        assert [(r.obis, r.value) for r in telegram.readings] == [
            (IMPORT, Decimal("285.4")),
            (POWER, Decimal("-0.512")),
        ]
        assert [r.register.quantity for r in telegram.readings] == ["energy", "power"]
        with pytest.raises(Refused):
            await line.ask(poller().read(replace(TARGET, key=b"wrong", registers=("1.8.0",))))


@pytest.mark.parametrize("fault", FAULTS)
async def test_bad_lines_give_right_values_or_errors(fault: str) -> None:
    right = 0
    async with asked([meter()], FAULTS[fault]) as line:
        for _ in range(4):
            try:
                telegram = await line.ask(poller().read(TARGET))
            except MetergateError:
                continue
            for reading in telegram.readings:
                if reading.quality is Quality.GOOD and reading.obis == IMPORT:
                    assert reading.value == Decimal("285.4")
                    right += 1
    assert right or fault == "silence"  # which here swallows every readout, for it comes second


async def test_a_silent_meter() -> None:
    async with asked([]) as line:
        with pytest.raises(NoAnswer):
            await line.ask(poller().read(TARGET))


async def test_a_load_profile_by_range_and_register() -> None:
    begin = datetime(2026, 11, 22, 8, tzinfo=UTC)
    async with asked([meter()]) as line:
        found = await line.ask(poller().profile(TARGET, "1.5.0", begin, begin + timedelta(minutes=45)))
        events = await line.ask(poller().events(TARGET, begin, begin + timedelta(hours=1)))
    assert [(r.meter_time, r.value) for r in found.readings] == [
        (begin, Decimal("0.25")),
        (begin + timedelta(minutes=15), None),
        (begin + timedelta(minutes=30), Decimal("0.27")),
    ]
    assert {reading.status for reading in found.readings} == {0x80}
    assert [(r.value, r.meter_time) for r in events.readings] == [("0040", datetime(2026, 11, 22, 7, 15, tzinfo=UTC))]


async def test_the_clock_is_set_and_other_orders_are_not_known() -> None:
    one = meter()
    wanted = datetime(2026, 7, 1, 12, tzinfo=UTC)
    async with asked([one]) as line:
        assert await line.ask(poller().execute(TARGET, SetClock("1", "4711", time=wanted), NOW)) is Outcome.DONE
        refused = poller().execute(replace(TARGET, key=b"x"), SetClock("2", "4711"), NOW)
        assert await line.ask(refused) is Outcome.REFUSED
        assert await line.ask(poller().execute(TARGET, Disconnect("3", "4711"), NOW)) is Outcome.UNSUPPORTED
    assert one.local(NOW).replace(tzinfo=None) == datetime(2026, 7, 1, 13)
    async with asked([]) as line:
        assert await line.ask(poller().execute(TARGET, SetClock("4", "4711"), NOW)) is Outcome.NO_ANSWER


async def test_a_meter_without_programming_mode() -> None:
    async with asked([meter("x")]) as line:
        with pytest.raises(Unsupported):
            await line.ask(poller().profile(TARGET, "1.5.0", NOW, NOW))


async def test_simulated_meters_show_what_their_household_counts() -> None:
    home = Household(5, pv_watts=4000, since=date(2026, 11, 1))
    everyone = specs.Bank((home,), (), installed=datetime(2026, 11, 1, tzinfo=UTC))
    spec = specs.MeterSpec("iec62056-21", "4711", 0)
    counted = source(spec, everyone)
    async with asked([responder(spec, everyone)]) as line:
        telegram = await line.ask(poller().read(Target("4711", "4711")))
        shown = {reading.obis: reading.value for reading in telegram.readings if reading.unit}
        assert shown == {code: counted(code, NOW) for code in shown if code}
        assert len(shown) == 5
        password = Target("4711", "4711", b"00000000")
        begin = NOW - timedelta(hours=6)
        profile = await line.ask(poller().profile(password, "1.5.0", begin, NOW))
    mean = [((counted(IMPORT, at) or 0) - (counted(IMPORT, at - QUARTER) or 0)) * 4 for at in quarters(begin, NOW)]
    assert [reading.value for reading in profile.readings] == mean
    (pushed,) = Pusher(replace(spec, protocol="iec62056-d"), everyone).frames(NOW)
    (heard,) = received(Receiver(), pushed)
    assert isinstance(heard, Telegram)
    assert {reading.obis: reading.value for reading in heard.readings if reading.unit} == shown


QUARTER = timedelta(minutes=15)


def quarters(begin: datetime, end: datetime) -> list[datetime]:
    return [begin + number * QUARTER for number in range((end - begin) // QUARTER)]


@asynccontextmanager
async def bus(folder: Path, one: Meter) -> AsyncIterator[Link]:
    """Two serial ports, a meter at one of them, and between them a wire that goes by the speed of either."""
    ends = [await open_link(f"pty://{folder}/{name}") for name in ("reader", "meter")]
    ports = [await open_link(f"{folder}/{name}?baud=300&format=7E1&gather=0") for name in ("reader", "meter")]
    wire = Bus(ends, baud=300, bits_per_byte=10, follow=True)
    bank = Bank(ports[1], [one], SimClock.real(), delay=(0.2, 0.25))
    running = [asyncio.ensure_future(wire.run()), asyncio.ensure_future(bank.run())]
    yield ports[0]
    for task in running:
        await stop(task)
    for link in (*ports, *ends):
        await link.close()


def at_one_speed(target: Target) -> Dialogue[Telegram]:
    """A reader that sends the option and then stays at the speed of the sign-on."""
    dialogue = reader.readout(reader.Line(address=target.address, timeout=1.0, gap=0.5, tries=1))
    step, sent = next(dialogue), False
    while True:
        sent = sent or getattr(step, "data", b"").startswith(b"\x06")
        try:
            step = dialogue.send(b"" if sent and hasattr(step, "baud") else (yield step))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


async def test_reader_and_meter_change_their_speed_over_serial_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LINE", reader.Line(timeout=2.0, gap=1.0))
    one = meter("5")
    async with bus(tmp_path, one) as port:
        line = Line(port)
        telegram = await line.ask(poller().read(TARGET))
        assert {reading.obis: reading.value for reading in telegram.readings}[POWER] == Decimal("-0.512")
        assert port.byte_time == pytest.approx(10 / 9600)
        found = await line.ask(poller().read(replace(TARGET, registers=("1.8.0",))))
        assert found.readings[0].value == Decimal("285.4")
        assert port.byte_time == pytest.approx(10 / 300)
        with pytest.raises(MetergateError):
            await line.ask(at_one_speed(TARGET))
        await line.close()
