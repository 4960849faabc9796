"""Estate, building, household."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _

from metergate.station.archive.models import Building, Floor, Medium, Room, ServicePoint
from metergate.station.archive.queries import Measured, measured, occupants
from metergate.station.collect import queries
from metergate.station.collect.periods import period
from metergate.station.collect.series import Counted
from metergate.station.web import numbers, states
from metergate.station.web.cards import cards, used
from metergate.station.web.context import chosen_estate
from metergate.station.web.tables.rooms import ROOMS
from metergate.station.web.tables.rooms import rows as rooms
from metergate.station.web.views.gate import needs
from metergate.station.web.views.jobs import actions
from metergate.station.web.views.overview import plan


@dataclass(frozen=True, slots=True)
class Bar:
    """Today's use of a medium in a room, and its share of the highest in the building."""

    medium: Medium
    used: Counted
    share: float | None
    unit: str
    places: int = 1

    @property
    def metered(self) -> bool:
        """Whether a meter of the medium hangs in the room."""
        return bool(self.unit)

    def __str__(self) -> str:
        """In words."""
        number, unit = numbers.shown(self.used.amount, self.unit, self.places)
        lacking = numbers.lacking(self.used, "H:i")
        told = [f"{number} {unit}"] * (self.used.amount is not None) + [lacking] * bool(lacking)
        return f"{self.medium.label}: {' '.join(told)}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A room in the section drawing."""

    room: Room
    state: str
    words: str
    bars: list[Bar]
    occupant: str

    @property
    def told(self) -> str:
        """The state, and what was used today, in words."""
        return " · ".join([self.words, *(str(bar) for bar in self.bars if bar.metered)])


@needs("archive.view_room")
def estate(request: HttpRequest) -> HttpResponse:
    """The buildings of the chosen estate, or its rooms as a list."""
    chosen = chosen_estate(request)
    if chosen and request.GET.get("view") == "list":
        shown = ROOMS.show(request, rooms(chosen))
        words = {"kept": [("view", "list")], "estate": chosen, "actions": actions(request, "rooms")}
        return shown.answer or render(request, "web/estate_list.html", shown.words() | words)
    now = timezone.now()
    buildings = plan(chosen, queries.estate_points(chosen), list(queries.open_events(chosen)), now) if chosen else []
    return render(request, "web/estate.html", {"estate": chosen, "buildings": buildings})


@needs("archive.view_room")
def building(request: HttpRequest, code: str) -> HttpResponse:
    """The section drawing of a building, or the same as a list."""
    row = get_object_or_404(Building.objects.select_related("estate"), code=code)
    found = measured(ServicePoint.objects.filter(room__floor__staircase__building=row))
    media = [medium for medium in Medium if any(each.point.medium == medium for each in found)]
    floors = _floors(row, found, media, timezone.now())
    words = {
        "building": row,
        "as_list": request.GET.get("view") == "list",
        "media": media,
        "floors": floors,
        "partial": any(bar.used.partial for floor in floors for cell in floor["cells"] for bar in cell.bars),
    }
    return render(request, "web/building.html", words)


def _floors(row: Building, found: list[Measured], media: list[Medium], now: datetime) -> list[dict[str, Any]]:
    by_room: dict[str, list[Measured]] = defaultdict(list)
    for each in found:
        by_room[each.point.room_id].append(each)
    today = used(found, [period("day", now.astimezone(row.estate.zone).date(), row.estate.zone)])
    amounts = {point: amount for (point, _span), amount in today.items()}
    highest = _highest(found, amounts)
    troubles = queries.places(queries.open_events(row.estate))
    floors = Floor.objects.filter(staircase__building=row).prefetch_related("rooms").select_related("staircase")
    lived = occupants([room.pk for floor in floors for room in floor.rooms.all()])
    levels: dict[int, list[Cell]] = defaultdict(list)
    for floor in sorted(floors, key=lambda one: one.staircase.number):
        for room in floor.rooms.all():
            mine = by_room[room.pk]
            state = states.room_state(room, mine, troubles.get(room.pk, []), now)
            bars = [_bar(medium, mine, amounts, highest) for medium in media]
            name = lived[room.pk].customer.name if room.pk in lived else ""
            levels[floor.number].append(Cell(room, state.state, state.words, bars, name))
    return [{"label": storey(number), "cells": levels[number]} for number in sorted(levels, reverse=True)]


def storey(number: int) -> str:
    """A floor's number as people say it."""
    return _("G") if number == 0 else str(number)


def _highest(found: list[Measured], amounts: dict[str, Counted]) -> dict[str, Decimal]:
    best: dict[str, Decimal] = defaultdict(Decimal)
    for each in found:
        if each.point.role == "sub":
            best[each.point.medium] = max(best[each.point.medium], amounts[each.point.pk].amount or Decimal(0))
    return best


def _bar(medium: Medium, mine: list[Measured], amounts: dict[str, Counted], highest: dict[str, Decimal]) -> Bar:
    here = [each for each in mine if each.point.medium == medium]
    unit = next((each.billing.unit for each in here if each.billing), "")
    used = _sum([amounts[each.point.pk] for each in here])
    if used.amount is None:
        return Bar(medium, used, None, unit)
    return Bar(medium, used, float(used.amount / highest[medium]) if highest[medium] else 0.0, unit)


def _sum(parts: list[Counted]) -> Counted:
    """Of what is known; it counts since all of that does."""
    known = [part for part in parts if part.amount is not None] or parts
    amounts = [part.amount for part in known if part.amount is not None]
    since = max((part.since for part in known if part.since), default=None)
    return Counted(sum(amounts, Decimal(0)) if amounts else None, since)


@needs("archive.view_room")
def room_side(request: HttpRequest, code: str) -> HttpResponse:
    """A household at the side of the plan."""
    row = get_object_or_404(Room.objects.select_related("floor__staircase__building__estate"), code=code)
    found = measured(ServicePoint.objects.filter(room=row))
    now = timezone.now()
    words = {
        "room": row,
        "now": now,
        "occupant": occupants([row.pk]).get(row.pk),
        "cards": cards(found, row.floor.staircase.building.estate, now),
        "events": states.dressed(queries.open_events().filter(room=row)[:5]),
    }
    return render(request, "web/parts/room_side.html", words)
