"""Dates and times as M-Bus codes them: types F, G, I and J (EN 13757-3 Annex A). The meter's local time, no zone."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import lru_cache

from metergate.errors import BadValue

Moment = tuple[str | None, str | None, tuple[str, ...]]
"""ISO 8601 text, or None and the reason; notes."""
_SUMMER = ("summer time",)
_IMPOSSIBLE = "no such date"


@lru_cache(8192)
def moment(data: bytes) -> Moment:
    """The point in time in 2 (date), 3 (time of day), 4 (to the minute) or 6 (to the second) bytes."""
    reader = _READERS.get(len(data))
    if reader is None:
        return None, f"no form of time has {len(data)} bytes", ()
    try:
        return reader(data)
    except ValueError:
        return None, f"{_IMPOSSIBLE}: {data.hex()}", ()


def _date(data: bytes, century: int = 0) -> date:
    """Type G: day in bits 0-4, month in bits 8-11, year in bits 5-7 and 12-15. ValueError if there is no such day.

    Without a century (hundreds since 1900) years to 80 are of this one, as meters with a two-digit clock mean them.
    """
    year = data[0] >> 5 | data[1] >> 4 << 3
    if year > 99:
        raise ValueError(year)
    base = 1900 + 100 * century if century else 2000 if year <= 80 else 1900
    return date(base + year, data[1] & 15, data[0] & 31)


def _type_g(data: bytes) -> Moment:
    return _date(data).isoformat(), None, ()


def _type_f(data: bytes) -> Moment:
    minute, hour = data[0], data[1]
    if minute & 0x80:
        return None, f"the meter marks its time as invalid: {data.hex()}", ()
    day = _date(data[2:], hour >> 5 & 3)
    found = datetime.combine(day, time(hour & 31, minute & 63))
    return found.isoformat(), None, _SUMMER if hour & 0x80 else ()


def _type_i(data: bytes) -> Moment:
    second, minute, hour = data[0], data[1], data[2]
    if minute & 0x80:
        return None, f"the meter marks its time as invalid: {data.hex()}", ()
    found = datetime.combine(_date(data[3:5]), time(hour & 31, minute & 63, second & 63))
    return found.isoformat(), None, _SUMMER if second & 0x80 else ()


def _type_j(data: bytes) -> Moment:
    return time(data[2] & 31, data[1] & 63, data[0] & 63).isoformat(), None, ()


_READERS = {2: _type_g, 3: _type_j, 4: _type_f, 6: _type_i}


def encode_moment(text: str, size: int, summer: bool = False) -> bytes:
    """ISO 8601 text as 2, 3, 4 or 6 bytes; `summer` sets the flag of daylight saving. BadValue if it cannot be said."""
    try:
        if size == 3:
            clock = time.fromisoformat(text)
            return bytes((clock.second, clock.minute, clock.hour))
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadValue(f"{text!r} is no ISO 8601 time") from error
    if not 1981 <= found.year <= 2099 or (size != 4 and found.year > 2080):
        raise BadValue(f"the year {found.year} cannot be said in {size} bytes")
    year = found.year % 100
    day = bytes((found.day | (year & 7) << 5, found.month | year >> 3 << 4))
    flag = 0x80 if summer else 0
    if size == 2:
        return day
    if size == 4:
        century = found.year // 100 - 19 if found.year > 2080 else 0
        return bytes((found.minute, found.hour | century << 5 | flag)) + day
    if size == 6:
        return bytes((found.second | flag, found.minute, found.hour)) + day + b"\0"
    raise BadValue(f"no form of time has {size} bytes")
