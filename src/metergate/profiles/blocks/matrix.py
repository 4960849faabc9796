"""What is read from blocks: registers x intervals, differences, pixel columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metergate.profiles.blocks.stack import Bytes, Ints, Offsets


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Values of registers on a UTC grid. A cell of quality 0 is absent (and its value 0 means nothing).

    `registers`: ids, as asked for. `start`: ms since 1970 of the first grid instant. `period`: seconds. `value`
    [registers x intervals]: integers in 10^`scaler` of the register. `quality` likewise. `offset` likewise: ms from the
    grid instant to the measurement; None where every reading is on the grid.
    """

    registers: Ints
    start: int
    period: int
    scaler: Ints
    value: Ints
    quality: Bytes
    offset: Offsets | None = None

    @property
    def times(self) -> Ints:
        """The grid instants, ms since 1970 UTC."""
        return self.start + np.arange(self.value.shape[1], dtype=np.int64) * (self.period * 1000)

    @property
    def present(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Where there is a value [registers x intervals]."""
        return self.quality > 0

    def deltas(self) -> Matrix:
        """From the register values at grid instants to the amounts between them: one interval fewer.

        An interval is absent unless both its ends are there; its quality is the worse of them. What a rollover or an
        exchanged meter makes of it is left to validation.
        """
        quality = np.minimum(self.quality[:, 1:], self.quality[:, :-1])
        value = np.where(quality > 0, np.diff(self.value, axis=1), 0)
        return Matrix(self.registers, self.start, self.period, self.scaler, value, quality)

    def downsample(self, row: int, columns: int) -> Columns:
        """One register's values in `columns` equal pieces of the matrix's time."""
        present = np.nonzero(self.quality[row])[0]
        return Columns.of(present * columns // max(self.value.shape[1], 1), self.value[row, present], columns)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A chart's pixel columns: the least, greatest, first and last value in each; where `count` is 0 there is a gap."""

    count: Ints
    low: Ints
    high: Ints
    first: Ints
    last: Ints

    @classmethod
    def of(cls, place: Ints, value: Ints, columns: int) -> Columns:
        """From values in order of time and the column of each."""
        count = np.bincount(place, minlength=columns).astype(np.int64)
        found = cls(count, *(np.zeros(columns, np.int64) for _ in range(4)))
        if len(place):
            begin = np.nonzero(np.diff(place, prepend=-1))[0]
            at = place[begin]
            found.low[at] = np.minimum.reduceat(value, begin)
            found.high[at] = np.maximum.reduceat(value, begin)
            found.first[at] = value[begin]
            found.last[at] = value[np.append(begin[1:], len(value)) - 1]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Last:
    """Each register's newest reading: all arrays [registers]; quality 0 where there is none. `time` ms, exact."""

    registers: Ints
    time: Ints
    value: Ints
    scaler: Ints
    quality: Bytes


@dataclass(frozen=True, slots=True, eq=False)
class Completeness:
    """Readings [registers x UTC days] from day `first` (since 1970) on, and how many there could be."""

    registers: Ints
    first: int
    present: Ints
    expected: Ints
