"""When to ask a meter next: its period with a jitter of its own, and ever longer pauses for one that is dead."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

FIRST, LONGEST = 60.0, 3600.0
"""Pauses for a meter that does not answer, seconds: 1, 2, 4 ... 60 minutes."""


@dataclass
class Schedule:
    """One meter's times, in seconds of the monotonic clock.

    `period` between questions; `jitter` is the part of the period over which meters are spread, so that a hundred of
    them do not speak at once. A round that comes late is not made up for: the missed ones are counted in `skipped`.
    After a failure it rests `first` seconds, then ever twice as long up to `longest`, but never less than the period.
    """

    period: float
    jitter: float = 0.1
    first: float = FIRST
    longest: float = LONGEST
    chance: random.Random = field(default_factory=random.Random)
    failures: int = 0
    skipped: int = 0
    due: float = 0.0

    def begin(self, now: float) -> float:
        """The first time: soon, spread over the jitter."""
        self.due = now + self.chance.uniform(0, self.period * self.jitter)
        return self.due

    def answered(self, now: float) -> float:
        """It answered: the next time stays on the grid of the period."""
        self.failures = 0
        late = int(max(0.0, now - self.due) // self.period)
        self.skipped += late
        self.due += (late + 1) * self.period
        return self.due

    def failed(self, now: float) -> float:
        """It did not: the next pause."""
        pause = min(self.first * 2.0 ** min(self.failures, 64), self.longest)
        self.failures += 1
        self.due = now + max(pause, self.period)
        return self.due


@dataclass
class Pace:
    """How fast a line's meters can be asked: periods are stretched where its time would not suffice for all of them.

    `share`: how much of the time the rounds may take; the rest is for orders and repetitions.
    """

    share: float = 0.8
    mean: float = 0.0
    stretch: float = 1.0
    """By how much the periods are longer than wanted, now."""

    def took(self, seconds: float) -> None:
        """A question and its answer (or the waiting for it) took so long."""
        self.mean = seconds if not self.mean else self.mean + (seconds - self.mean) * _WEIGHT

    def period(self, wanted: float, rate: float) -> float:
        """A meter's period. `rate`: how many questions a second the line would have if all periods were as wanted."""
        self.stretch = max(1.0, self.mean * rate / self.share)
        return wanted * self.stretch


_WEIGHT = 0.1
"""Of the newest in the running mean."""
