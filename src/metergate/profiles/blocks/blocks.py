"""Blocks: the open days of all registers behind one class, in SQLite or PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from threading import local
from weakref import WeakSet

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metergate.errors import ConfigError, StorageError
from metergate.profiles.blocks.matrix import Columns, Completeness, Last, Matrix
from metergate.profiles.blocks.merge import LARGEST, POWERS, Conflict
from metergate.profiles.blocks.stack import DAY, DAYS, QUARTER_HOUR, Ints, Stack
from metergate.profiles.blocks.store import Row, Store
from metergate.profiles.blocks.transaction import Transaction, by_period, fill, reached, stacked
from metergate.wire.batch import to_ms

_EPOCH_DAY = date(1970, 1, 1)
_AT_ONCE = 20_000


class Blocks:
    """Register-day blocks in a database. Safe to share between threads; each gets a connection of its own.

    Registers are ids of the caller, instants aware datetimes, ranges half-open. Every failure of the database is a
    `StorageError`; a transaction that ended so is undone and may be run again.
    """

    def __init__(self, connect: Callable[[], Store]) -> None:
        self._connect = connect
        self._mine = local()
        self._all: WeakSet[Store] = WeakSet()
        self._store().create()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write through what it gives; durable at its end, or undone if an exception leaves it.

        Several processes may write at once. One `write` a transaction keeps PostgreSQL's row locks in one order;
        with more, writers of the same registers may stop each other, and one gets a `StorageError`.
        """
        store = self._store()
        with store.transaction():
            yield Transaction(store)

    def cursor(self, source: str, epoch: str) -> int:
        """Up to which cursor a spool is here without a gap; 0 if nothing is."""
        return reached(self._store().ranges(source, epoch, lock=False))

    def read(self, registers: ArrayLike, start: datetime, end: datetime, period: int | None = None) -> Matrix:
        """Values at the grid instants start <= t < end. `period` in seconds; None: the finest grid that is stored.

        Rows are in the order of `registers`. A block of another grid gives in each interval the reading nearest after
        its start. ValueError for a period that does not divide the day.
        """
        asked = np.atleast_1d(np.asarray(registers, np.int64))
        ids, order = np.unique(asked, return_inverse=True)
        begin, stop = to_ms(start), to_ms(end)
        first, last = begin // DAY, (stop - 1) // DAY
        found = self._store().between(ids.tolist(), first, last)
        grid = period or math.gcd(*(row.period for row in found)) or QUARTER_HOUR
        if 86_400 % grid:
            raise ValueError(f"a period of {grid} s does not divide the day")
        dense = _Dense.of(ids, first, max(last - first + 1, 0), grid)
        for at in range(0, len(found), _AT_ONCE):
            dense.put(found[at : at + _AT_ONCE])
        low, high = (-(-instant // (grid * 1000)) - first * 86_400 // grid for instant in (begin, stop))
        return dense.matrix(asked, order, slice(low, max(low, high)))

    def deltas(self, registers: ArrayLike, start: datetime, end: datetime, period: int | None = None) -> Matrix:
        """Amounts in the intervals that begin at start <= t < end: differences of register values, gaps stay gaps.

        With `period` None the registers' finest grid is used.
        """
        step = timedelta(seconds=period or self._period(registers, start, end))
        return self.read(registers, start, end + step, int(step.total_seconds())).deltas()

    def last(self, registers: ArrayLike) -> Last:
        """Each register's newest reading."""
        asked = np.atleast_1d(np.asarray(registers, np.int64))
        ids, order = np.unique(asked, return_inverse=True)
        found = np.zeros((4, len(ids)), np.int64)
        for period, rows in by_period(self._store().latest(ids.tolist())).items():
            stack = stacked(period, rows)
            found[:, np.searchsorted(ids, stack.key // DAYS)] = _newest(stack)
        time, value, scaler, quality = found[:, order]
        return Last(asked, time, value, scaler, quality.astype(np.uint8))

    def downsample(self, register: int, start: datetime, end: datetime, columns: int) -> Columns:
        """A register's values for a chart of so many pixel columns: least, greatest, first and last in each."""
        return self.read([register], start, end).downsample(0, columns)

    def completeness(self, registers: ArrayLike, first: date, end: date, period: int = QUARTER_HOUR) -> Completeness:
        """Readings that are there on each UTC day first <= day < end; `period` for days of which nothing is known."""
        asked = np.atleast_1d(np.asarray(registers, np.int64))
        ids, order = np.unique(asked, return_inverse=True)
        begin, days = (first - _EPOCH_DAY).days, (end - first).days
        present = np.zeros((len(ids), days), np.int64)
        expected = np.full((len(ids), days), 86_400 // period, np.int64)
        counts = self._store().counts(ids.tolist(), begin, begin + days - 1)
        if counts:
            register, day, grid, there = np.array(counts, np.int64).T
            place = np.searchsorted(ids, register), day - begin
            present[place], expected[place] = there, 86_400 // grid
        return Completeness(asked, begin, present[order], expected[order])

    def conflicts(self, registers: ArrayLike, start: datetime, end: datetime) -> list[Conflict]:
        """Readings that contradict what is in the blocks: (register, time in ms, value, scaler, quality)."""
        ids = np.unique(np.asarray(registers, np.int64)).tolist()
        return self._store().conflicts(ids, to_ms(start), to_ms(end))

    def close(self) -> None:
        """Close the connections of all threads."""
        for store in list(self._all):
            store.close()
        self._mine = local()

    def _store(self) -> Store:
        store: Store | None = getattr(self._mine, "store", None)
        if store is None or store.closed:
            store = self._mine.store = self._connect()
            self._all.add(store)
        return store

    def _period(self, registers: ArrayLike, start: datetime, end: datetime) -> int:
        ids = np.unique(np.asarray(registers, np.int64)).tolist()
        counts = self._store().counts(ids, to_ms(start) // DAY, to_ms(end) // DAY)
        return math.gcd(*(period for _, _, period, _ in counts)) or QUARTER_HOUR


def open_blocks(url: str) -> Blocks:
    """Blocks by URL: `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://user@host/database`.

    Makes the tables that are missing. ConfigError for another kind of URL, StorageError if it cannot be opened.
    """
    kind, _, rest = url.partition("://")
    if kind == "sqlite" and len(rest) > 1:
        from metergate.profiles.blocks.sqlite import SqliteStore

        return Blocks(lambda: SqliteStore(rest[1:]))
    if kind in ("postgresql", "postgres"):
        try:
            from metergate.profiles.blocks.postgres import PostgresStore
        except ImportError as error:
            raise ConfigError(f"{kind} wants the package psycopg: install metergate[station]") from error
        return Blocks(lambda: PostgresStore(url))
    raise ConfigError(f"{url!r} is no store of blocks: write sqlite:///path or postgresql://user@host/database")


class _Dense:
    """A matrix in the making: registers x days x cells."""

    def __init__(self, ids: Ints, first: int, stack: Stack, shape: tuple[int, int, int]) -> None:
        self.ids, self.first, self.stack, self.shape = ids, first, stack, shape

    @classmethod
    def of(cls, ids: Ints, first: int, days: int, period: int) -> _Dense:
        key = (ids[:, None] * DAYS + np.arange(first, first + days)).ravel()
        return cls(ids, first, Stack.empty(period, key), (len(ids), days, 86_400 // period))

    def put(self, rows: Sequence[Row]) -> None:
        fill(self.stack, rows)

    def matrix(self, asked: Ints, order: NDArray[np.intp], cut: slice) -> Matrix:
        stack, (registers, days, n) = self.stack, self.shape
        scaler = self._same_scaler()
        shape = registers, days * n
        value = stack.value.reshape(shape)[order, cut]
        quality = stack.quality.reshape(shape)[order, cut]
        offset = stack.offset.reshape(shape)[order, cut]
        start = self.first * DAY + cut.start * stack.period * 1000
        return Matrix(asked, start, stack.period, scaler[order], value, quality, offset if offset.any() else None)

    def _same_scaler(self) -> Ints:
        """Brings each register's days to their finest scaler, in place."""
        stack, (registers, days, _) = self.stack, self.shape
        blank = ~stack.quality.any(1)
        each = np.where(blank, LARGEST, stack.scaler).reshape(registers, days)
        finest = each.min(1, initial=LARGEST)
        finest = np.where(finest == LARGEST, 0, finest)
        up = np.where(blank, 0, stack.scaler - np.repeat(finest, days))
        rows = np.nonzero(up)[0]
        limit = LARGEST // POWERS[np.minimum(up[rows], 18)]
        if (up > 18).any() or (abs(stack.value[rows]) > limit[:, None]).any():
            raise StorageError("a register's days are of scalers too far apart for 64 bits; read fewer days at a time")
        stack.value[rows] *= POWERS[up[rows]][:, None]
        return finest


def _newest(stack: Stack) -> Ints:
    """Time, value, scaler and quality of each block's last reading: [4 x blocks]."""
    row = np.arange(len(stack.key))
    cell = stack.n - 1 - (stack.quality[:, ::-1] > 0).argmax(1)
    time = stack.key % DAYS * DAY + cell * (stack.period * 1000) + stack.offset[row, cell]
    return np.stack([time, stack.value[row, cell], stack.scaler, stack.quality[row, cell].astype(np.int64)])
