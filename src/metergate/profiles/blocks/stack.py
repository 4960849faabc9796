"""A stack of register-days as dense matrices, and what is written into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metergate.wire.batch import Batch

Ints = NDArray[np.int64]
Offsets = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

DAY = 86_400_000
"""Milliseconds of a UTC day."""
DAYS = 1 << 20
"""A block's key is register x DAYS + day since 1970."""
MAX_REGISTER = 1 << 43
QUARTER_HOUR = 900


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Readings on their way into blocks, one a row; all columns have the same length.

    `register`: the store's id, 0 .. 2^43-1. `time`: measurement instant, ms since 1970 UTC. `value`:
    integer in 10^scaler. `quality`: model.Quality. `period`: seconds of the register's grid, a divisor of 86400.
    `received`: ms; among contradicting readings of one write the one received first stays.
    """

    register: Ints
    time: Ints
    value: Ints
    quality: Bytes
    scaler: Ints
    period: Ints
    received: Ints

    @classmethod
    def of(
        cls,
        register: ArrayLike,
        time: ArrayLike,
        value: ArrayLike,
        quality: ArrayLike = 4,
        scaler: ArrayLike = 0,
        period: ArrayLike = QUARTER_HOUR,
        received: ArrayLike = 0,
    ) -> Measured:
        """From arrays or single numbers, which then hold for all. ValueError for what cannot be stored."""
        shape = np.broadcast_shapes(np.shape(register), np.shape(time), np.shape(value))
        given = register, time, value, quality, scaler, period, received
        columns = [np.broadcast_to(np.asarray(column, np.int64), shape).ravel() for column in given]
        ids, times, values, qualities, scalers, periods, receipts = columns
        measured = cls(ids, times, values, qualities.astype(np.uint8), scalers, periods, receipts)
        measured._check()
        return measured

    @classmethod
    def of_batch(cls, batch: Batch, ids: Mapping[int, tuple[int, int]]) -> Measured:
        """The columns of a batch; `ids` gives (id, period) for register numbers. Those not in it are left out."""
        columns = batch.columns
        numbers = np.unique(columns.register)
        kept = np.array([number for number in numbers.tolist() if number in ids], np.int64)
        columns = columns.take(np.isin(columns.register, kept))
        table = np.array(
            [(*ids[number], batch.registers[number].scaler) for number in kept.tolist()], np.int64
        ).reshape(-1, 3)
        register, period, scaler = table[np.searchsorted(kept, columns.register)].T
        return cls.of(register, columns.instants, columns.value, columns.quality, scaler, period, columns.received)

    def __len__(self) -> int:
        return len(self.register)

    def take(self, rows: Ints | Flags | slice) -> Measured:
        """Some of the rows, in the order given."""
        return Measured(
            self.register[rows],
            self.time[rows],
            self.value[rows],
            self.quality[rows],
            self.scaler[rows],
            self.period[rows],
            self.received[rows],
        )

    @property
    def key(self) -> Ints:
        """Each reading's block."""
        return self.register * DAYS + self.time // DAY

    def _check(self) -> None:
        if not len(self):
            return
        if wrong := [period for period in distinct(self.period) if period < 1 or 86_400 % period]:
            raise ValueError(f"a period of {wrong[0]} s does not divide the day")
        limits = ("register", self.register, 0, MAX_REGISTER - 1), ("scaler", self.scaler, -99, 99)
        for name, column, low, high in limits:
            if column.min() < low or column.max() > high:
                raise ValueError(f"{name} {column.min()} .. {column.max()}, only {low} .. {high} can be stored")


def distinct(column: Ints) -> list[int]:
    """The different numbers in a column, ascending; quick where there is only one."""
    if len(column) and column.min() == column.max():
        return [int(column[0])]
    found: list[int] = np.unique(column).tolist()
    return found


def heads(column: Ints) -> Flags:
    """Where a sorted column's value is another than before."""
    head = np.ones(len(column), bool)
    np.not_equal(column[1:], column[:-1], out=head[1:])
    return head


@dataclass(slots=True, eq=False)
class Stack:
    """Blocks of one period, one a row; `n` cells each. A cell of quality 0 is absent and has value and offset 0.

    `key`, `scaler`: [rows]. `value`, `quality`: [rows x n]. `offset`: [rows x n], ms after the grid instant.
    """

    period: int
    key: Ints
    scaler: Ints
    value: Ints
    quality: Bytes
    offset: Offsets

    @classmethod
    def empty(cls, period: int, key: Ints) -> Stack:
        """Blocks without any reading."""
        shape = len(key), 86_400 // period
        return cls(
            period,
            key,
            np.zeros(len(key), np.int64),
            np.zeros(shape, np.int64),
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.int32),
        )

    @property
    def n(self) -> int:
        """Cells in a block."""
        return 86_400 // self.period

    def rows(self, chosen: Ints | Flags | slice) -> Stack:
        """Some of the blocks."""
        return Stack(
            self.period,
            self.key[chosen],
            self.scaler[chosen],
            self.value[chosen],
            self.quality[chosen],
            self.offset[chosen],
        )

    def put(self, rows: NDArray[np.intp], other: Stack) -> None:
        """Replace blocks by those of another stack of the same grid."""
        self.scaler[rows], self.value[rows] = other.scaler, other.value
        self.quality[rows], self.offset[rows] = other.quality, other.offset

    def on_grid(self, period: int) -> Stack:
        """The same blocks on another grid; where several readings meet in a cell, the nearest after its start stays."""
        if period == self.period:
            return self
        other = Stack.empty(period, self.key)
        other.scaler = self.scaler
        row, cell = np.nonzero(self.quality)
        instant = cell * (self.period * 1000) + self.offset[row, cell]
        place = row * other.n + instant // (period * 1000)
        place, first = np.unique(place, return_index=True)
        row, cell, instant = row[first], cell[first], instant[first]
        other.value.flat[place] = self.value[row, cell]
        other.quality.flat[place] = self.quality[row, cell]
        other.offset.flat[place] = instant % (period * 1000)
        return other
