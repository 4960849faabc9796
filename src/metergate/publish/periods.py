"""Consumption of the running day, week, month and year from a register that only counts up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

PERIODS = ("day", "week", "month", "year")
History = Callable[[datetime], Decimal | None]


def period_start(period: str, instant: datetime, zone: ZoneInfo) -> datetime:
    """When the local day, week (from Monday), month or year that holds `instant` began; UTC."""
    local = instant.astimezone(zone)
    day = datetime(local.year, local.month, local.day, tzinfo=zone)
    if period == "week":
        day -= timedelta(days=local.weekday())
    elif period == "month":
        day = day.replace(day=1)
    elif period == "year":
        day = day.replace(month=1, day=1)
    return day.astimezone(UTC)


def next_day(instant: datetime, zone: ZoneInfo) -> datetime:
    """The next local midnight after `instant`; UTC."""
    local = instant.astimezone(zone)
    day = datetime(local.year, local.month, local.day, tzinfo=zone) + timedelta(days=1)
    return day.astimezone(UTC)


class Periods:
    """Differences of one register since its periods began.

    What it stood at then is the last value before; at first use `history(start)` is asked, and where that knows nothing
    counting begins with the first value.
    """

    def __init__(self, zone: ZoneInfo, history: History = lambda start: None, periods: Sequence[str] = PERIODS) -> None:
        self._zone, self._history, self._periods = zone, history, periods
        self._last: Decimal | None = None
        self._next: datetime | None = None
        self.starts: dict[str, datetime] = {}
        self.bases: dict[str, Decimal] = {}

    def feed(self, instant: datetime, value: Decimal) -> datetime | None:
        """Take in the register's value. The local midnight that was passed since the last one, if there was one."""
        if self._next is not None and instant < self._next:
            self._last = value
            return None
        passed = self._last is not None
        for period in self._periods:
            start = period_start(period, instant, self._zone)
            if self.starts.get(period) != start:
                self.starts[period] = start
                self.bases[period] = self._base(start, value)
        self._last, self._next = value, next_day(instant, self._zone)
        return period_start("day", instant, self._zone) if passed else None

    def _base(self, start: datetime, value: Decimal) -> Decimal:
        if self._last is not None:
            return self._last
        known = self._history(start)
        return value if known is None else known

    def since(self, period: str, value: Decimal) -> Decimal:
        """Consumption since the period began, for a register that stands at `value`."""
        return value - self.bases[period]
