"""Reading from blocks: matrices, differences, the last reading, completeness, pixel columns; either database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metergate.errors import StorageError
from metergate.profiles.blocks import Blocks, Measured, open_blocks

DAY = 86_400_000
MIDNIGHT = datetime(2025, 3, 30, tzinfo=UTC)
BASE = int(MIDNIGHT.timestamp() * 1000)


def write(blocks: Blocks, items: Sequence[tuple[int, int, int, int, int]], period: int = 900) -> None:
    """Store readings: register, time, value, quality, scaler."""
    register, time, value, quality, scaler = np.array(items, np.int64).reshape(-1, 5).T
    with blocks.transaction() as transaction:
        transaction.write(Measured.of(register, time, value, quality, scaler, period))


def test_reading_keeps_the_order_that_was_asked_for(blocks: Blocks) -> None:
    write(blocks, [(register, BASE, register * 10, 4, 0) for register in range(5)])
    matrix = blocks.read([3, 9, 1, 3], MIDNIGHT, MIDNIGHT + timedelta(minutes=30))
    assert matrix.value.tolist() == [[30, 0], [0, 0], [10, 0], [30, 0]]
    assert matrix.quality.tolist() == [[4, 0], [0, 0], [4, 0], [4, 0]]
    assert matrix.times.tolist() == [BASE, BASE + 900_000]
    assert matrix.offset is None


def test_a_range_within_days_begins_and_ends_on_the_grid(blocks: Blocks) -> None:
    write(blocks, [(1, BASE + cell * 900_000, cell, 4, 0) for cell in range(200)])
    matrix = blocks.read([1], MIDNIGHT + timedelta(minutes=1), MIDNIGHT + timedelta(hours=25), 900)
    assert matrix.times.tolist() == [BASE + cell * 900_000 for cell in range(1, 100)]
    assert matrix.value[0].tolist() == list(range(1, 100))
    assert blocks.read([1], MIDNIGHT, MIDNIGHT).value.shape == (1, 0)


def test_a_coarser_grid_takes_the_reading_nearest_after(blocks: Blocks) -> None:
    write(blocks, [(1, BASE + minute * 60_000, minute, 4, 0) for minute in (0, 1, 16, 17, 45)], 60)
    matrix = blocks.read([1], MIDNIGHT, MIDNIGHT + timedelta(hours=1), 900)
    assert matrix.value[0].tolist() == [0, 16, 0, 45]
    assert matrix.quality[0].tolist() == [4, 4, 0, 4]
    assert matrix.offset is not None
    assert matrix.offset[0].tolist() == [0, 60_000, 0, 0]
    assert blocks.read([1], MIDNIGHT, MIDNIGHT + timedelta(hours=1)).period == 60
    with pytest.raises(ValueError, match="does not divide"):
        blocks.read([1], MIDNIGHT, MIDNIGHT + timedelta(hours=1), 1000)


def test_days_of_different_scalers_are_read_in_the_finest(blocks: Blocks) -> None:
    write(blocks, [(1, BASE, 5, 4, 0), (1, BASE + DAY, 57, 4, -1)])
    matrix = blocks.read([1], MIDNIGHT, MIDNIGHT + timedelta(days=2), 86_400)
    assert (matrix.value.tolist(), matrix.scaler.tolist()) == ([[50, 57]], [-1])
    write(blocks, [(1, BASE, 10**18, 4, 0), (1, BASE + 900_000, 10**18, 4, 0)])
    with pytest.raises(StorageError, match="too far apart"):
        blocks.read([1], MIDNIGHT, MIDNIGHT + timedelta(days=2), 900)


def test_gaps_stay_gaps_in_differences(blocks: Blocks) -> None:
    values = {0: 100, 1: 110, 2: 130, 4: 170, 5: 165, 96: 1000}
    write(blocks, [(1, BASE + cell * 900_000, value, 4 - cell % 2, 0) for cell, value in values.items()])
    deltas = blocks.deltas([1], MIDNIGHT, MIDNIGHT + timedelta(days=1), 900)
    assert deltas.value.shape == (1, 96)
    assert deltas.value[0, :6].tolist() == [10, 20, 0, 0, -5, 0]
    assert deltas.quality[0, :6].tolist() == [3, 3, 0, 0, 3, 0]
    assert not deltas.present[0, 6:].any()
    write(blocks, [(1, BASE + 95 * 900_000, 990, 4, 0)])
    assert blocks.deltas([1], MIDNIGHT, MIDNIGHT + timedelta(days=1)).value[0, 95] == 10


def test_the_last_reading_is_exact(blocks: Blocks) -> None:
    write(blocks, [(1, BASE + DAY + 1234, 55, 2, -3), (1, BASE, 1, 4, 0), (2, BASE + 900_001, 7, 4, 0)])
    write(blocks, [(4, BASE + 10, 8, 4, 0)], 10)
    last = blocks.last([2, 1, 3, 4])
    assert last.time.tolist() == [BASE + 900_001, BASE + DAY + 1234, 0, BASE + 10]
    assert last.value.tolist() == [7, 55, 0, 8]
    assert last.scaler.tolist() == [0, -3, 0, 0]
    assert last.quality.tolist() == [4, 2, 0, 4]


def test_completeness_counts_each_day(blocks: Blocks) -> None:
    write(blocks, [(1, BASE + cell * 900_000, cell, 4, 0) for cell in range(100)])
    write(blocks, [(2, BASE + hour * 3_600_000, hour, 4, 0) for hour in range(20)], 3600)
    found = blocks.completeness([2, 1, 7], date(2025, 3, 29), date(2025, 4, 1))
    assert found.present.tolist() == [[0, 20, 0], [0, 96, 4], [0, 0, 0]]
    assert found.expected.tolist() == [[96, 24, 96], [96, 96, 96], [96, 96, 96]]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.integers(0, 191), st.integers(-1000, 1000), max_size=100), st.integers(1, 50))
def test_pixel_columns_show_every_extreme(values: dict[int, int], columns: int) -> None:
    memory = open_blocks("sqlite:///:memory:")
    write(memory, [(1, BASE + cell * 900_000, value, 4, 0) for cell, value in values.items()])
    found = memory.downsample(1, MIDNIGHT, MIDNIGHT + timedelta(days=2), columns)
    memory.close()
    for column in range(columns):
        inside = [value for cell, value in sorted(values.items()) if cell * columns // 192 == column]
        shown = [int(getattr(found, name)[column]) for name in ("count", "low", "high", "first", "last")]
        assert shown == ([len(inside), min(inside), max(inside), inside[0], inside[-1]] if inside else [0] * 5)
