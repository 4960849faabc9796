"""Registers that keep an instant with their value: the demand of a period (class 5) and its maximum (class 4).

The demand follows from the energy counted at any instant, so nothing has to be looked at while a period runs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from metergate.wire.dlms.apdu.items import AccessResult
from metergate.wire.dlms.cosem.classes import DEMAND, EXTENDED, Level
from metergate.wire.dlms.cosem.clock import EPOCH, Clock
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject
from metergate.wire.dlms.data import Data, octets, u8, u16, u32

Energy = Callable[[datetime], int]
"""What was counted up to an instant, in whole units of which one an hour is one unit of power."""
HOUR = 3600
LONGEST, MOST = 86400, 96
"""Seconds of a period and number of periods at most."""
CAUGHT_UP = 3000
"""Periods that a maximum looks back over at most."""


class DemandRegister(CosemObject):
    """Average power over `periods` periods of `seconds`, sliding by one period; in step with the meter's clock."""

    def __init__(
        self, name: str, energy: Energy, clock: Clock, scaler_unit: Data, seconds: int = 900, periods: int = 1
    ) -> None:
        super().__init__(DEMAND, name, {"scaler_unit": scaler_unit, "status": u8(0)}, Level.READER)
        self._energy, self.clock = energy, clock
        self.seconds, self.periods = seconds, periods
        self._begun: datetime | None = None

    def start(self, now: datetime) -> datetime:
        """When the period that runs began: at a multiple of its length, or when it was reset in it."""
        length = timedelta(seconds=self.seconds)
        begun = now - (now + self.clock.offset - EPOCH) % length
        return max(begun, self._begun) if self._begun and self._begun <= now else begun

    def _average(self, begin: datetime, end: datetime) -> int:
        """Energy between two instants as power over all of the periods."""
        begin = max(begin, self._begun) if self._begun and self._begun <= end else begin
        return (self._energy(end) - self._energy(begin)) * HOUR // (self.seconds * self.periods)

    def read_current_average(self, now: datetime) -> Data:
        """Attribute 2: the period that runs and those before it, as if nothing came any more."""
        return u32(max(0, self._average(self._first(now), now)))

    def last(self, now: datetime) -> int:
        """Attribute 3 as number: the average when the last period ended."""
        end = self.start(now)
        return max(0, self._average(end - timedelta(seconds=self.seconds * self.periods), end))

    def read_last_average(self, now: datetime) -> Data:
        """Attribute 3."""
        return u32(self.last(now))

    def read_capture_time(self, now: datetime) -> Data:
        """Attribute 6: when the last period ended."""
        return octets(self.clock.stamp(self.start(now)).octets)

    def read_start_time(self, now: datetime) -> Data:
        """Attribute 7: when what attribute 2 averages began."""
        return octets(self.clock.stamp(self._first(now)).octets)

    def _first(self, now: datetime) -> datetime:
        return self.start(now) - timedelta(seconds=self.seconds * (self.periods - 1))

    def read_period(self, now: datetime) -> Data:
        """Attribute 8, seconds."""
        return u32(self.seconds)

    def write_period(self, data: Data, now: datetime) -> None:
        """Attribute 8: what was averaged begins anew."""
        if not 1 <= data.number <= LONGEST:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.seconds = data.number
        self.do_reset(data, now)

    def read_number_of_periods(self, now: datetime) -> Data:
        """Attribute 9."""
        return u16(self.periods)

    def write_number_of_periods(self, data: Data, now: datetime) -> None:
        """Attribute 9, as attribute 8."""
        if not 1 <= data.number <= MOST:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.periods = data.number
        self.do_reset(data, now)

    def do_reset(self, parameter: Data, now: datetime) -> None:
        """Method 1: what came before counts no more."""
        self._begun = now


class MaximumDemand(CosemObject):
    """The greatest last average since the reset, and when it was captured."""

    def __init__(self, name: str, demand: DemandRegister, begin: datetime, scaler_unit: Data) -> None:
        super().__init__(EXTENDED, name, {"scaler_unit": scaler_unit, "status": u8(0)}, Level.READER)
        self._demand, self._seen = demand, begin
        self._greatest, self._at = 0, begin

    def advance(self, now: datetime) -> None:
        """Look at the periods that ended since."""
        length = timedelta(seconds=self._demand.seconds)
        end = self._demand.start(now)
        at = max(self._seen, end - length * CAUGHT_UP)
        at += length - (at + self._demand.clock.offset - EPOCH) % length
        while at <= end:
            value = self._demand.last(at)
            if value > self._greatest:
                self._greatest, self._at = value, at
            at += length
        self._seen = max(self._seen, now)

    def read_value(self, now: datetime) -> Data:
        """Attribute 2."""
        self.advance(now)
        return u32(self._greatest)

    def read_capture_time(self, now: datetime) -> Data:
        """Attribute 5."""
        self.advance(now)
        return octets(self._demand.clock.stamp(self._at).octets)

    def do_reset(self, parameter: Data, now: datetime) -> None:
        """Method 1: the next greatest counts from now on."""
        self.advance(now)
        self._greatest, self._at = 0, now
