"""Readings as columns: the common array form between gateway and station."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metergate.errors import BadValue
from metergate.model import Quality, TimeQuality

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

TIME_QUALITY = 0x07
"""Mask of the position in `TIME_QUALITIES`."""
HAS_METER_TIME = 0x08
HAS_RECEIVED = 0x10
HAS_RAW = 0x20
HAS_STATUS = 0x40

TIME_QUALITIES = tuple(TimeQuality)
_UNPLACED = np.array(
    [quality in (TimeQuality.DOUBTFUL, TimeQuality.COUNTER) for quality in TIME_QUALITIES] + [False] * 3
)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Numeric readings, one a row; all columns have the same length.

    `register`: number in the register dictionary that goes with the columns. `time`: the meter's own clock, ms since
    1970 UTC, or `received` where the meter told none (flag HAS_METER_TIME). `received`: ours, ms. `value`: integer in
    10^scaler of the register's unit. `quality`: model.Quality. `flags`: see the constants. `status`: the meter's.
    """

    NAMES: ClassVar[tuple[str, ...]] = ("register", "time", "received", "value", "quality", "flags", "status")

    register: NDArray[np.int32]
    time: Ints
    received: Ints
    value: Ints
    quality: Bytes
    flags: Bytes
    status: Ints

    def __len__(self) -> int:
        return len(self.register)

    def all(self) -> Iterator[NDArray[Any]]:
        """The columns in the order of `NAMES`."""
        return (getattr(self, name) for name in self.NAMES)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Columns:
        """Some of the rows, in the order given."""
        return Columns(*[column[rows] for column in self.all()])

    @property
    def instants(self) -> Ints:
        """Where each reading is placed in time, ms: the meter's clock, but ours where the meter's is in doubt."""
        own = _UNPLACED[self.flags & TIME_QUALITY] & (self.flags & HAS_RECEIVED != 0)
        return np.where(own, self.received, self.time)

    @classmethod
    def join(cls, parts: Sequence[Columns]) -> Columns:
        """All rows of all parts, which must share one register dictionary."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate(columns) for columns in zip(*(part.all() for part in parts), strict=True)))

    @classmethod
    def of(cls, register: Ints, time: Ints, value: Ints, quality: Bytes | int = Quality.GOOD) -> Columns:
        """Columns of a register's profile: `time` is the meter's own, synchronised, and there is nothing else."""
        count = len(register)
        flags = TIME_QUALITIES.index(TimeQuality.SYNCHRONISED) | HAS_METER_TIME | HAS_RAW
        return cls(
            np.asarray(register, np.int32),
            np.asarray(time, np.int64),
            np.asarray(time, np.int64),
            np.asarray(value, np.int64),
            np.broadcast_to(np.asarray(quality, np.uint8), count),
            np.full(count, flags, np.uint8),
            np.zeros(count, np.int64),
        )

    @classmethod
    def checked(cls, columns: Sequence[Ints]) -> Columns:
        """From int64 columns off the wire. BadValue where a number cannot be what it says."""
        register, time, received, value, quality, flags, status = columns
        _within("register number", register, 0, (1 << 31) - 1)
        _within("quality", quality, Quality.ABSENT, Quality.GOOD)
        _within("flags", flags, 0, 0x7F)
        _within("time quality", flags & TIME_QUALITY, 0, len(TIME_QUALITIES) - 1)
        _within("time", time, -MAX_TIME, MAX_TIME)
        _within("time of receipt", received, -MAX_TIME, MAX_TIME)
        narrow = quality.astype(np.uint8), flags.astype(np.uint8)
        return cls(register.astype(np.int32), time, received, value, *narrow, status)


MAX_TIME = 1 << 45
"""Instants lie within this many ms of 1970: years 855 to 3084."""
NO_COLUMNS = Columns.of(*(np.zeros(0, np.int64),) * 3)
"""No readings at all."""


def _within(name: str, column: Ints, low: int, high: int) -> None:
    if len(column) and not low <= column.min() <= column.max() <= high:
        raise BadValue(f"{name} {column.min()} .. {column.max()}, only {low} .. {high} is possible")
