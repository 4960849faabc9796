"""Tariff calendars (class 20) and special days (class 11)."""

from __future__ import annotations

from datetime import datetime

from metergate.wire.dlms.apdu.items import AccessResult
from metergate.wire.dlms.cosem.classes import CALENDAR, SPECIAL_DAYS, Level
from metergate.wire.dlms.cosem.clock import Clock
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, elements, rows
from metergate.wire.dlms.data import Data, array, octets
from metergate.wire.dlms.times import DateTime

PARTS = ("name", "season", "week", "day")


class ActivityCalendar(CosemObject):
    """`0.0.13.0.0.255`: the active calendar, and a passive one that takes its place at a time or when asked."""

    def __init__(self, clock: Clock, name: str = "0-0:13.0.0") -> None:
        empty = {part: octets(b"") if part == "name" else array() for part in PARTS}
        values: dict[str, Data] = {f"{part}_{which}": empty[part] for part in PARTS for which in ("active", "passive")}
        values["activation_time"] = octets(DateTime().octets)
        super().__init__(CALENDAR, name, dict(values), Level.READER)
        self._clock = clock

    def write_activation_time(self, data: Data, now: datetime) -> None:
        """Attribute 10: when the passive calendar counts; a time left open: not by itself."""
        DateTime.parse(data.octets)
        self.values["activation_time"] = data

    def do_activate_passive(self, parameter: Data, now: datetime) -> None:
        """Method 1: the passive calendar counts from now on."""
        for part in PARTS:
            self.values[f"{part}_active"] = self.values[f"{part}_passive"]

    def advance(self, now: datetime) -> None:
        """At its time the passive calendar takes over."""
        due = self._clock.instant(self.value("activation_time", now))
        if due is not None and self._clock.shown(now) >= due:
            self.do_activate_passive(array(), now)
            self.values["activation_time"] = octets(DateTime().octets)


class SpecialDays(CosemObject):
    """`0.0.11.0.0.255`: array of structure{index, date, day table}."""

    def __init__(self, name: str = "0-0:11.0.0") -> None:
        super().__init__(SPECIAL_DAYS, name, {"entries": array()}, Level.READER)

    def do_insert(self, parameter: Data, now: datetime) -> None:
        """Method 1: one more day; one of the same index takes its place."""
        index, date, _ = elements(parameter, 3)
        if len(date.octets) != 5:
            raise AccessRefused(AccessResult.TYPE_UNMATCHED)
        self.values["entries"] = array(*self._others(index.number, now), parameter)

    def do_delete(self, parameter: Data, now: datetime) -> None:
        """Method 2: the day of an index."""
        others = self._others(parameter.number, now)
        if len(others) == len(rows(self.value("entries", now))):
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.values["entries"] = array(*others)

    def _others(self, index: int, now: datetime) -> list[Data]:
        return [entry for entry in rows(self.value("entries", now)) if elements(entry, 3)[0].number != index]
