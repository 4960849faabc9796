"""Simulated time: every process of a simulation agrees on it without talking, reckoning from one anchor."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class SimClock:
    """At wall time `wall` (seconds since 1970) the simulation stood at `start`; it runs `speed` times as fast."""

    wall: float
    start: datetime
    speed: float = 1.0

    @classmethod
    def real(cls) -> SimClock:
        """Simulated time is real time."""
        return cls(0.0, datetime.fromtimestamp(0, UTC))

    def now(self) -> datetime:
        """The simulated instant now."""
        return self.start + timedelta(seconds=(time.time() - self.wall) * self.speed)

    def until(self, instant: datetime) -> float:
        """Real seconds from now until the simulated `instant`; 0 if it has passed."""
        return max(0.0, (instant - self.now()).total_seconds() / self.speed)


@dataclass(frozen=True)
class MeterClock:
    """A meter's own clock: `ppm` fast (or slow, negative) since `since`, and `offset` wrong to begin with."""

    since: datetime
    ppm: float = 0.0
    offset: timedelta = timedelta(0)

    def shown(self, true: datetime) -> datetime:
        """What the meter shows when the true time is `true`."""
        return true + self.offset + (true - self.since) * (self.ppm / 1_000_000)


def next_tick(now: datetime, period: timedelta) -> datetime:
    """The first multiple of `period` (from midnight UTC) after `now`."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((now - midnight) // period + 1) * period
