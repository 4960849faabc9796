"""Time stamps `YYMMDDhhmmssX`: local time of the meter, X = S in summer, W in winter (DSMR P1 §6.4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from metergate.model import TimeQuality

STAMP = re.compile(r"\d{12}[SW]?", re.ASCII)
"""What a time stamp looks like; the letter is missing before version 4."""
CENTRAL_EUROPE = 60
"""Minutes east of Greenwich in winter."""
_AHEAD = timedelta(seconds=60)
_MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


@lru_cache(2048)
def moment(text: str, winter: int = CENTRAL_EUROPE) -> datetime | None:
    """The instant of a time stamp; None for a date that cannot be (`632525252525W`: the meter has none).

    The letter is trusted, whatever the calendar says; without one the European summer time tells (02:00 to 03:00 on
    the October night, which comes twice, is taken as summer time).
    """
    try:
        year, month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(0, 12, 2))
        local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    summer = text[12] == "S" if len(text) > 12 else _is_summer(local)
    return local - timedelta(minutes=winter + 60 * summer)


def stamp(instant: datetime, winter: int = CENTRAL_EUROPE, letter: bool = True) -> str:
    """The inverse: the meter's time stamp of an instant."""
    standard = instant.astimezone(UTC) + timedelta(minutes=winter)
    summer = _is_summer(standard + _HOUR)
    local = standard + _HOUR * summer
    return f"{local:%y%m%d%H%M%S}{'WS'[summer] if letter else ''}"


def _is_summer(local: datetime) -> bool:
    """Whether a local time lies between the last Sundays of March, 02:00, and October, 03:00."""
    return _last_sunday(local.year, 3, 2) <= local < _last_sunday(local.year, 10, 3)


@lru_cache(512)
def _last_sunday(year: int, month: int, hour: int) -> datetime:
    last = datetime(year, month, 31, hour, tzinfo=UTC)
    return last - timedelta(days=last.isoweekday() % 7)


def clock(text: str | None, winter: int, at: datetime | None) -> tuple[datetime | None, TimeQuality]:
    """A time stamp and what it is worth, heard at `at`."""
    instant = moment(text, winter) if text else None
    if instant is None:
        return None, TimeQuality.NONE
    doubtful = instant < _MILLENNIUM or (at is not None and instant > at + _AHEAD)
    return instant, TimeQuality.DOUBTFUL if doubtful else TimeQuality.UNCHECKED
