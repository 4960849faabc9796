"""The household's own display, for a phone."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from metergate.station.archive.models import Medium, Room, ServicePoint
from metergate.station.archive.queries import measured
from metergate.station.collect import history
from metergate.station.collect.periods import period
from metergate.station.collect.series import bars
from metergate.station.staff.models import Operator
from metergate.station.web.cards import Card, cards, used
from metergate.station.web.parts import part

LIGHTS = ((500, "low"), (2000, "middle"))


@login_required
def display(request: HttpRequest, code: str) -> HttpResponse:
    """The page."""
    words = _words(_own_room(request, code), timezone.now())
    return render(request, "web/display.html", words | {"parts_url": reverse("display-part", args=[code])})


@login_required
def display_part(request: HttpRequest, code: str) -> HttpResponse:
    """Its live part."""
    return part(request, "web/parts/display.html", _words(_own_room(request, code), timezone.now()))


def _own_room(request: HttpRequest, code: str) -> Room:
    room: Room = get_object_or_404(Room.objects.select_related("floor__staircase__building__estate"), code=code)
    user = request.user
    assert isinstance(user, Operator)
    if user.room_id != room.pk and not user.has_perm("archive.view_room"):
        raise PermissionDenied
    return room


def _words(room: Room, now: datetime) -> dict[str, object]:
    estate = room.floor.staircase.building.estate
    found = measured(ServicePoint.objects.filter(room=room))
    shown = cards(found, estate, now)
    electricity = next((card for card in shown if card.point.medium == Medium.ELECTRICITY), None)
    words: dict[str, object] = {"room": room, "now": now, "others": [card for card in shown if card is not electricity]}
    if electricity is None:
        return words
    day = period("day", now.astimezone(estate.zone).date(), estate.zone)
    month = period("month", day.first, estate.zone)
    last = used([electricity.measured], [month.before])[electricity.point.pk, "month"]
    return words | {
        "electricity": electricity,
        "hours": _hours(electricity, day.start, day.hours),
        "hours_label": _("Use of each hour today"),
        "last_month": last,
        **_light(electricity),
    }


def _hours(card: Card, start: datetime, count: int) -> list[float | None]:
    register = card.measured.billing
    assert register is not None
    edges = [start + timedelta(hours=i) for i in range(count + 1)]
    found = bars(history.load([register], edges[0], edges[-1])[register.pk], edges)
    return [float(a) if q else None for a, q in zip(found.amounts, found.quality, strict=True)]


def _light(card: Card) -> dict[str, object]:
    value = card.now.latest.value if hasattr(card.now, "latest") else None
    if value is None or card.now.unit != "W":
        return {"light": "unknown", "light_words": ""}
    names = {"low": _("low"), "middle": _("normal"), "high": _("high")}
    name = next((name for limit, name in LIGHTS if value < Decimal(limit)), "high")
    return {"light": name, "light_words": names[name]}
