"""The watch over meters: how often each one speaks is learnt, and who has been silent for much longer is named."""

from __future__ import annotations

from collections.abc import Iterator

PATIENCE = 10
"""A meter is silent after this many of its own intervals."""
FLOOR = 10.0
"""Seconds of silence that nobody is blamed for."""
UNKNOWN = 3600.0
"""Expected interval of a meter that has spoken only once."""


class Heard:
    """What is known of one meter's rhythm: seconds on the monotonic clock."""

    __slots__ = ("count", "interval", "last", "silent")

    def __init__(self, now: float, interval: float | None = None) -> None:
        self.last = now
        self.interval = interval
        self.count = 1
        self.silent = False

    def again(self, now: float) -> None:
        """It spoke. Long gaps teach slowly and short ones fast, so that one outage does not blunt the watch."""
        gap = now - self.last
        self.last = now
        self.count += 1
        if self.interval is None:
            self.interval = gap
        elif not self.silent:
            self.interval += (gap - self.interval) * (0.25 if gap < self.interval else 0.05)

    @property
    def patience(self) -> float:
        """Seconds of silence after which it is missed."""
        return max(FLOOR, PATIENCE * (UNKNOWN if self.interval is None else self.interval))


class Watch:
    """All meters of a gateway."""

    def __init__(self) -> None:
        self.meters: dict[str, Heard] = {}

    def expect(self, meter: str, now: float, interval: float | None) -> None:
        """A meter that ought to be heard from now on."""
        self.meters.setdefault(meter, Heard(now, interval))

    def forget(self, meter: str) -> None:
        """It is no longer ours."""
        self.meters.pop(meter, None)

    def heard(self, meter: str, now: float) -> bool:
        """A meter spoke; True if it had been missed or was never heard before."""
        known = self.meters.get(meter)
        if known is None:
            self.meters[meter] = Heard(now)
            return True
        back = known.silent
        known.again(now)
        known.silent = False
        return back

    def missed(self, now: float) -> Iterator[str]:
        """Meters that have just been found silent; each is named once."""
        for meter, known in self.meters.items():
            if not known.silent and now - known.last > known.patience:
                known.silent = True
                yield meter
