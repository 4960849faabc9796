"""Arithmetic on one register's values over time: consumption between edges, gaps that stay gaps. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from metergate.model import Quality

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values at `start + i * period_s`, scaled by 10^`scaler`; `quality` 0 where there is none."""

    start: datetime
    period_s: int
    scaler: int
    values: Ints
    quality: Bytes

    def index(self, at: datetime) -> int:
        """The place of the last grid instant not after `at`; may lie outside."""
        return int((at - self.start).total_seconds() // self.period_s)

    def exact(self, raw: int) -> Decimal:
        """A scaled integer as what it means."""
        return Decimal(raw).scaleb(self.scaler)

    def last(self) -> tuple[datetime, Decimal] | None:
        """The newest value that is there, and its instant."""
        present = np.flatnonzero(self.quality)
        if not len(present):
            return None
        at = int(present[-1])
        return self.start + timedelta(seconds=at * self.period_s), self.exact(int(self.values[at]))


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Consumption between edges: scaled integers, and how sure each is (0: not known, a gap)."""

    edges: Sequence[datetime]
    amounts: Ints
    quality: Bytes
    scaler: int

    @property
    def total(self) -> Decimal | None:
        """The sum of what is known; None where nothing is."""
        known = self.quality > 0
        return Decimal(int(self.amounts[known].sum())).scaleb(self.scaler) if known.any() else None

    def times(self, factor: Decimal) -> Bars:
        """The same, `factor` as large: another unit, a transformer. Factors of over six digits are rounded there."""
        rounded = Context(prec=6).create_decimal(factor).normalize()
        exponent = int(rounded.as_tuple().exponent)
        return replace(self, amounts=self.amounts * int(rounded.scaleb(-exponent)), scaler=self.scaler + exponent)


def bars(series: Series, edges: Sequence[datetime]) -> Bars:
    """Differences of a counter between edges.

    The value at an edge is the last one before it, if less than one bar old: bars as fine as the grid need both of
    their ends, and the running day or month counts up to its newest value. A counter that falls makes a doubtful bar.
    """
    count = len(edges) - 1
    at = np.array([series.index(edge) for edge in edges])
    filled, found = _last_present(series.quality, at)
    width = np.diff(at)
    fresh = found & (at - filled < np.append(width, width[-1] if count else 1))
    values = np.where(fresh, series.values[np.clip(filled, 0, None)], 0) if len(series.values) else np.zeros(count + 1)
    moved = values.astype(np.int64)
    amounts: Ints = moved[1:] - moved[:-1]
    sure = np.where(fresh, series.quality[np.clip(filled, 0, None)], 0) if len(series.quality) else np.zeros(count + 1)
    quality = np.minimum(sure[:-1], sure[1:]).astype(np.uint8)
    quality[filled[1:] <= filled[:-1]] = Quality.ABSENT
    quality[(amounts < 0) & (quality > 0)] = Quality.BAD
    amounts[quality <= Quality.BAD] = 0
    return Bars(edges, amounts, quality, series.scaler)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a counter moved in a period. `since`: its first value there, where it has none at the period's beginning, so
    that the amount is a part only, or none where that value is the only one. None: nothing is missing, or all is."""

    amount: Decimal | None = None
    since: datetime | None = None

    def times(self, factor: Decimal) -> Counted:
        """The same, `factor` as large."""
        return self if self.amount is None else replace(self, amount=self.amount * factor)

    @property
    def partial(self) -> bool:
        """Whether more may have been used than the amount says."""
        return self.amount is not None and self.since is not None


def counted(series: Series, start: datetime, end: datetime) -> Counted:
    """From the value at `start`, or else the first one after it, to the newest one not after `end`."""
    whole = bars(series, [start, end]).total
    if whole is not None:
        return Counted(whole)
    low, high = series.index(start - timedelta(microseconds=1)) + 1, series.index(end) + 1
    there = max(low, 0) + np.flatnonzero(series.quality[max(low, 0) : max(high, 0)])
    if not len(there):
        return Counted()
    since = series.start + timedelta(seconds=int(there[0]) * series.period_s)
    return Counted(bars(series, [since, end]).total, since)


def _last_present(quality: Bytes, at: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    if not len(quality):
        return np.full(len(at), -1), np.zeros(len(at), bool)
    places = np.where(quality > 0, np.arange(len(quality)), -1)
    reach = np.maximum.accumulate(places)
    filled = np.where(at >= 0, reach[np.clip(at, 0, len(quality) - 1)], -1)
    return filled, filled >= 0


def add_up(parts: Sequence[Bars], scaler: int) -> Bars:
    """Several registers' bars over the same edges as one, in units of 10^`scaler`; a bar is as sure as its worst part.

    Parts without a value are left out; where no part has one the bar is a gap.
    """
    count = len(parts[0].amounts)
    amounts = np.zeros(count, np.int64)
    quality = np.full(count, 255, np.uint8)
    for part in parts:
        shift = part.scaler - scaler
        amounts += part.amounts * 10**shift if shift >= 0 else part.amounts // 10**-shift
        known = part.quality > 0
        quality[known] = np.minimum(quality[known], part.quality[known])
    quality[quality == 255] = Quality.ABSENT
    return Bars(parts[0].edges, amounts, quality, scaler)


def envelope(times: NDArray[np.int64], values: Ints, quality: Bytes, columns: int) -> tuple[Ints, Ints, Bytes]:
    """At most four points for each of `columns` pixels: first, least, greatest and last, so that no peak is lost."""
    if len(values) <= 4 * columns:
        return times, values, quality
    edges = np.linspace(0, len(values), columns + 1).astype(int)
    keep: set[int] = set()
    for low, high in pairwise(edges):
        here = low + np.flatnonzero(quality[low:high])
        if len(here):
            piece = values[here]
            keep |= {int(here[0]), int(here[piece.argmin()]), int(here[piece.argmax()]), int(here[-1])}
        else:
            keep.add(int(low))
    chosen = np.array(sorted(keep))
    return times[chosen], values[chosen], quality[chosen]
