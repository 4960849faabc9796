"""The simulated collector: asked by a real master, killed at will."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from dialogues import Talk
from metergate.model import Obis
from metergate.sim.collector import Channel, Memory
from metergate.sim.household import Household
from metergate.sim.source import HouseholdSource
from metergate.wire.mgc1 import Master
from metergate.wire.mgc1.collector import Collector
from metergate.wire.mgc1.records import EventCode, StatusFlag, ValvePosition

IMPORT, WATER = Obis.parse("1-0:1.8.0"), Obis.parse("8-0:1.0.0")
START = datetime(2026, 3, 1, 0, 15, tzinfo=UTC)
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
