"""The station's load profiles: `metergate.profiles` by the archive's registers. Arrays in, arrays out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from metergate.profiles.blocks import Blocks, Measured, open_blocks
from metergate.profiles.blocks.transaction import Transaction
from metergate.station.archive.models import Register
from metergate.station.collect.series import Series
from metergate.station.collect.services import Newest

Maker = Callable[[Register, NDArray[np.int64]], NDArray[np.int64]]
Progress = Callable[[int, int], None]
AT_ONCE = 16


@lru_cache(4)
def _open(url: str) -> Blocks:
    return open_blocks(url)


def blocks() -> Blocks:
    """The store of this station."""
    return _open(settings.PROFILES_URL)


def writing() -> AbstractContextManager[Transaction]:
    """A transaction of the store."""
    return blocks().transaction()


def load(registers: Sequence[Register], start: datetime, end: datetime) -> dict[int, Series]:
    """Values at grid instants start <= t <= end, by register id; a register without any has an empty day of gaps."""
    found: dict[int, Series] = {}
    by_period: dict[int, list[int]] = defaultdict(list)
    for register in registers:
        by_period[register.period_s].append(register.pk)
    for period, ids in by_period.items():
        matrix = blocks().read(ids, start, end + timedelta(seconds=period), period)
        begin = start + timedelta(milliseconds=matrix.start - _ms(start))
        for row, pk in enumerate(ids):
            found[pk] = Series(begin, period, int(matrix.scaler[row]), matrix.value[row], matrix.quality[row])
    return found


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def fill(
    registers: Sequence[Register],
    start: datetime,
    end: datetime,
    make: Maker,
    progress: Progress = lambda done, whole: None,
) -> int:
    """Write history in bulk: `make(register, times)` gives the register's values at `times` (ms since 1970, the
    register's grid in start <= t < end) as integers at the register's scaler. Returns the number of values.

    Doing so again changes nothing. `progress(done, whole)` counts registers.
    """
    written = 0
    for at in range(0, len(registers), AT_ONCE):
        pieces = [_piece(register, start, end, make) for register in registers[at : at + AT_ONCE]]
        joined = Measured.of(*(np.concatenate(column) for column in zip(*pieces, strict=True)))
        with writing() as transaction:
            transaction.write(joined)
        written += len(joined)
        progress(min(at + AT_ONCE, len(registers)), len(registers))
    return written


def _piece(register: Register, start: datetime, end: datetime, make: Maker) -> tuple[NDArray[np.int64], ...]:
    step = register.period_s * 1000
    first = -(-_ms(start) // step) * step
    times = np.arange(first, _ms(end), step, dtype=np.int64)
    values = np.asarray(make(register, times), np.int64)
    same = [np.full(len(times), number, np.int64) for number in (register.pk, 4, register.scaler, register.period_s)]
    return same[0], times, values, same[1], same[2], same[3], times


def newest(registers: Sequence[Register]) -> list[Newest]:
    """The last value of each register that has one, for the latest values."""
    found = blocks().last([register.pk for register in registers])
    rows = []
    for place, register in enumerate(registers):
        if found.quality[place]:
            at = datetime.fromtimestamp(int(found.time[place]) / 1000, UTC)
            value = Decimal(int(found.value[place])).scaleb(int(found.scaler[place]))
            rows.append(Newest(register.pk, value, at, at, int(found.quality[place])))
    return rows
