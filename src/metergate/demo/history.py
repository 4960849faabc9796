"""Thirteen months of the street's life, computed by all cores and written into the station's load profiles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from metergate.demo.plan import Wire
from metergate.sim.household import Flow, Household
from metergate.station import services

QUARTER = timedelta(minutes=15)
Ints = NDArray[np.int64]
Courses = dict[Flow, Ints]


def courses(home: Household, flows: tuple[Flow, ...], start: datetime, count: int) -> Courses:
    """The counters of a household at every quarter hour from `start` on."""
    return {flow: home.counters(flow, start, count) for flow in flows}


def fill(wires: list[Wire], start: datetime, end: datetime, progress: Callable[[int, int], None]) -> int:
    """Write the history of all registers from `start` (on a quarter hour) up to `end`; the number of values."""
    by_home: dict[Household, list[Wire]] = defaultdict(list)
    for wire in wires:
        if wire.home:
            by_home[wire.home].append(wire)
    count = int((end - start) / QUARTER)
    written = 0
    for done, (home, found) in enumerate(_computed(by_home, start, count), 1):
        table = {wire.key: _values(wire, found, count) for wire in by_home[home]}
        written += services.load_history(start, start + count * QUARTER, _from(table), keys=list(table))
        progress(done, len(by_home))
    return written


def _computed(by_home: dict[Household, list[Wire]], start: datetime, count: int) -> Iterator[tuple[Household, Courses]]:
    with ProcessPoolExecutor() as pool:
        jobs = {home: pool.submit(courses, home, _flows(found), start, count + 1) for home, found in by_home.items()}
        for home, job in jobs.items():
            yield home, job.result()


def _flows(found: list[Wire]) -> tuple[Flow, ...]:
    return tuple(dict.fromkeys([wire.flow or Flow.IMPORT for wire in found] + [Flow.EXPORT]))


def _values(wire: Wire, found: Courses, count: int) -> Ints:
    """Integers at the register's scaler: steps of the register, or the mean power of each quarter hour."""
    if wire.flow:
        return np.asarray(found[wire.flow][:count] // wire.step * wire.factor, np.int64)
    net = np.diff(found[Flow.IMPORT]) - np.diff(found[Flow.EXPORT])
    watts = net // int(QUARTER.total_seconds())
    return np.asarray(watts[:count], np.int64)


def _from(table: dict[str, Ints]) -> services.Course:
    def make(key: str, unit: str, scaler: int, times: Ints) -> Ints:
        return table[key]

    return make


def quarter_before(at: datetime) -> datetime:
    """The last quarter hour that has begun."""
    at = at.astimezone(UTC)
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
