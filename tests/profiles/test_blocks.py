"""Blocks: any order, any repetition, any number of writers, either database, and always the same blocks."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metergate.errors import ConfigError, StorageError
from metergate.model import Obis, Reading, Register, Unit
from metergate.profiles.arrays import Registers, to_columns
from metergate.profiles.blocks import Blocks, Measured, Written, open_blocks
from metergate.wire.batch import Batch
from postgres import fresh_database

DAY = 86_400_000
MIDNIGHT = datetime(2025, 3, 30, tzinfo=UTC)
BASE = int(MIDNIGHT.timestamp() * 1000)
Item = tuple[int, int, int, int, int]
"""Register, time, value, quality, scaler."""


def measured(items: Sequence[Item], period: int = 900) -> Measured:
    register, time, value, quality, scaler = np.array(items, np.int64).reshape(-1, 5).T
    return Measured.of(register, time, value, quality, scaler, period)


def write(blocks: Blocks, items: Sequence[Item], period: int = 900) -> Written:
    with blocks.transaction() as transaction:
        return transaction.write(measured(items, period))


def stored(blocks: Blocks) -> list[tuple[object, ...]]:
    """All blocks as they lie in the database."""
    first, last = BASE // DAY - 10, BASE // DAY + 10
    return sorted(map(tuple, blocks._store().between(list(range(20)), first, last)))


def cells(blocks: Blocks, period: int = 900) -> dict[tuple[int, int], tuple[int, Decimal, int]]:
    """What is in each (register, grid instant): measurement instant, value, quality."""
    matrix = blocks.read(range(20), MIDNIGHT - timedelta(days=4), MIDNIGHT + timedelta(days=3), period)
    offset = np.zeros_like(matrix.value) if matrix.offset is None else matrix.offset
    return {
        (int(matrix.registers[row]), int(matrix.times[cell])): (
            int(matrix.times[cell]) + int(offset[row, cell]),
            Decimal(int(matrix.value[row, cell])).scaleb(int(matrix.scaler[row])),
            int(matrix.quality[row, cell]),
        )
        for row, cell in zip(*np.nonzero(matrix.present), strict=True)
    }


def expected(items: Sequence[Item], period: int = 900) -> dict[tuple[int, int], tuple[int, Decimal, int]]:
    """The rule of a cell, said as plainly as it can be."""
    best: dict[tuple[int, int], tuple[int, int, Decimal]] = {}
    for register, time, value, quality, scaler in items:
        place = register, time - time % (period * 1000)
        candidate = time, -quality, Decimal(value).scaleb(scaler)
        if quality and (place not in best or candidate[:2] < best[place][:2]):
            best[place] = candidate
    return {place: (time, value, -quality) for place, (time, quality, value) in best.items()}


@pytest.fixture(scope="module")
def memory() -> Iterator[Blocks]:
    found = open_blocks("sqlite:///:memory:")
    yield found
    found.close()


COUNTER = count()


def emptied(blocks: Blocks) -> Blocks:
    blocks._store()._many("DELETE FROM profile_block", [()])  # type: ignore[attr-defined]
    blocks._store()._many("DELETE FROM profile_conflict", [()])  # type: ignore[attr-defined]
    return blocks


@st.composite
def item_lists(draw: st.DrawFn) -> list[Item]:
    """Readings over three days, crowded so that cells are contested; one value for each instant and quality."""
    instants = st.one_of(
        st.integers(-96, 192).map(lambda cell: BASE + cell * 900_000),
        st.integers(-DAY, 2 * DAY).map(lambda ms: BASE + ms),
        st.integers(0, 2000).map(lambda ms: BASE + ms),
    )
    factor = draw(st.sampled_from([1, 1000, 10**9]))
    numbers, scalers = st.integers(-1000, 1000), st.sampled_from([0, 0, -1, -3, 2])
    rows = draw(st.lists(st.tuples(st.integers(0, 3), instants, numbers, st.integers(0, 4), scalers), max_size=40))
    found = {
        (register, time, quality): (register, time, number * factor, quality, scaler)
        for register, time, number, quality, scaler in rows
    }
    return list(found.values())


@settings(max_examples=150, deadline=None)
@given(item_lists(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_repetition_make_no_difference(memory: Blocks, items: list[Item], random: Random, parts: int) -> None:
    write(emptied(memory), items)
    first = stored(memory)
    assert cells(memory) == expected(items)
    shuffled = items + random.sample(items, len(items) // 2)
    random.shuffle(shuffled)
    emptied(memory)
    for part in range(parts):
        write(memory, shuffled[part::parts])
    assert stored(memory) == first
    assert write(memory, shuffled).stored == 0
    assert stored(memory) == first


@settings(max_examples=60, deadline=None)
@given(item_lists(), item_lists())
def test_every_reading_is_accounted_for(memory: Blocks, before: list[Item], items: list[Item]) -> None:
    write(emptied(memory), before)
    count = len(cells(memory))
    done = write(memory, items)
    assert done.readings == len(items)
    assert done.stored == len(cells(memory)) - count
    assert done.absent == sum(item[3] == 0 for item in items)


@settings(max_examples=60, deadline=None)
@given(item_lists(), st.sampled_from([60, 300, 1800, 3600, 86_400, 1200]))
def test_a_finer_grid_keeps_what_a_coarser_one_had(memory: Blocks, items: list[Item], other: int) -> None:
    """After a change of period both days' readings are found at their exact instants."""
    write(emptied(memory), items)
    before = {(key[0], *cell) for key, cell in cells(memory).items()}
    done = write(memory, items, other)
    assert done.readings == len(items)
    after = {(key[0], *cell) for key, cell in cells(memory, 60).items()}
    assert before <= after
    assert after <= {(item[0], item[1], Decimal(item[2]).scaleb(item[4]), item[3]) for item in items}


def test_contradicting_readings_are_both_kept(blocks: Blocks) -> None:
    assert write(blocks, [(1, BASE, 100, 4, 0)]).stored == 1
    assert write(blocks, [(1, BASE, 101, 4, 0)]) == Written(conflicts=1)
    assert write(blocks, [(1, BASE, 102, 2, 0)]) == Written(conflicts=1)
    assert cells(blocks)[1, BASE] == (BASE, Decimal(100), 4)
    end = MIDNIGHT + timedelta(days=1)
    assert blocks.conflicts([1], MIDNIGHT, end) == [(1, BASE, 101, 0, 4), (1, BASE, 102, 0, 2)]
    write(blocks, [(1, BASE, 101, 4, 0), (1, BASE, 102, 2, 0)])
    assert len(blocks.conflicts([1], MIDNIGHT, end)) == 2
    assert blocks.conflicts([2], MIDNIGHT, end) == blocks.conflicts([1], end, end) == []


def test_the_surer_of_two_contradicting_readings_stays(blocks: Blocks) -> None:
    write(blocks, [(1, BASE, 100, 3, 0)])
    assert write(blocks, [(1, BASE, 1010, 4, -1)]) == Written(conflicts=1)
    assert cells(blocks)[1, BASE] == (BASE, Decimal(101), 4)
    assert blocks.conflicts([1], MIDNIGHT, MIDNIGHT + timedelta(days=1)) == [(1, BASE, 1000, -1, 3)]


def test_within_one_write_the_one_received_first_stays(blocks: Blocks) -> None:
    with blocks.transaction() as transaction:
        done = transaction.write(Measured.of(1, [BASE] * 3, [7, 8, 9], received=[30, 10, 20]))
    assert done == Written(stored=1, conflicts=2)
    assert cells(blocks)[1, BASE][1] == 8


def test_the_same_value_from_a_surer_source_is_no_conflict(blocks: Blocks) -> None:
    write(blocks, [(1, BASE, 100, 2, 0)])
    assert write(blocks, [(1, BASE, 1000, 4, -1)]) == Written(replaced=1)
    assert cells(blocks)[1, BASE] == (BASE, Decimal(100), 4)


def test_what_does_not_fit_64_bits_is_refused_and_kept(blocks: Blocks) -> None:
    huge = 9 * 10**18
    write(blocks, [(1, BASE, huge, 4, 0)])
    assert write(blocks, [(1, BASE + 900_000, 15, 4, -1)]) == Written(refused=1)
    write(blocks, [(2, BASE, 15, 4, -1)])
    assert write(blocks, [(2, BASE + 900_000, huge, 4, 0)]) == Written(refused=1)
    assert cells(blocks) == {(1, BASE): (BASE, Decimal(huge), 4), (2, BASE): (BASE, Decimal("1.5"), 4)}
    end = MIDNIGHT + timedelta(days=1)
    assert blocks.conflicts([1, 2], MIDNIGHT, end) == [(1, BASE + 900_000, 15, -1, 4), (2, BASE + 900_000, huge, 0, 4)]


def test_instants_that_have_no_day_are_refused_and_kept(blocks: Blocks) -> None:
    assert write(blocks, [(1, -1, 5, 4, 0), (1, BASE, 6, 4, 0), (1, 1 << 50, 7, 4, 0)]) == Written(stored=1, refused=2)
    ancient = datetime(1960, 1, 1, tzinfo=UTC)
    assert blocks.conflicts([1], ancient, MIDNIGHT) == [(1, -1, 5, 0, 4)]


@pytest.mark.parametrize(
    "given",
    [{"period": 7}, {"period": 0}, {"register": -1}, {"register": 1 << 43}, {"scaler": 200}],
    ids=str,
)
def test_what_cannot_be_stored_is_refused_at_the_door(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"period|register|scaler"):
        Measured.of(**{"register": 1, "time": 0, "value": 0, **given})


def test_sqlite_and_postgresql_hold_the_same(tmp_path: Path, server: str) -> None:
    stores = [open_blocks(f"sqlite:///{tmp_path}/b.db"), open_blocks(fresh_database(server))]
    random = np.random.default_rng(5)
    for _ in range(30):
        size = int(random.integers(1, 200))
        content = Measured.of(
            random.integers(0, 20, size),
            BASE + random.integers(-DAY, 2 * DAY, size) // (grid := int(random.choice([1, 60_000]))) * grid,
            random.integers(-(1 << 40), 1 << 40, size),
            random.integers(0, 5, size),
            random.choice([0, -1, -3], size),
            int(random.choice([900, 900, 300, 3600])),
        )
        done = []
        for store in stores:
            with store.transaction() as transaction:
                done.append(transaction.write(content))
        assert done[0] == done[1]
    span = range(20), MIDNIGHT - timedelta(days=2), MIDNIGHT + timedelta(days=3)
    assert stored(stores[0]) == stored(stores[1])
    assert stores[0].conflicts(*span) == stores[1].conflicts(*span) != []
    one, other = (store.last(range(25)) for store in stores)
    assert all((getattr(one, name) == getattr(other, name)).all() for name in ("time", "value", "scaler", "quality"))
    for store in stores:
        store.close()


@pytest.mark.parametrize(("registers", "at_once"), [(10, 60), (20, 1920)], ids=["a few blocks", "in bulk"])
def test_several_writers_at_once_lose_nothing(url: str, registers: int, at_once: int) -> None:
    random = Random(3)
    days = 1 if registers == 10 else 4
    items = [
        (register, BASE + cell * 900_000 + day * DAY, register * 1000 + cell, 4, 0)
        for register in range(registers)
        for day in range(1 - days, 1)
        for cell in range(96)
    ]
    blocks = open_blocks(url)

    def write_all(seed: int) -> int:
        mine = items.copy()
        Random(seed).shuffle(mine)
        written = 0
        while mine:
            try:
                written += write(blocks, mine[:at_once]).stored
            except StorageError:  # two writers stopped each other: once more
                continue
            del mine[:at_once]
        return written

    with ThreadPoolExecutor(4) as pool:
        written = sum(pool.map(write_all, [random.random() for _ in range(4)]))
    assert written == len(items)
    assert cells(blocks) == expected(items)
    blocks.close()


def test_a_transaction_that_fails_leaves_nothing(blocks: Blocks) -> None:
    def fail() -> None:
        with blocks.transaction() as transaction:
            transaction.write(measured([(1, BASE, 1, 4, 0)]))
            transaction.set_cursor("gateway", "epoch", 5)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert cells(blocks) == {}
    assert blocks.cursor("gateway", "epoch") == 0


def test_cursors_are_per_source_and_epoch(blocks: Blocks) -> None:
    with blocks.transaction() as transaction:
        assert transaction.set_cursor("a", "one", 7) == 7
        assert transaction.set_cursor("a", "one", 3) == 7
    assert [blocks.cursor(*key) for key in (("a", "one"), ("a", "two"), ("b", "one"))] == [7, 0, 0]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 5), st.data())
def test_only_what_has_no_gap_may_be_acknowledged(
    memory: Blocks, sizes: list[int], known: int, data: st.DataObject
) -> None:
    """Batches come in any order and again; the acknowledgement never passes one that did not come."""
    ends = np.cumsum([known, *sizes]).tolist()
    ranges = list(pairwise(ends))
    order = data.draw(st.permutations(ranges + ranges[:2]))
    source = f"{next(COUNTER)}"
    came = set(range(1, known + 1))
    for start, end in order:
        with memory.transaction() as transaction:
            reached = transaction.advance(source, "epoch", start, end, known)
        came |= set(range(start + 1, end + 1))
        assert reached == memory.cursor(source, "epoch")
        assert reached == next(cursor for cursor in range(ends[-1] + 1) if cursor + 1 not in came)


WRITER = """
import sys
import numpy as np
from metergate.profiles.blocks import Measured, open_blocks
blocks = open_blocks({url!r})
number = blocks.cursor("gateway", "epoch")
while True:
    number += 1
    cell = np.arange(50)
    with blocks.transaction() as transaction:
        transaction.write(Measured.of(cell % 20, {base} + number * 60_000, number * 1000 + cell % 20, period=60))
        transaction.advance("gateway", "epoch", number - 1, number)
    print(number, flush=True)
"""


def test_kill_9_of_a_writer_keeps_every_commit_whole(url: str) -> None:
    random = Random(2)
    code = WRITER.format(url=url, base=BASE)
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(random.randint(1, 20)):
                safe = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            safe = max([safe, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        blocks = open_blocks(url)
        cursor = blocks.cursor("gateway", "epoch")
        assert cursor >= safe
        matrix = blocks.read(range(20), MIDNIGHT, MIDNIGHT + timedelta(days=1), 60)
        there = np.zeros(1440, bool)
        there[1 : cursor + 1] = True
        assert (matrix.present == there).all()
        exact = np.arange(1440) * 1000 + np.arange(20)[:, None]
        assert (matrix.value == np.where(there, exact, 0)).all()
        blocks.close()


def test_a_batch_becomes_blocks(blocks: Blocks) -> None:
    registers = Registers()
    energy, flow = Register("m", Obis.parse("1-0:1.8.0"), unit=Unit.WH, scaler=-1), Register("m", quantity="flow")
    at = MIDNIGHT + timedelta(seconds=7)
    columns, _ = to_columns(
        [Reading(energy, Decimal("12.5"), 125, at, at), Reading(flow, Decimal(3), 3, at, at)], registers
    )
    batch = Batch("00" * 16, 0, 1, registers.by_number, columns)
    with blocks.transaction() as transaction:
        assert transaction.write(Measured.of_batch(batch, {registers.number(energy): (11, 900)})).readings == 1
        assert transaction.write(Measured.of_batch(batch, {})).readings == 0
    assert cells(blocks) == {(11, BASE): (BASE + 7000, Decimal("12.5"), 4)}


def test_a_block_that_cannot_be_read_is_named(blocks: Blocks) -> None:
    write(blocks, [(1, BASE + cell * 900_000, cell, 4, 0) for cell in range(9)])
    (row,) = blocks._store().between([1], 0, 1 << 20)
    for wrong in (row.data[:-1], row.data + b"\0", b"\7" + row.data[1:], b""):
        blocks._store().update([row._replace(data=wrong)])
        with pytest.raises(StorageError, match="register 1"):
            blocks.read([1], MIDNIGHT, MIDNIGHT + timedelta(days=1))


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for url in ("mysql://host/db", "sqlite://", "blocks.db"):
        with pytest.raises(ConfigError, match="no store of blocks"):
            open_blocks(url)
    with pytest.raises(StorageError, match="SQLite"):
        open_blocks(f"sqlite:///{tmp_path}/none/blocks.db")
    with pytest.raises(StorageError, match="PostgreSQL"):
        open_blocks(f"postgresql://nobody@/none?host={tmp_path}")
