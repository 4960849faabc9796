"""Tariff calendars to a meter (classes 20 and 11): written into the passive one, read back, then activated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from metergate.errors import ApplicationError, BadValue, NoAnswer, Refused
from metergate.model.command import Outcome, SetTariffTable, SpecialDay
from metergate.wire.base import Dialogue
from metergate.wire.dlms.apdu import Attribute, Method
from metergate.wire.dlms.client.client import Client
from metergate.wire.dlms.client.meter import CLOCK, Zone
from metergate.wire.dlms.data import Data, array, i8, octets, structure, u8, u16
from metergate.wire.dlms.times import ANY, DateTime

CALENDAR, SPECIAL_DAYS = bytes((0, 0, 13, 0, 0, 255)), bytes((0, 0, 11, 0, 0, 255))
SCRIPTS = bytes((0, 0, 10, 0, 100, 255))
"""The script table whose script n switches to tariff n."""
SEASONS, WEEKS, DAYS, STARTS = 7, 8, 9, 10
"""Attributes of the passive calendar, and when it takes over; the active ones are four less."""
ACTIVATE = 1


@dataclass(frozen=True, slots=True)
class Tables:
    """The attributes of a calendar as the meter holds them."""

    seasons: Data
    weeks: Data
    days: Data
    special: Data

    @classmethod
    def of(cls, order: SetTariffTable) -> Tables:
        """From an order; week n belongs to season n. BadValue for a day table that is named and not given."""
        named = {day for season in order.seasons for day in season.week} | {day.table for day in order.special}
        if not order.days or not order.seasons or not named <= set(range(1, len(order.days) + 1)):
            raise BadValue("a calendar needs seasons, and every day table that they name")
        return cls(
            array(*(_season(at, one.month, one.day) for at, one in enumerate(order.seasons, 1))),
            array(*(structure(_name(at), *map(u8, one.week)) for at, one in enumerate(order.seasons, 1))),
            array(*(_day(at, order) for at in range(1, len(order.days) + 1))),
            array(*(_special(at, one) for at, one in enumerate(order.special, 1))),
        )

    def parts(self, first: int) -> tuple[tuple[Attribute, Data], ...]:
        """Attributes and values of the calendar whose seasons are attribute `first`."""
        return tuple(
            (Attribute(20, CALENDAR, first + at), value)
            for at, value in enumerate((self.seasons, self.weeks, self.days))
        )


def _name(number: int) -> Data:
    return octets(str(number).encode())


def _season(number: int, month: int, day: int) -> Data:
    return structure(_name(number), octets(DateTime(month=month, day=day).octets), _name(number))


def _day(number: int, order: SetTariffTable) -> Data:
    switches = (
        structure(octets(bytes((one.hour, one.minute, 0, 0))), octets(SCRIPTS), u16(one.tariff))
        for one in order.days[number - 1]
    )
    return structure(u8(number), array(*switches))


def _special(number: int, one: SpecialDay) -> Data:
    year = (one.year or 0xFFFF).to_bytes(2, "big")
    return structure(u16(number), octets(year + bytes((one.month, one.day, ANY))), u8(one.table))


def set_tariffs(client: Client, order: SetTariffTable, zone: Zone) -> Dialogue[Outcome]:
    """Write the passive calendar and the special days, read them back, and have them take over.

    REFUSED if the meter takes any of it not (the active calendar then stays as it was), UNSURE if it does not show what
    was written. BadValue for an order that is no calendar; NoAnswer.
    """
    tables = Tables.of(order)
    parts = tables.parts(SEASONS)
    special = Attribute(11, SPECIAL_DAYS, 2)
    try:
        for place, value in parts:
            yield from client.set(place, value)
        if order.special:
            yield from client.set(special, tables.special)
            parts += ((special, tables.special),)
        if not (yield from _shows(client, parts)):
            return Outcome.UNSURE
        return (yield from _take_over(client, tables, order.activate, zone))
    except Refused:
        return Outcome.REFUSED


def _take_over(client: Client, tables: Tables, at: datetime | None, zone: Zone) -> Dialogue[Outcome]:
    """At once (and the active calendar shows it), or at an instant (and the meter shows that)."""
    if at is None:
        try:
            yield from client.act(Method(20, CALENDAR, ACTIVATE), i8(0))
        except NoAnswer:
            yield from client.associate()
        return Outcome.DONE if (yield from _shows(client, tables.parts(SEASONS - 4))) else Outcome.UNSURE
    local = zone.local((yield from client.get(CLOCK)))
    if local is None:
        return Outcome.REFUSED
    start = octets(DateTime.of(at.astimezone(local), inverted=zone.inverted).octets)
    place = Attribute(20, CALENDAR, STARTS)
    yield from client.set(place, start)
    return Outcome.DONE if (yield from _shows(client, ((place, start),))) else Outcome.UNSURE


def _shows(client: Client, parts: tuple[tuple[Attribute, Data], ...]) -> Dialogue[bool]:
    for place, value in parts:
        try:
            told = yield from client.get(place)
        except ApplicationError:
            return False
        if told != value:
            return False
    return True
