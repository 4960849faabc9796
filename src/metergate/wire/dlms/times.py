"""Dates and times of COSEM: date-time of 12 octets, date of 5, time of 4 (IEC 62056-6-2).

Every field may be left open (FF, of the year FFFF, of the deviation 8000H): such a date is a pattern, as calendars and
selections use it. The deviation says how far UTC is from local time in minutes; by the standard local + deviation is
UTC, but several makers write it the other way round, so the side that knows the meter says which.
"""

from __future__ import annotations

import datetime as dt
import struct
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from metergate.errors import BadValue

ANY = 0xFF
ANY_YEAR = 0xFFFF
UNSPECIFIED = -0x8000
"""The deviation that says nothing: 8000H."""
DST_END, DST_BEGIN = 0xFD, 0xFE
"""Months that stand for the end and the beginning of summer time."""
LAST_DAY, SECOND_LAST_DAY = 0xFE, 0xFD
"""Days that count from the end of the month."""
INVALID, DOUBTFUL, OTHER_BASE, INVALID_STATUS, SUMMER = 0x01, 0x02, 0x04, 0x08, 0x80
"""Bits of the clock status; FF: no status is told."""


_FIELDS = struct.Struct(">H7BhB")


def _two(value: int) -> str:
    return "**" if value == ANY else f"{value:02d}"


@dataclass(frozen=True, slots=True)
class DateTime:
    """The fields as on the wire, FF and FFFF where left open; `weekday` 1 is Monday."""

    year: int = ANY_YEAR
    month: int = ANY
    day: int = ANY
    weekday: int = ANY
    hour: int = ANY
    minute: int = ANY
    second: int = ANY
    hundredths: int = ANY
    deviation: int = UNSPECIFIED
    status: int = ANY

    @classmethod
    def parse(cls, octets: bytes) -> DateTime:
        """From 12 octets (date-time), 5 (date) or 4 (time). BadValue for another count."""
        if len(octets) == 12:
            return cls(*_FIELDS.unpack(octets))
        if len(octets) == 5:
            return cls(int.from_bytes(octets[:2], "big"), *octets[2:])
        if len(octets) == 4:
            return cls(hour=octets[0], minute=octets[1], second=octets[2], hundredths=octets[3])
        raise BadValue(f"a date and time has 12, 5 or 4 octets, not {len(octets)}")

    @classmethod
    def of(cls, at: datetime, status: int = 0, inverted: bool = False) -> DateTime:
        """Of an aware instant, in the zone it is in; `inverted` as in `instant`."""
        offset = at.utcoffset()
        if offset is None:
            raise ValueError("a time without zone is no instant")
        minutes = int(offset.total_seconds()) // 60
        summer = SUMMER if at.dst() and status != ANY else 0
        return cls(
            at.year,
            at.month,
            at.day,
            at.isoweekday(),
            at.hour,
            at.minute,
            at.second,
            hundredths=at.microsecond // 10_000,
            deviation=minutes if inverted else -minutes,
            status=status | summer,
        )

    @property
    def octets(self) -> bytes:
        """The 12 octets of a date-time."""
        return self.date + self.time + struct.pack(">hB", self.deviation, self.status)

    @property
    def date(self) -> bytes:
        """The 5 octets of a date."""
        return self.year.to_bytes(2, "big") + bytes((self.month, self.day, self.weekday))

    @property
    def time(self) -> bytes:
        """The 4 octets of a time."""
        return bytes((self.hour, self.minute, self.second, self.hundredths))

    @property
    def exact(self) -> bool:
        """True if it names one second of one day (weekday, hundredths, deviation and status may be open)."""
        return (
            self.year != ANY_YEAR
            and 1 <= self.month <= 12
            and 1 <= self.day <= monthrange(max(1, min(self.year, 9999)), self.month)[1]
            and self.hour < 24
            and self.minute < 60
            and self.second < 60
            and 1 <= self.year <= 9999
        )

    def local(self) -> datetime | None:
        """Date and time as shown, without zone; None where it is a pattern or impossible."""
        if not self.exact:
            return None
        micro = self.hundredths * 10_000 if self.hundredths < 100 else 0
        day = dt.date(self.year, self.month, self.day)
        return datetime.combine(day, dt.time(self.hour, self.minute, self.second, micro))

    def instant(self, zone: tzinfo | None = None, inverted: bool = False) -> datetime | None:
        """The instant in UTC, or None where it is a pattern, impossible, or no zone is known.

        `zone` serves where the deviation is unspecified; `inverted`: this meter writes UTC + deviation = local.
        """
        shown = self.local()
        if shown is None:
            return None
        try:
            if self.deviation != UNSPECIFIED:
                minutes = -self.deviation if inverted else self.deviation
                return (shown + timedelta(minutes=minutes)).replace(tzinfo=UTC)
            if zone is None:
                return None
            fold = 1 if self.status != ANY and not self.status & SUMMER else 0
            return shown.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        except OverflowError:  # the year 1 or 9999
            return None

    def matches(self, day: dt.date) -> bool:
        """True if this pattern names the day; the months FD and FE, which need a zone, match none."""
        last = monthrange(day.year, day.month)[1]
        days = {LAST_DAY: last, SECOND_LAST_DAY: last - 1}.get(self.day, self.day)
        wanted = ((self.year, ANY_YEAR, day.year), (self.month, ANY, day.month), (days, ANY, day.day))
        return all(want in (free, have) for want, free, have in (*wanted, (self.weekday, ANY, day.isoweekday())))

    def __str__(self) -> str:
        year = "****" if self.year == ANY_YEAR else f"{self.year:04d}"
        text = f"{year}-{_two(self.month)}-{_two(self.day)} {':'.join(map(_two, self.time[:3]))}"
        return text if self.deviation == UNSPECIFIED else f"{text} ({self.deviation:+d} min)"
