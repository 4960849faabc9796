"""A row of a benchmark, and how a fair comparison is timed."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from metergate.wire.base import Receiver, Telegram


class Row(TypedDict):
    """`ratio` is ours over the peer's (or null), `goal` in words, `met` null where there is no goal."""

    name: str
    value: float
    unit: str
    peer: str | None
    ratio: float | None
    goal: str
    met: bool | None


SLICE, ROUNDS = 0.08, 11
"""CPU seconds of a round, and how many rounds: short and many, so that a busy machine is unkind to all alike."""


def rate(work: Callable[[], int], rounds: int = 7) -> float:
    """How many things `work` does in a second of CPU time; it returns how many it did. Median of `rounds`."""
    _ready(work)
    return statistics.median(_round(work) for _ in range(rounds))


def against(ours: Callable[[], int], theirs: Callable[[], int], rounds: int = ROUNDS) -> tuple[float, float]:
    """Rates of both in the round of the median ratio; in every round they take turns, each as often first."""
    _ready(ours, theirs)
    pairs = []
    for turn in range(rounds):
        if turn % 2:
            other, mine = _round(theirs), _round(ours)
        else:
            mine, other = _round(ours), _round(theirs)
        pairs.append((mine, other))
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])[rounds // 2]


def every(work: Callable[[Any], Any], inputs: Sequence[Any]) -> Callable[[], int]:
    """`work` on every input; what it gives must not be None."""

    def once() -> int:
        for one in inputs:
            if work(one) is None:
                raise RuntimeError("an input was not read")
        return len(inputs)

    return once


def readings(receiver: Receiver, count: int) -> Callable[[bytes], int]:
    """Feeds a receiver; there have to be `count` readings in every telegram."""

    def work(data: bytes) -> int:
        found = [len(one.readings) for one in receiver.receive(data) if isinstance(one, Telegram)]
        if found != [count]:
            raise RuntimeError(f"{found} readings instead of {count}")
        return count

    return work


def _ready(*works: Callable[[], int]) -> None:
    """What is learnt at the first time is learnt, and nobody pays for the garbage of others."""
    for work in works:
        work()
    gc.collect()


def _round(work: Callable[[], int]) -> float:
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < SLICE:
        done += work()
    return done / spent


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
