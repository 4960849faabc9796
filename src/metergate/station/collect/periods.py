"""Local calendar periods as half-open UTC ranges: what "today" or "this month" is in an estate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SPANS = ("day", "week", "month", "year")
STEP_S = {"day": 900, "week": 3600}


@dataclass(frozen=True, slots=True)
class Period:
    """`[start, end)` in UTC and the local day it begins on."""

    span: str
    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """Its first instant, UTC."""
        return midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first instant after it, UTC."""
        return midnight(self.last, self.zone)

    @property
    def before(self) -> Period:
        """The period just before."""
        return period(self.span, self.first - timedelta(days=1), self.zone)

    @property
    def after(self) -> Period:
        """The period just after."""
        return period(self.span, self.last, self.zone)

    @property
    def hours(self) -> int:
        """23 or 25 on the days when clocks change."""
        return int((self.end - self.start) / timedelta(hours=1))

    def edges(self) -> list[datetime]:
        """Where its bars begin and end, one more than there are bars."""
        if self.span in STEP_S:
            step = timedelta(seconds=STEP_S[self.span])
            return [self.start + step * i for i in range(int((self.end - self.start) / step) + 1)]
        if self.span == "month":
            days = (self.last - self.first).days
            return [midnight(self.first + timedelta(days=i), self.zone) for i in range(days + 1)]
        return [midnight(date(self.first.year + i // 12, i % 12 + 1, 1), self.zone) for i in range(13)]


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The local midnight that begins `day`, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def period(span: str, day: date, zone: ZoneInfo) -> Period:
    """The day, week (from Monday), month or year that holds `day`."""
    if span == "week":
        first = day - timedelta(days=day.weekday())
        return Period(span, first, first + timedelta(days=7), zone)
    if span == "month":
        first = day.replace(day=1)
        return Period(span, first, (first + timedelta(days=32)).replace(day=1), zone)
    if span == "year":
        first = day.replace(month=1, day=1)
        return Period(span, first, first.replace(year=first.year + 1), zone)
    return Period("day", day, day + timedelta(days=1), zone)
