"""A row of a benchmark, and how a fair comparison is timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TypedDict


class Row(TypedDict):
    """`ratio` is ours over the peer's (or null), `goal` in words, `met` null where there is no goal."""

    name: str
    value: float
    unit: str
    peer: str | None
    ratio: float | None
    goal: str
    met: bool | None


def rate(work: Callable[[], int], seconds: float = 0.4, rounds: int = 5) -> float:
    """How many things `work` does in a second of CPU time; it returns how many it did. Median of `rounds`."""
    return statistics.median(_round(work, seconds) for _ in range(rounds))


def _round(work: Callable[[], int], seconds: float) -> float:
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        done += work()
    return done / spent


def against(ours: Callable[[], int], theirs: Callable[[], int], rounds: int = 5) -> tuple[float, float]:
    """Rates of both, rounds taken in turn so that a busy machine is unkind to both alike."""
    mine, other = [], []
    for _ in range(rounds):
        mine.append(_round(ours, 0.3))
        other.append(_round(theirs, 0.3))
    return statistics.median(mine), statistics.median(other)


def row(
    name: str,
    value: float,
    unit: str,
    *,
    peer: tuple[str, float] | None = None,
    least: float | None = None,
    most: float | None = None,
    ratio: float | None = None,
) -> Row:
    """A row whose goal is a least or most value, or a least ratio to the peer (name and its value)."""
    found = value / peer[1] if peer and peer[1] else None
    goals = []
    if least is not None:
        goals.append((f"at least {least:g}", value >= least))
    if most is not None:
        goals.append((f"at most {most:g}", value <= most))
    if ratio is not None:
        goals.append((f"at least {ratio:g} x", found is not None and found >= ratio))
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "peer": f"{peer[0]}: {peer[1]:.4g}" if peer else None,
        "ratio": round(found, 2) if found is not None else None,
        "goal": " and ".join(text for text, _ in goals),
        "met": all(met for _, met in goals) if goals else None,
    }
