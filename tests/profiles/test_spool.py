"""The spool under power cuts, bit rot, full disks and stations that never answer."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from threading import Thread

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metergate.errors import StorageError
from metergate.model import Event, Obis, Reading, Register, Unit
from metergate.profiles.arrays import to_readings
from metergate.profiles.spool import Spool
from metergate.wire.batch import Batch

BASE = datetime(2025, 1, 1, tzinfo=UTC)
METERS = [Register(f"m{number}", Obis.parse("1-0:1.8.0"), unit=Unit.WH) for number in range(5)]


def reading(number: int) -> Reading:
    """A reading that tells which it is."""
    at = BASE + timedelta(seconds=number)
    return Reading(METERS[number % len(METERS)], Decimal(number), number, at, at)


def batches(spool: Spool, cursor: int = 0, limit: int = 1000) -> Iterator[Batch]:
    """Everything after `cursor`."""
    while batch := spool.read(cursor, limit):
        yield batch
        assert batch.start == cursor < batch.end
        cursor = batch.end


def values(spool: Spool, cursor: int = 0, limit: int = 1000) -> list[int]:
    """The numbers of all readings after `cursor`, checked against what they were."""
    found = [item for batch in batches(spool, cursor, limit) for item in to_readings(batch.columns, batch.registers)]
    assert all(item == reading(int(str(item.value))) for item in found)
    return sorted(int(str(item.value)) for item in found)


def events(spool: Spool) -> list[Event]:
    return [event for batch in batches(spool) for event in batch.events]


def test_readings_texts_and_events_come_back_in_their_order(tmp_path: Path) -> None:
    text = Reading(METERS[0], "hello", received=BASE)
    event = Event(BASE, "METER_SILENT", "m1", args={"since": "09:14"})
    with Spool(tmp_path) as spool:
        assert spool.append([reading(1), reading(2)]) == 1
        assert spool.append([reading(3), text], [event]) == 4
        assert spool.read(0) is None
        assert spool.sync() == 4
        first = spool.read(0, limit=1)
        assert first is not None
        assert first.end == 1
        assert to_readings(first.columns, first.registers) == [reading(1), reading(2)]
        rest = spool.read(1)
        assert rest is not None
        assert (rest.start, rest.end, rest.texts, rest.events) == (1, 4, (text,), (event,))
        assert spool.read(4) is None


def test_a_spool_goes_on_after_a_restart(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        epoch = spool.epoch
        spool.append(map(reading, range(10)))
        spool.append(map(reading, range(10, 12)))
        spool.sync()
        spool.acknowledge(1)
    with Spool(tmp_path) as spool:
        assert (spool.epoch, spool.acknowledged, spool.newest) == (epoch, 1, 2)
        assert spool.append([reading(12)]) == 3
        spool.sync()
        assert values(spool, spool.acknowledged) == [10, 11, 12]
        assert spool.notices() == []


def test_readings_without_a_description_are_named_not_misread(tmp_path: Path) -> None:
    file, content, _ = spooled(tmp_path)
    wrong = bytearray(content)
    at = content.find(b'"meter":"m1"')
    while at >= 0:
        wrong[at] ^= 1
        at = content.find(b'"meter":"m1"', at + 1)
    file.write_bytes(wrong)
    with Spool(tmp_path) as spool:
        spool.append([Reading(Register("new"), Decimal(5), 5, BASE, BASE)])
        spool.sync()
        found = [item for batch in batches(spool) for item in to_readings(batch.columns, batch.registers)]
        assert [item.value for item in found if item.meter == "new"] == [5]
        assert {item.value for item in found if item.meter != "new"} == {0, 2, 3, 4, 5, 7, 8, 9}
        assert {event.code for event in spool.notices()} == {"SPOOL_DAMAGED"}


def test_another_folder_is_another_spool(tmp_path: Path) -> None:
    with Spool(tmp_path / "a") as one, Spool(tmp_path / "b") as other:
        assert one.epoch != other.epoch


def test_a_spool_has_one_owner(tmp_path: Path) -> None:
    with Spool(tmp_path), pytest.raises(StorageError, match="another process"):
        Spool(tmp_path)
    Spool(tmp_path).close()


def test_the_future_cannot_be_acknowledged(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.append([reading(1)])
        spool.sync()
        spool.acknowledge(7)
        assert spool.acknowledged == 0
        spool.acknowledge(1)
        spool.acknowledge(0)
        assert spool.acknowledged == 1


def test_appending_goes_on_while_another_thread_syncs(tmp_path: Path) -> None:
    with Spool(tmp_path, max_bytes=1 << 20) as spool:
        done = False

        def keep_syncing() -> None:
            while not done:
                spool.sync()

        thread = Thread(target=keep_syncing)
        thread.start()
        for number in range(2000):
            spool.append([reading(number)])
        done = True
        thread.join()
        spool.sync()
        assert values(spool, limit=7) == list(range(2000))


WRITER = """
import sys
from pathlib import Path
from decimal import Decimal
from datetime import datetime, timedelta, UTC
from metergate.model import Obis, Reading, Register, Unit
from metergate.profiles.spool import Spool
METERS = [Register(f"m{{number}}", Obis.parse("1-0:1.8.0"), unit=Unit.WH) for number in range(5)]
def reading(number):
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Reading(METERS[number % 5], Decimal(number), number, at, at)
spool = Spool(Path({folder!r}), max_bytes=400_000)
number = int(sys.argv[1])
while True:
    for _ in range(3):
        spool.append([reading(number), reading(number + 1)])
        number += 2
    spool.sync()
    print(number, flush=True)
"""


def test_kill_9_loses_nothing_acknowledged_and_tears_nothing(tmp_path: Path) -> None:
    """The writer is killed at a random moment after it said that everything below a number is safe."""
    random = Random(1)
    code = WRITER.format(folder=str(tmp_path / "spool"))
    safe, newest = 0, 0
    for _ in range(12):
        command = [sys.executable, "-c", code, str(safe)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(random.randint(1, 30)):
                safe = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            safe = max([safe, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        with Spool(tmp_path / "spool", max_bytes=400_000) as spool:
            found = values(spool)
            assert set(range(safe)) <= set(found)
            assert spool.newest > newest
            newest = spool.newest
        safe = max(found) + 1


def spooled(folder: Path) -> tuple[Path, bytes, list[int]]:
    """A spool's only file, its octets, and where in it each of ten records ended."""
    ends = []
    with Spool(folder) as spool:
        for number in range(10):
            spool.append([reading(number)])
            spool.sync()
            ends.append(spool.size)
    file = next(folder.glob("*.spool"))
    return file, file.read_bytes(), ends


@settings(max_examples=60, deadline=None)
@example(0.0)
@example(0.05)
@given(st.floats(0, 1, exclude_max=True))
def test_a_torn_tail_is_discarded_and_named(place: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        file, data, ends = spooled(Path(name))
        cut = int(place * len(data))
        file.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        with Spool(Path(name), clock=lambda: BASE) as spool:
            assert values(spool) == list(range(whole))
            notices = spool.notices()
            assert [notice.code for notice in notices] in ([], ["SPOOL_TORN"])
            assert spool.append([reading(99)]) > whole
            spool.sync()
            assert values(spool) == [*range(whole), 99]
            assert events(spool) == notices
        with Spool(Path(name)) as spool:
            assert values(spool) == [*range(whole), 99]
            assert spool.notices() == []


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_flipped_bit_costs_at_most_its_record(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        file, content, ends = spooled(Path(name))
        bit = data.draw(st.integers(ends[0] * 8, len(content) * 8 - 1))
        wrong = bytearray(content)
        wrong[bit // 8] ^= 1 << bit % 8
        file.write_bytes(wrong)
        hit = sum(end <= bit // 8 for end in ends)
        with Spool(Path(name)) as spool:
            found = values(spool)
            assert found in ([number for number in range(10) if number != hit], list(range(10)))
            assert spool.newest >= 10
            spool.sync()
            assert [event.code for event in events(spool)] == ["SPOOL_TORN" if hit == 9 else "SPOOL_DAMAGED"]


def test_a_spool_without_a_readable_head_is_set_aside(tmp_path: Path) -> None:
    file, content, _ = spooled(tmp_path)
    file.write_bytes(b"\0" * 20 + content[20:])
    with Spool(tmp_path) as spool:
        spool.sync()
        assert values(spool) == []
        assert [event.code for event in events(spool)] == ["SPOOL_DAMAGED"]
    assert [path.read_bytes()[20:] for path in tmp_path.glob("*.damaged")] == [content[20:]]


@contextmanager
def disk_full_at(size: int) -> Iterator[None]:
    """No file may grow beyond `size`, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.append(map(reading, range(100)))
        durable = spool.sync()
        with disk_full_at(spool.size + 100):
            spool.append(map(reading, range(100, 300)))
            for _ in range(3):
                with pytest.raises(StorageError, match="File too large"):
                    spool.sync()
            assert spool.durable == durable
            assert values(spool) == list(range(100))
        spool.sync()
        assert values(spool) == list(range(300))
    with Spool(tmp_path) as spool:
        assert values(spool) == list(range(300))
        assert spool.notices() == []


def test_what_waits_to_be_written_is_bounded(tmp_path: Path) -> None:
    with Spool(tmp_path, max_pending=10_000) as spool:
        numbers = iter(range(10_000))
        with pytest.raises(StorageError, match="nothing more is taken"):
            list(map(spool.append, ([reading(number)] for number in numbers)))
        taken = spool.newest
        spool.sync()
        assert values(spool) == list(range(taken))


def ranges(spool: Spool) -> set[int]:
    """Cursors that BUFFER_OVERRUN events name; each only once."""
    found: list[int] = []
    for event in events(spool):
        if event.code == "BUFFER_OVERRUN":
            found += range(int(str(event.args["first"])), int(str(event.args["last"])) + 1)
    assert len(found) == len(set(found))
    return set(found)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.booleans()), min_size=15, max_size=30))
def test_a_full_spool_names_exactly_what_it_drops(steps: list[tuple[int, bool, bool]]) -> None:
    """Everything that was appended is acknowledged, readable or named in an overrun, and only one of these."""
    with tempfile.TemporaryDirectory() as name:
        spool = Spool(Path(name), max_bytes=20_000, clock=lambda: BASE)
        number, by_cursor = 0, {}
        for count, acknowledge, restart in steps:
            for _ in range(count):
                cursor = spool.append([reading(number + each) for each in range(20)])
                by_cursor[cursor] = range(number, number + 20)
                number += 20
            spool.sync()
            if acknowledge:
                spool.acknowledge((spool.acknowledged + spool.durable) // 2)
            if restart:
                spool.close()
                spool = Spool(Path(name), max_bytes=20_000, clock=lambda: BASE)
            assert spool.size < 20_000 + 12 * 500
        with spool:
            lost = ranges(spool)
            kept = {batch.end for batch in batches(spool, limit=1)}
            unsent = {cursor for cursor in by_cursor if cursor > spool.acknowledged}
            assert unsent <= lost | kept
            assert not lost & kept
            assert values(spool) == sorted(value for cursor in kept for value in by_cursor.get(cursor, ()))
            counts = sum(int(str(event.args["readings"])) for event in events(spool) if event.code == "BUFFER_OVERRUN")
            assert counts == sum(len(by_cursor.get(cursor, ())) for cursor in lost)


def test_an_overrun_names_the_time_that_is_missing(tmp_path: Path) -> None:
    with Spool(tmp_path, max_bytes=40_000) as spool:
        for number in range(0, 20_000, 50):
            spool.append(map(reading, range(number, number + 50)))
            spool.sync()
        overruns = [event.args for event in events(spool) if event.code == "BUFFER_OVERRUN"]
        first = values(spool)[0]
        begin = int(BASE.timestamp() * 1000)
        assert min(int(str(args["begin"])) for args in overruns) == begin
        assert max(int(str(args["end"])) for args in overruns) == begin + (first - 1) * 1000
        assert sum(int(str(args["readings"])) for args in overruns) == first
        assert {notice.code for notice in spool.notices()} == {"BUFFER_OVERRUN"}


def test_what_is_acknowledged_goes_first_and_without_a_word(tmp_path: Path) -> None:
    with Spool(tmp_path, max_bytes=40_000) as spool:
        for number in range(0, 20_000, 50):
            spool.append(map(reading, range(number, number + 50)))
            spool.acknowledge(spool.sync())
        assert events(spool) == []
        assert values(spool)[-1] == 19_999
        assert len(values(spool)) < 20_000


def test_old_readings_go_by_age(tmp_path: Path) -> None:
    now = [BASE]
    with Spool(tmp_path, max_bytes=200_000, max_age=timedelta(days=10), clock=lambda: now[0]) as spool:
        for day in range(40):
            now[0] = BASE + timedelta(days=day)
            spool.append(map(reading, range(day * 300, day * 300 + 300)))
            spool.sync()
        oldest = values(spool)[0] // 300
        assert 20 <= oldest <= 29
        assert ranges(spool)


def test_more_than_a_record_holds_is_split(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        cursor = spool.append(map(reading, range(10_000)))
        assert cursor > 1
        spool.sync()
        assert values(spool) == list(range(10_000))
