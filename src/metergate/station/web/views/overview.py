"""The overview: what needs a person now."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from metergate.model import Severity, Unit
from metergate.station.archive.models import Building, Collector, Estate, Line, Medium, Register
from metergate.station.archive.queries import Measured, by_medium
from metergate.station.archive.services import new_devices
from metergate.station.collect import history, missing, queries
from metergate.station.collect.models import Event, Presence
from metergate.station.collect.periods import midnight
from metergate.station.collect.series import Bars, add_up, bars
from metergate.station.web import states
from metergate.station.web.cells import cells
from metergate.station.web.context import chosen_estate
from metergate.station.web.parts import part
from metergate.station.web.views.gate import needs

UNITS = {
    Medium.ELECTRICITY: Unit.KWH,
    Medium.COLD_WATER: Unit.M3,
    Medium.HOT_WATER: Unit.M3,
    Medium.GAS: Unit.M3,
    Medium.HEAT: Unit.KWH,
}
"""What the use of a medium is told in."""
DAYS = 30
SLOW_FOR = 60
MOST = 12
"""Problems of a kind that are listed."""


@dataclass(frozen=True, slots=True)
class Spark:
    """A medium's use over a day."""

    medium: Medium
    values: list[float | None]
    total: Decimal | None
    unit: str
    places: int
    label: str


@needs("collect.view_latest")
def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    estate = chosen_estate(request)
    words = {"parts_url": f"{reverse('overview-now')}?estate={estate.code}"} if estate else {}
    return render(request, "web/overview.html", words | (now(estate, timezone.now()) if estate else {}))


@needs("collect.view_latest")
def overview_now(request: HttpRequest) -> HttpResponse:
    """Its live part."""
    estate = chosen_estate(request)
    return part(request, "web/parts/overview_now.html", now(estate, timezone.now()) if estate else {})


def now(estate: Estate, at: datetime) -> dict[str, object]:
    """Everything the live part shows."""
    found = queries.estate_points(estate)
    events = states.dressed(queries.open_events(estate)[:200])
    billing = queries.billing_registers(found)
    late = missing.missing(estate, at)
    gaps, count = missing.dressed(late[:MOST]), late.count()
    midnight_now = midnight(at.astimezone(estate.zone).date(), estate.zone)
    return {
        "estate": estate,
        "now": at,
        "alarms_on_top": [event for event in events if event.severity >= Severity.ALARM],
        "read": queries.read_since(billing, midnight_now),
        "power_now": _power(found),
        "problems": _problems(events, gaps),
        "plan": plan(estate, found, events, at),
        **_waiting(len(events), count),
        **_plant(estate),
        **cache.get_or_set(f"slow:{estate.code}", lambda: _slow(estate, found, billing, at), SLOW_FOR),  # type: ignore[dict-item]
    }


def _slow(estate: Estate, found: list[Measured], billing: list[Register], at: datetime) -> dict[str, object]:
    today = at.astimezone(estate.zone).date()
    days = queries.completeness(billing, today - timedelta(days=DAYS - 1), DAYS, estate, at)
    month = queries.Share(sum(day.present for day in days), sum(day.expected for day in days))
    quarters = queries.quarters(billing, at)
    return {
        "month_percent": month.percent,
        "day_percents": [day.percent for day in days],
        "ring_label": _("Completeness of 30 days"),
        "days_label": _("Completeness of each of the last 30 days"),
        "quarter_cells": cells(quarters, at, estate.zone),
        "strip_label": _("Answers in each quarter of an hour of the last 24 hours"),
        "sparks": [_spark(medium, mine, at) for medium, mine in by_medium(found)],
    }


def _spark(medium: Medium, mine: list[Measured], at: datetime) -> Spark:
    end = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
    edges = [end - timedelta(minutes=30 * i) for i in range(48, -1, -1)]
    parts = _parts(mine, UNITS[medium], edges)
    if not parts:
        return Spark(medium, [], None, UNITS[medium].value, 1, "")
    whole = add_up(parts, min(each.scaler for each in parts))
    values = [float(a) if q else None for a, q in zip(whole.amounts, whole.quality, strict=True)]
    label = _("%(medium)s, last 24 hours") % {"medium": medium.label}
    return Spark(medium, values, whole.total, UNITS[medium].value, 1, label)


def _parts(mine: list[Measured], unit: Unit, edges: list[datetime]) -> list[Bars]:
    """The bars of every service point that counts for the estate, all in `unit`; check meters would count twice."""
    factors = {
        each.billing.pk: factor * (each.installation.factor if each.installation else 1)
        for each in mine
        if each.point.role == "sub" and each.billing and (factor := _factor(each.billing.unit, unit)) is not None
    }
    registers = [each.billing for each in mine if each.billing and each.billing.pk in factors]
    series = history.load(registers, edges[0], edges[-1])
    return [bars(each, edges).times(factors[register]) for register, each in series.items()]


def _factor(text: str, unit: Unit) -> Decimal | None:
    """From a register's unit into `unit`; None where it measures something else."""
    try:
        return Unit(text).into(unit)
    except ValueError:
        return None


def _power(found: list[Measured]) -> Decimal | None:
    """The sum of all powers, in kW."""
    kilowatts = [
        each.power.latest.value * factor * (each.installation.factor if each.installation else 1)
        for each in found
        if each.point.medium == Medium.ELECTRICITY
        and each.point.role == "sub"
        and each.power is not None
        and hasattr(each.power, "latest")
        and each.power.latest.value is not None
        and (factor := _factor(each.power.unit, Unit.KW)) is not None
    ]
    return sum(kilowatts, Decimal(0)) if kilowatts else None


def _waiting(events: int, gaps: int) -> dict[str, object]:
    fresh = len(new_devices())
    rows = [
        (events, ngettext("open event", "open events", events), "events"),
        (gaps, ngettext("meter missing", "meters missing", gaps), "missing"),
        (fresh, ngettext("new device", "new devices", fresh), "new-devices"),
    ]
    return {"waiting": rows, "waiting_total": events + gaps + fresh}


def _plant(estate: Estate) -> dict[str, object]:
    codes = set(Line.objects.filter(estate=estate).values_list("code", flat=True))
    codes |= set(Collector.objects.filter(line__estate=estate).values_list("code", flat=True))
    kinds = (Presence.Kind.LINE, Presence.Kind.COLLECTOR)
    down = set(
        Presence.objects.filter(kind__in=kinds, code__in=codes)
        .exclude(state__in=(Presence.State.OK, Presence.State.LATE))
        .values_list("code", flat=True)
    )
    return {"plant": queries.Share(len(codes - down), len(codes)), "plant_label": _("Lines and collectors that answer")}


def _problems(events: list[Event], gaps: list[missing.Missing]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {
            "level": states.level(event.severity),
            "title": states.title(event.code),
            "where": event.room.number if event.room else event.source,
            "time": event.time,
            "url": f"{reverse('events')}#{event.pk}",
            "action": _("Acknowledge"),
        }
        for event in events[:MOST]
    ]
    rows += [
        {
            "level": "stale",
            "title": _("Meter does not answer"),
            "where": f"{gap.room.number} · {gap.point.get_medium_display()} · {gap.cause}",
            "time": gap.last,
            "url": f"{reverse('room', args=[gap.room.code])}?sp={gap.point.code}",
            "action": _("Look"),
        }
        for gap in gaps
    ]
    return rows


def plan(estate: Estate, found: list[Measured], events: list[Event], at: datetime) -> list[dict[str, object]]:
    """The estate as a grid of rooms, by building."""
    by_room = defaultdict(list)
    for each in found:
        by_room[each.point.room_id].append(each)
    troubles = queries.places(events)
    buildings = Building.objects.filter(estate=estate).prefetch_related("staircases__floors__rooms")
    return [
        {
            "row": building,
            "rooms": [
                states.room_state(room, by_room[room.pk], troubles.get(room.pk, []), at)
                for staircase in building.staircases.all()
                for floor in staircase.floors.all()
                for room in floor.rooms.all()
            ],
        }
        for building in buildings
    ]
