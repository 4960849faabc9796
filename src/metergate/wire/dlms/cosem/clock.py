"""The clock of a meter (class 8): local time with deviation, set, adjusted and shifted by those who may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from metergate.errors import BadValue
from metergate.wire.dlms.apdu.items import AccessResult
from metergate.wire.dlms.cosem.classes import CLOCK, Level
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, elements
from metergate.wire.dlms.data import Data, boolean, enum, i8, i16, octets, u8
from metergate.wire.dlms.times import DST_BEGIN, DST_END, DateTime

MOST_SHIFT = 900
"""Seconds that method 6 shifts at most."""
QUARTER, MINUTE = timedelta(minutes=15), timedelta(minutes=1)
YEARS = range(1990, 2200)
"""What the clock can be set to."""
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Clock(CosemObject):
    """`0.0.1.0.0.255`. It is `offset` ahead of the true time; `inverted` writes the deviation the other way round.

    `before_change` is called with the instant before the clock jumps.
    """

    def __init__(
        self, zone: tzinfo = UTC, name: str = "0-0:1.0.0", inverted: bool = False, base: int | None = None
    ) -> None:
        values = {
            "dst_begin": octets(DateTime(month=DST_BEGIN).octets),
            "dst_end": octets(DateTime(month=DST_END).octets),
            "dst_deviation": i8(60),
            "dst_enabled": boolean(not isinstance(zone, timezone)),
            "clock_base": enum(1),
        }
        super().__init__(CLOCK, name, values, Level.PUBLIC, base)
        self.zone, self.inverted = zone, inverted
        self.offset = timedelta(0)
        self.period = QUARTER
        self.changed: datetime | None = None
        self.before_change: list[Callable[[datetime], None]] = []
        self._preset: tuple[datetime, datetime, datetime] | None = None

    def shown(self, now: datetime) -> datetime:
        """What the clock shows at the true instant `now`, in its zone."""
        return (now + self.offset).astimezone(self.zone)

    def stamp(self, now: datetime) -> DateTime:
        """The same as the 12 octets' fields."""
        return DateTime.of(self.shown(now), inverted=self.inverted)

    def instant(self, data: Data) -> datetime | None:
        """The instant that a date-time of this clock names; None for a pattern. BadValue."""
        return DateTime.parse(data.octets).instant(self.zone, self.inverted)

    def set(self, shown: datetime, now: datetime) -> None:
        """From now on the clock shows `shown`."""
        for told in self.before_change:
            told(now)
        self.offset, self.changed = shown - now, now

    def read_time(self, now: datetime) -> Data:
        """Attribute 2."""
        return octets(self.stamp(now).octets)

    def write_time(self, data: Data, now: datetime) -> None:
        """Attribute 2: all of the date and the time have to be told."""
        at = self.instant(data)
        if len(data.octets) != 12 or at is None or at.year not in YEARS:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.set(at, now)

    def read_time_zone(self, now: datetime) -> Data:
        """Attribute 3: minutes as in the deviation, without summer time."""
        shown = self.shown(now)
        minutes = int(((shown.utcoffset() or timedelta()) - (shown.dst() or timedelta())).total_seconds()) // 60
        return i16(minutes if self.inverted else -minutes)

    def write_time_zone(self, data: Data, now: datetime) -> None:
        """Attribute 3: from now on a zone without summer time."""
        if abs(data.number) > 720:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.zone = timezone(timedelta(minutes=data.number if self.inverted else -data.number))

    def read_status(self, now: datetime) -> Data:
        """Attribute 4."""
        return u8(self.stamp(now).status)

    def do_adjust_to_quarter(self, parameter: Data, now: datetime) -> None:
        """Method 1: to the nearest quarter of an hour."""
        self._round(QUARTER, now)

    def do_adjust_to_measuring_period(self, parameter: Data, now: datetime) -> None:
        """Method 2: to the nearest start of a measuring period."""
        self._round(self.period, now)

    def do_adjust_to_minute(self, parameter: Data, now: datetime) -> None:
        """Method 3: to the nearest minute."""
        self._round(MINUTE, now)

    def do_adjust_to_preset_time(self, parameter: Data, now: datetime) -> None:
        """Method 4: to the time told before by method 5, if it is valid now."""
        if self._preset is None or not self._preset[1] <= now + self.offset <= self._preset[2]:
            raise AccessRefused(AccessResult.TEMPORARY_FAILURE)
        self.set(self._preset[0], now)
        self._preset = None

    def do_preset_adjusting_time(self, parameter: Data, now: datetime) -> None:
        """Method 5: structure{time, valid from, valid to}."""
        preset, begin, end = (self.instant(item) for item in elements(parameter, 3))
        if preset is None or begin is None or end is None or preset.year not in YEARS:
            raise BadValue("a preset time and its validity have to be told in full")
        self._preset = preset, begin, end

    def do_shift_time(self, parameter: Data, now: datetime) -> None:
        """Method 6: by -900 to 900 s."""
        if abs(parameter.number) > MOST_SHIFT:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.set(now + self.offset + timedelta(seconds=parameter.number), now)

    def _round(self, step: timedelta, now: datetime) -> None:
        past = (now + self.offset - EPOCH) % step
        self.set(now + self.offset - past + (step if 2 * past >= step else timedelta(0)), now)
