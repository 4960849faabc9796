"""The state of a room for the eye: what its lamp shows, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from metergate.model import Severity
from metergate.station.archive.models import Room
from metergate.station.archive.queries import Measured
from metergate.station.collect.models import Event
from metergate.station.web import numbers

TITLES = {
    "GATEWAY_DOWN": _("Gateway does not answer"),
    "LINE_DOWN": _("Line does not answer"),
    "COLLECTOR_DOWN": _("Collector does not answer"),
    "METER_DOWN": _("Meter does not answer"),
    "METER_SILENT": _("Meter does not answer"),
    "METER_NO_ANSWER": _("Meter does not answer"),
    "NEW_DEVICE": _("New device on the bus"),
    "BUFFER_OVERRUN": _("Readings were lost: a buffer ran over"),
    "CLOCK_SET": _("Clock was set"),
    "POWER_FAIL": _("Power failed"),
    "GAS_ALARM": _("Gas alarm"),
    "COVER_OPEN": _("Cover was opened"),
}


def title(code: str) -> str:
    """An event's code in words."""
    return TITLES.get(code) or code.replace("_", " ").capitalize()


def level(severity: int) -> str:
    """The lamp of a severity."""
    if severity >= Severity.ALARM:
        return "alarm"
    return "fault" if severity >= Severity.FAULT else "stale" if severity >= Severity.WARNING else "ok"


@dataclass(frozen=True, slots=True)
class RoomState:
    """A room as a cell of a plan."""

    code: str
    number: str
    state: str
    words: str


def room_state(room: Room, found: Sequence[Measured], events: Sequence[Event], now: datetime) -> RoomState:
    """The worst of what is known of a room."""
    gravest = max((event.severity for event in events), default=0)
    if gravest >= Severity.FAULT:
        worst = max(events, key=lambda event: event.severity)
        return RoomState(room.code, room.number, level(gravest), title(worst.code))
    metered = [each for each in found if each.billing]
    if not metered:
        return RoomState(room.code, room.number, "none", _("no meter"))
    ages = [freshness(each, now) for each in metered]
    bad = sum(age in {"stale", "absent"} for age in ages)
    if bad:
        return RoomState(room.code, room.number, "stale", _("%(n)d of %(m)d stale") % {"n": bad, "m": len(ages)})
    return RoomState(room.code, room.number, "ok", _("answers"))


def freshness(each: Measured, now: datetime) -> str:
    """How old the newest value of a service point is."""
    at = [r.latest.meter_time for r in (each.billing, each.power) if r is not None and hasattr(r, "latest")]
    return numbers.freshness(max(at, default=None), each.billing.period_s if each.billing else 900, now)


def dressed(events: Iterable[Event]) -> list[Event]:
    """Events with their words for the page: `title`, `level`, `where`."""
    rows = list(events)
    for event in rows:
        event.title = title(event.code)  # type: ignore[attr-defined]
        event.level = level(event.severity)  # type: ignore[attr-defined]
        event.where = event.room.number if event.room else event.source  # type: ignore[attr-defined]
    return rows
