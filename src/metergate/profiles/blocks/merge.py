"""Readings into blocks: one reading a cell, the same whatever the order in which readings come.

In a cell the reading nearest after the grid instant stays. Of two readings of the same instant the surer stays, and of
two equally sure ones that contradict each other the one recorded first; the other is a conflict and is kept beside.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from metergate.profiles.blocks.stack import DAY, Flags, Ints, Measured, Stack, distinct, heads

Conflict = tuple[int, int, int, int, int]
"""A reading that is kept beside the blocks: register, time in ms, value, scaler, quality."""

_COARSEST = 99
LARGEST = (1 << 63) - 1
POWERS = np.array([10**exponent for exponent in range(19)], np.int64)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the readings of a write; `readings` is the sum of the others.

    `stored`: new in their cell. `replaced`: nearer to the grid instant, or surer, than what was there. `repeated`: was
    there already. `passed`: a nearer reading has the cell. `absent`: no value (quality 0). `conflicts`: contradict what
    stays, kept in the conflict table. `refused`: too large for the block's
    resolution, or before 1970, kept there too.
    """

    stored: int = 0
    replaced: int = 0
    repeated: int = 0
    passed: int = 0
    absent: int = 0
    conflicts: int = 0
    refused: int = 0

    @property
    def readings(self) -> int:
        """How many readings were given."""
        return sum(getattr(self, field.name) for field in fields(self))

    def __add__(self, other: Written) -> Written:
        return Written(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def __sub__(self, other: Written) -> Written:
        return Written(*(getattr(self, field.name) - getattr(other, field.name) for field in fields(self)))


@dataclass(slots=True, eq=False)
class Merged:
    """The outcome: `changed` blocks of the stack, and what is to be kept beside it."""

    changed: Flags
    conflicts: list[Conflict]
    written: Written


def merge(stack: Stack, row: Ints, measured: Measured) -> Merged:
    """Put readings into the blocks `row` of a stack, in place. All qualities must be above 0."""
    before, blank = stack.scaler.copy(), np.asarray(~stack.quality.any(1))
    value, fits = _same_scaler(stack, row, measured, blank)
    refused = as_conflicts(measured, ~fits)
    arrivals = _Arrivals.of(stack, row, value, measured)
    if refused:
        arrivals = _Arrivals.of(stack, row[fits], value[fits], measured.take(fits))
    arrivals, repeated, passed, losers = arrivals.one_a_cell()
    changed, conflicts, counts = _settle(stack, arrivals)
    changed |= (before != stack.scaler) & ~blank
    conflicts = losers + conflicts
    counts["repeated"] += repeated
    counts["passed"] += passed
    return Merged(changed, conflicts + refused, Written(**counts, conflicts=len(conflicts), refused=len(refused)))


@dataclass(frozen=True, slots=True, eq=False)
class _Arrivals:
    """Readings by their place (row x n + cell), sorted by it, values in their block's scaler."""

    place: Ints
    offset: Ints
    value: Ints
    quality: Ints
    measured: Measured

    @classmethod
    def of(cls, stack: Stack, row: Ints, value: Ints, measured: Measured) -> _Arrivals:
        cell, offset = np.divmod(measured.time % DAY, stack.period * 1000)
        found = cls(row * stack.n + cell, offset, value, measured.quality.astype(np.int64), measured)
        if (found.place[1:] <= found.place[:-1]).any():
            return found.take(np.argsort(found.place, kind="stable"))
        return found

    def take(self, rows: Any) -> _Arrivals:
        return _Arrivals(
            self.place[rows], self.offset[rows], self.value[rows], self.quality[rows], self.measured.take(rows)
        )

    def one_a_cell(self) -> tuple[_Arrivals, int, int, list[Conflict]]:
        """The best of each cell; how many others repeat it or are further off; and those that contradict it."""
        head = heads(self.place)
        if head.all():
            return self, 0, 0, []
        ranked = self.take(np.lexsort((self.measured.received, -self.quality, self.offset, self.place)))
        best = np.nonzero(head)[0][np.cumsum(head) - 1]
        same = ranked.offset == ranked.offset[best]
        equal = same & (ranked.value == ranked.value[best])
        losers = as_conflicts(ranked.measured, same & ~equal)
        return ranked.take(head), int((equal & ~head).sum()), int((~same).sum()), losers


def _settle(stack: Stack, new: _Arrivals) -> tuple[Flags, list[Conflict], dict[str, int]]:
    """Compare each arrival with its cell and let the better one stay."""
    place = new.place
    value, quality, offset = (column.reshape(-1) for column in (stack.value, stack.quality, stack.offset))
    empty = quality[place] == 0
    if empty.all():
        value[place], quality[place], offset[place] = new.value, new.quality, new.offset
        return _touched(stack, place), [], {"stored": len(place), "repeated": 0, "passed": 0}
    old_value, old_quality, old_offset = value[place], quality[place], offset[place]
    same = ~empty & (new.offset == old_offset)
    surer = same & (new.quality > old_quality)
    differs = same & (new.value != old_value)
    nearer = ~empty & (new.offset < old_offset)
    lost = as_conflicts(new.measured, differs & ~surer) + _displaced(stack, new, differs & surer)
    wins = empty | nearer | surer
    at = place[wins]
    value[at], quality[at], offset[at] = new.value[wins], new.quality[wins], new.offset[wins]
    counts = {
        "stored": int(empty.sum()),
        "replaced": int((nearer | surer & ~differs).sum()),
        "repeated": int((same & ~differs & ~surer).sum()),
        "passed": int((~empty & ~same & ~nearer).sum()),
    }
    return _touched(stack, at), lost, counts


def _touched(stack: Stack, place: Ints) -> Flags:
    """The blocks in which some cells lie."""
    touched = np.zeros(len(stack.key), bool)
    touched[place // stack.n] = True
    return touched


def _displaced(stack: Stack, new: _Arrivals, rows: Flags) -> list[Conflict]:
    """What stands in the cells of some arrivals, as conflicts."""
    place = new.place[rows]
    columns = (
        new.measured.register[rows],
        new.measured.time[rows],
        stack.value.reshape(-1)[place],
        stack.scaler[place // stack.n],
        stack.quality.reshape(-1)[place],
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _same_scaler(stack: Stack, row: Ints, measured: Measured, blank: Flags) -> tuple[Ints, Flags]:
    """The readings' values in their block's scaler, the finest of all it has seen; and which of them fit 64 bits."""
    scalers = distinct(measured.scaler)
    if len(scalers) == 1 and (blank | (stack.scaler == scalers[0])).all():
        stack.scaler[:] = scalers[0]
        return measured.value, np.ones(len(row), bool)
    wanted = np.where(blank, _COARSEST, stack.scaler)
    fits = measured.scaler >= np.where(blank, -_COARSEST, stack.scaler - _room(stack))[row]
    np.minimum.at(wanted, row[fits], measured.scaler[fits])
    finer = np.nonzero(~blank & (wanted < stack.scaler))[0]
    stack.value[finer] *= POWERS[stack.scaler[finer] - wanted[finer]][:, None]
    stack.scaler[:] = wanted
    exponent = measured.scaler - wanted[row]
    factor = POWERS[np.clip(exponent, 0, 18)]
    limit = LARGEST // factor
    fits &= (factor == 1) | (measured.value <= limit) & (measured.value >= -limit)
    fits &= (exponent <= 18) | (measured.value == 0)
    return measured.value * np.where(fits, factor, 1), fits


def _room(stack: Stack) -> Ints:
    """By how many powers of ten each block's values could grow and still fit 64 bits."""
    largest = np.maximum(stack.value.max(1), -(stack.value.min(1) + 1))
    room: Ints = np.searchsorted(-(LARGEST // POWERS), -largest, side="right") - 1
    return room


def as_conflicts(measured: Measured, chosen: Flags) -> list[Conflict]:
    """Some readings as what is kept beside the blocks."""
    some = measured.take(chosen)
    columns = some.register, some.time, some.value, some.scaler, some.quality
    return list(zip(*(column.tolist() for column in columns), strict=True))
