"""Writing into blocks: readings and the cursors they came from, all or nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from metergate.profiles.blocks import codec
from metergate.profiles.blocks.merge import Written, as_conflicts, merge
from metergate.profiles.blocks.stack import DAY, DAYS, Ints, Measured, Stack, distinct, heads
from metergate.profiles.blocks.store import Row, Store

_CELLS = 1 << 18
"""Cells that are merged at a time; bounds the memory of a write."""


class Transaction:
    """What is written through it is durable when the `with` of `Blocks.transaction` ends, or not at all."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, measured: Measured) -> Written:
        """Put readings into their blocks; the same readings again change nothing. Says what became of them."""
        absent = measured.quality == 0
        never = ~absent & ((measured.time < 0) | (measured.time >= DAYS * DAY))
        total = Written(absent=int(absent.sum()), refused=int(never.sum()))
        if total.refused:
            self._store.keep(as_conflicts(measured, never))
        if total.readings:
            measured = measured.take(~absent & ~never)
        for period in distinct(measured.period):
            chosen = measured.period == period
            total += self._write(period, measured if chosen.all() else measured.take(chosen))
        return total

    def advance(self, source: str, epoch: str, start: int, end: int, acknowledged: int = 0) -> int:
        """Everything of a spool with start < cursor <= end is in this transaction; returns what may be acknowledged.

        That is the largest cursor below which nothing is missing, given that the spool knew `acknowledged` to be here
        before. Batches may come in any order and more than once.
        """
        before = self._store.ranges(source, epoch, lock=True)
        after = _joined([*before, (0, acknowledged), (start, end)])
        if after != before:
            self._store.set_ranges(source, epoch, after)
        return reached(after)

    def set_cursor(self, source: str, epoch: str, cursor: int) -> int:
        """As `advance` for a source whose batches come in order: everything up to `cursor` is here."""
        return self.advance(source, epoch, 0, cursor)

    def _write(self, period: int, measured: Measured) -> Written:
        """Readings of one period, some blocks at a time."""
        key = measured.key
        if (key[1:] < key[:-1]).any():
            order = np.argsort(key, kind="stable")
            key, measured = key[order], measured.take(order)
        head = heads(key)
        begins = np.append(np.nonzero(head)[0], len(key))
        row = np.cumsum(head) - 1
        step = max(_CELLS * period // 86_400, 1)
        total = Written()
        for first in range(0, len(begins) - 1, step):
            cuts = begins[first : first + step + 1]
            part = slice(cuts[0], cuts[-1])
            total += self._write_part(period, key[cuts[:-1]], row[part] - first, measured.take(part))
        return total

    def _write_part(self, period: int, keys: Ints, row: Ints, measured: Measured) -> Written:
        """Readings sorted by block, `row` being where their block is in `keys`."""
        rows = self._store.locked(keys.tolist())
        finer = {row.register * DAYS + row.day: math.gcd(row.period, period) for row in rows if row.period % period}
        if not finer:
            return self._merge(period, keys, row, rows, measured)
        total = Written()
        grid = np.array([finer.get(key, period) for key in keys.tolist()], np.int64)[row]
        for other in distinct(grid):
            total += self._write(other, measured.take(grid == other))
        return total

    def _merge(self, period: int, keys: Ints, row: Ints, found: Sequence[Row], measured: Measured) -> Written:
        stack = Stack.empty(period, keys)
        known = fill(stack, found)
        outcome = merge(stack, row, measured)
        fresh = outcome.changed & ~known
        lost = self._store.insert(list(_rows(stack.rows(fresh))))
        self._store.update(list(_rows(stack.rows(outcome.changed & known))))
        self._store.keep(outcome.conflicts)
        if not lost:
            return outcome.written
        late = np.isin(keys, [register * DAYS + day for register, day in lost])
        again = measured.take(late[row])
        counted = merge(Stack.empty(period, keys[late]), np.searchsorted(keys[late], again.key), again).written
        return outcome.written - counted + self._write(period, again)


def fill(stack: Stack, found: Iterable[Row]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Put stored blocks into their rows of a stack, laid on its grid; returns which rows were found."""
    known = np.zeros(len(stack.key), bool)
    for period, blocks in by_period(found).items():
        rows = np.searchsorted(stack.key, [block.register * DAYS + block.day for block in blocks])
        known[rows] = True
        if period == stack.period:
            codec.decode(stack, rows, [block.data for block in blocks])
        else:
            stack.put(rows, stacked(period, blocks).on_grid(stack.period))
    return known


def stacked(period: int, blocks: Sequence[Row]) -> Stack:
    """Stored blocks of one period as a stack in their order."""
    stack = Stack.empty(period, np.array([block.register * DAYS + block.day for block in blocks], np.int64))
    codec.decode(stack, np.arange(len(blocks)), [block.data for block in blocks])
    return stack


def by_period(blocks: Iterable[Row]) -> dict[int, list[Row]]:
    """Stored blocks by their grid."""
    found: dict[int, list[Row]] = {}
    for block in blocks:
        found.setdefault(block.period, []).append(block)
    return found


def reached(ranges: Sequence[tuple[int, int]]) -> int:
    """The cursor up to which nothing is missing."""
    return ranges[0][1] if ranges and ranges[0][0] == 0 else 0


def _rows(stack: Stack) -> Iterator[Row]:
    register, day = np.divmod(stack.key, DAYS)
    present = np.count_nonzero(stack.quality, axis=1)
    columns = zip(register.tolist(), day.tolist(), present.tolist(), codec.encode(stack), strict=True)
    return (Row(register, day, stack.period, present, data) for register, day, present, data in columns)


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Half-open ranges, sorted, neighbours and overlaps joined, empty ones left out."""
    joined: list[tuple[int, int]] = []
    for after, upto in sorted(ranges):
        if joined and after <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], upto)
        elif after < upto:
            joined.append((after, upto))
    return joined
