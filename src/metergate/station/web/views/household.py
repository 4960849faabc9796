"""The page of a room: media, load profile, registers, meter, history."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from metergate.station.archive.models import Room, ServicePoint
from metergate.station.archive.queries import Measured, channel_of, measured, occupants
from metergate.station.collect.models import Event, Trace
from metergate.station.collect.periods import Period, period
from metergate.station.web import numbers, states
from metergate.station.web.cards import cards
from metergate.station.web.profile import Profile, asked, csv_rows, power, profile
from metergate.station.web.tables.export import csv_answer
from metergate.station.web.templatetags.metergate import QUALITY_MARKS
from metergate.station.web.views.gate import needs

FORMS = {"day": "j M Y", "week": "j M Y", "month": "F Y", "year": "Y"}
BAR_FORMS = {"day": "H:i", "week": "D H:i", "month": "D j M", "year": "M Y"}


@needs("archive.view_room")
def room(request: HttpRequest, code: str) -> HttpResponse:
    """The page."""
    row = get_object_or_404(Room.objects.with_facts().select_related("floor__staircase__building__estate"), code=code)
    now = timezone.now()
    building = row.floor.staircase.building
    found = measured(ServicePoint.objects.filter(room=row))
    shown = cards(found, building.estate, now)
    words: dict[str, Any] = {
        "room": row,
        "building": building,
        "estate": building.estate,
        "occupant": occupants([row.pk]).get(row.pk),
        "cards": shown,
        "events": states.dressed(Event.objects.filter(room=row).select_related("room")[:20]),
        "now": now,
    }
    if shown:
        code = request.GET.get("sp", "")
        chosen = next((card.measured for card in shown if card.point.code == code), shown[0].measured)
        words |= _chart(request, chosen, now) | _meter(chosen)
    return render(request, "web/room.html", words)


def _chart(request: HttpRequest, chosen: Measured, now: datetime) -> dict[str, object]:
    over = _period(request, chosen.point, now)
    found = profile(chosen, over)
    query = urlencode({"span": over.span, "day": over.first.isoformat()})
    url = reverse("profile-data", args=[chosen.point.code])
    label = period_label(over)
    return {
        "chosen": {"point": chosen.point, "registers": [_labelled(row) for row in chosen.registers]},
        "period": over,
        "before": over.before,
        "after": over.after,
        "period_label": label,
        "odd_hours": over.span == "day" and over.hours != 24,
        "spans": (("day", _("Day")), ("week", _("Week")), ("month", _("Month")), ("year", _("Year"))),
        "data_url": f"{url}?{query}",
        "csv_url": f"{url}?{query}&format=csv",
        "unit": found.shown_unit,
        "chart_label": _chart_label(found, label),
        "table": _table(found, now),
    }


def _chart_label(found: Profile, label: str) -> str:
    total = None if found.bars.total is None else found.bars.total * found.factor
    text, unit = numbers.shown(total, found.unit)
    return _("%(medium)s, %(when)s: %(total)s %(unit)s") % {
        "medium": found.measured.point.get_medium_display(),
        "when": label,
        "total": text,
        "unit": unit,
    }


def _labelled(register: Any) -> dict[str, object]:
    return {"row": register, "label": register.name or register.get_kind_display()}


def _table(found: Profile, now: datetime) -> list[dict[str, object]]:
    rows = []
    for place, amount in enumerate(found.amounts()):
        if found.bars.edges[place] >= now:
            break
        sure = int(found.bars.quality[place])
        rows.append(
            {
                "start": found.bars.edges[place],
                "form": BAR_FORMS[found.period.span],
                "amount": amount,
                "unit": found.unit,
                "places": 3,
                "words": _("no value") if not sure else QUALITY_MARKS.get(sure, ("", "", _("good")))[2],  # type: ignore[call-overload]
            }
        )
    return rows


def period_label(over: Period) -> str:
    """The period in words."""
    if over.span == "week":
        return _("Week %(n)s · from %(day)s") % {
            "n": over.first.isocalendar().week,
            "day": date_format(over.first, FORMS["week"]),
        }
    form = "D j M Y" if over.span == "day" else FORMS[over.span]
    return date_format(over.first, form)


def _meter(chosen: Measured) -> dict[str, object]:
    meter = chosen.meter
    if meter is None:
        return {"meter": None}
    channel = channel_of(meter)
    trace = Trace.objects.filter(line=channel.line.code, text__contains=meter.identity).first() if channel else None
    words: dict[str, object] = {"meter": meter, "channel": channel, "installation": chosen.installation}
    if trace is not None:
        query = urlencode({"hex": bytes(trace.data).hex(), "protocol": trace.protocol})
        words |= {"last_trace": trace, "last_trace_url": f"{reverse('telegram')}?{query}"}
    return words


def _period(request: HttpRequest, point: ServicePoint, now: datetime) -> Period:
    zone = point.room.floor.staircase.building.estate.zone
    span, day = asked(request.GET.get("span", ""), request.GET.get("day", ""), now.astimezone(zone).date())
    return period(span, day, zone)


@needs("archive.view_room")
def profile_data(request: HttpRequest, code: str) -> HttpResponse:
    """The load profile of a service point as JSON for the chart, or as CSV."""
    found = measured(ServicePoint.objects.filter(code=code))
    if not found or found[0].billing is None:
        raise Http404
    now = timezone.now()
    over = _period(request, found[0].point, now)
    main = profile(found[0], over)
    if request.GET.get("format") == "csv":
        return csv_answer(f"{code}-{over.first}-{over.span}", csv_rows(main, now))
    words: dict[str, object] = {
        **main.json(),
        "unit": main.shown_unit,
        "zone": str(over.zone),
        "span": over.span,
        "now": int(now.timestamp()),
        "power": power(found[0], over),
        "before": profile(found[0], over.before).json()["y"] if "compare" in request.GET else None,
    }
    return JsonResponse(words)
