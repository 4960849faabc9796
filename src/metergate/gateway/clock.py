"""Clock sanity: what to think of a meter's clock, and whether our own host's clock jumped.

Both times of a reading are kept. A doubtful meter time is flagged, never corrected and never replaced.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from metergate.model import Reading, TimeQuality

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=10)
"""How far a meter's clock may be ahead of ours before it is doubtful."""
BEHIND = timedelta(days=20 * 365)
"""How far it may be behind: older values are none that a meter still tells, but a clock that lost its century or its
battery."""
JUMP = 2.0
"""Seconds by which the wall clock may leave the monotonic clock before that is called a jump."""


class MeterClocks:
    """Flags meter times that cannot be: before 2000, decades ago, in the future, or going backwards (per register)."""

    def __init__(self, ahead: timedelta = AHEAD) -> None:
        self._ahead = ahead
        self._last: dict[str, datetime] = {}
        self.doubtful = 0

    def check(self, readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
        """The readings, with `time_quality` DOUBTFUL where their meter time is. Those without one pass untouched."""
        if all(reading.meter_time is None for reading in readings):
            return readings
        return tuple(self._checked(reading) for reading in readings)

    def _checked(self, reading: Reading) -> Reading:
        time, key = reading.meter_time, reading.register.key
        if time is None:
            return reading
        last = self._last.get(key, EARLIEST)
        limit = None if reading.received is None else reading.received + self._ahead
        old = reading.received is not None and time < reading.received - BEHIND
        if time >= last and not old and (limit is None or time <= limit):
            self._last[key] = time
            return reading
        self.doubtful += 1
        if limit is None or time <= limit:
            self._last[key] = max(time, EARLIEST)  # a clock set back: said once, then it counts on from there
        return replace(reading, time_quality=TimeQuality.DOUBTFUL)


class HostClock:
    """Notices when the host's wall clock is set, by comparing it with the monotonic clock."""

    def __init__(self, wall: float, monotonic: float) -> None:
        self._offset = wall - monotonic
        self.jumps = 0

    def jumped(self, wall: float, monotonic: float) -> float:
        """Seconds by which the wall clock jumped since the last call (negative: back), 0 if it did not."""
        step = wall - monotonic - self._offset
        self._offset += step
        if abs(step) < JUMP:
            return 0.0
        self.jumps += 1
        return step
