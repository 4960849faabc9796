"""The simulated collector: asked by a real master, killed at will."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dialogues import Talk
from metergate.links import open_pair
from metergate.meters.driver import Line as BusLine
from metergate.model import Obis
from metergate.sim.bank import Bank as Answering
from metergate.sim.clock import SimClock
from metergate.sim.collector import Channel, Memory
from metergate.sim.household import Household
from metergate.sim.meters import responder, source
from metergate.sim.run import CollectorProcess
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.mgc1 import Master
from metergate.wire.mgc1.collector import Collector
from metergate.wire.mgc1.records import EventCode, StatusFlag, ValvePosition
from metergate.wire.mgc1.registers import REGISTERS

IMPORT, WATER = Obis.parse("1-0:1.8.0"), Obis.parse("8-0:1.0.0")
START = datetime(2026, 3, 1, 0, 15, tzinfo=UTC)
RESOLUTION = Decimal("0.01")
SOURCE = HouseholdSource(Household(3, since=START.date()))


def memory(folder: Path) -> Memory:
    channels = [Channel(1, (IMPORT,), SOURCE), Channel(2, (WATER,), SOURCE, has_valve=True)]
    return Memory(channels, folder, "00000018")


def ticked(folder: Path, count: int = 8) -> Memory:
    made = memory(folder)
    for number in range(count):
        made.tick(START + number * timedelta(minutes=15))
    return made


def talk(made: Memory) -> Talk:
    return Talk([Collector(18, made)], START)


def test_the_log_holds_the_truth(tmp_path: Path) -> None:
    records, more = talk(ticked(tmp_path)).run(Master(18).read_log(1))
    assert not more
    assert [record.cursor for record in records] == list(range(1, 17))
    for record in records:
        at = datetime.fromtimestamp(record.time, UTC)
        truth = SOURCE(IMPORT if record.channel == 1 else WATER, at)
        assert truth is not None
        assert record.reading("m").value == truth.quantize(Decimal("0.001"), "ROUND_DOWN")


def test_a_kill_loses_nothing_and_counts_a_boot(tmp_path: Path) -> None:
    before = talk(ticked(tmp_path)).run(Master(18).read_log(1))[0]
    after = memory(tmp_path)  # as a new process finds it
    assert [record.encode() for record in talk(after).run(Master(18).read_log(1))[0]] == [r.encode() for r in before]
    assert after.boots == 2


def test_acknowledged_cursors_are_told(tmp_path: Path) -> None:
    made = ticked(tmp_path)
    line = talk(made)
    line.run(Master(18).ack_log(10))
    status = line.run(Master(18, seq=9).status())
    assert (status.oldest, status.newest, status.acked) == (1, 16, 10)


def test_the_first_values_of_a_day_are_frozen(tmp_path: Path) -> None:
    made = ticked(tmp_path)
    day = int(START.timestamp()) // 86400
    frozen = talk(made).run(Master(18).read_freeze(day))
    assert {(record.channel, record.time) for record in frozen} == {(n, int(START.timestamp())) for n in (1, 2)}
    assert talk(made).run(Master(18, seq=3).read_freeze(day - 1)) == []


def test_a_meter_that_keeps_silent_has_no_value(tmp_path: Path) -> None:
    made = Memory([Channel(1, (IMPORT,))], tmp_path, "1")
    made.tick(START)
    (record,) = talk(made).run(Master(18).read_log(1))[0]
    assert record.reading("m").value is None
    assert talk(made).run(Master(18, seq=2).status()).flags & StatusFlag.BUS_FAULT


def test_a_silent_meter_has_its_marks_and_its_freeze(tmp_path: Path) -> None:
    """Each quarter hour has a record of its own, whatever was read before; the next value has its own instant."""
    channel = Channel(1, (IMPORT,))
    made = Memory([channel], tmp_path, "1")
    quarters = [datetime(2026, 3, 1, 23, 45, tzinfo=UTC) + number * timedelta(minutes=15) for number in range(4)]
    for number, mark in enumerate(quarters):
        channel.silent = True
        if number in (0, 3):
            channel.show({IMPORT: Decimal(number)}, mark + timedelta(seconds=7))
        made.tick(mark)
    records, _ = talk(made).run(Master(18).read_log(1))
    assert [(datetime.fromtimestamp(each.time, UTC), each.reading("m").value) for each in records] == [
        (quarters[0] + timedelta(seconds=7), Decimal(0)),
        (quarters[1], None),
        (quarters[2], None),
        (quarters[3] + timedelta(seconds=7), Decimal(3)),
    ]
    (frozen,) = talk(made).run(Master(18, seq=3).read_freeze(int(quarters[1].timestamp()) // 86400))
    assert (frozen.time, frozen.reading("m").value) == (int(quarters[1].timestamp()), None)


def test_a_valve_is_ordered_once(tmp_path: Path) -> None:
    made = ticked(tmp_path, 1)
    line = talk(made)
    assert line.run(Master(18).valve(77, 2, 1, 30)) == ValvePosition.MOVING
    line.run(Master(18, seq=5).valve(77, 2, 1, 30))
    assert len(made.orders) == 1
    made.arrived(2, ValvePosition.CLOSED)
    assert memory(tmp_path).valve_state(2, START).last_order == 77


def test_mains_failure_and_a_set_clock_are_events(tmp_path: Path) -> None:
    made = ticked(tmp_path, 1)
    made.mains(False, START)
    talk(made).run(Master(18).set_time(START + timedelta(seconds=9)))
    told = [event.code for event in talk(made).run(Master(18, seq=4).events(1))]
    assert told == [EventCode.MAINS_FAIL, EventCode.CLOCK_SET]
    assert not talk(made).run(Master(18, seq=6).status()).flags & StatusFlag.MAINS


# ---- on a bus ----
BEFORE = datetime(2026, 11, 22, 11, 59, 57, tzinfo=UTC)
NOON = BEFORE + timedelta(seconds=3)
FLAT = (
    MeterSpec("dlt645", "261009000001", 0, channel=1),
    MeterSpec("cjt188", "55110900000001", 0, 0x10, channel=2),
    MeterSpec("cjt188", "55110900000002", 0, 0x30, channel=3, silent=True),
)


@pytest.mark.anyio
async def test_a_round_is_read_and_logged_when_a_quarter_begins(tmp_path: Path) -> None:
    """A household behind a collector: what is logged was read after the mark, one meter after the other, and is what
    the meter showed then; a meter that is dead has the mark itself and no value."""
    began = asyncio.get_running_loop().time()
    clock = SimClock(time.time(), BEFORE, 4.0)
    bank = Bank((Household(3, since=date(2026, 11, 1)),), FLAT, clock, datetime(2026, 11, 1, tzinfo=UTC))
    ours, theirs = await open_pair()
    answering = Answering(theirs, [responder(spec, bank) for spec in FLAT], clock, delay=(0.0, 0.001))
    answering.silent = {place for place, spec in enumerate(FLAT) if spec.silent}
    process, logged = CollectorProcess(18, bank, tmp_path, timedelta(0)), asyncio.Event()
    tick = process.memory.tick

    def noted(now: datetime) -> None:
        tick(now)
        logged.set()

    process.memory.tick = noted  # type: ignore[method-assign]
    bus = BusLine(ours)
    tasks = [asyncio.ensure_future(answering.run()), asyncio.ensure_future(process._read_bus(bus))]
    async with asyncio.timeout(60):
        await logged.wait()
    passed = timedelta(seconds=4 * (asyncio.get_running_loop().time() - began))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await bus.close()
    records, _ = Talk([Collector(18, process.memory)], NOON).run(Master(18).read_log(1))
    assert [record.channel for record in records] == [1] * 4 + [2, 3]
    times = [datetime.fromtimestamp(record.time, UTC) for record in records]
    assert times[:5] == sorted(times[:5])
    assert all(NOON <= at <= BEFORE + passed for at in times)
    assert times[5] == NOON
    assert records[5].reading("m").value is None
    for record, at in zip(records[:5], times, strict=False):
        shows = source(FLAT[record.channel - 1], bank)
        code = REGISTERS[record.register].obis
        low, high = shows(code, at - timedelta(seconds=2)), shows(code, at + timedelta(seconds=2))
        value = record.reading("m").value
        if code.d == 8 or code.a == 8:
            assert isinstance(value, Decimal)
            assert low is not None
            assert high is not None
            assert low - RESOLUTION <= value <= high
