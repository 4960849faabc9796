"""Alarms and events."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from metergate.model import Severity
from metergate.station.collect import services
from metergate.station.collect.models import Event
from metergate.station.staff.models import Operator
from metergate.station.web import states
from metergate.station.web.parts import part
from metergate.station.web.tables import csv_answer
from metergate.station.web.views.gate import needs


@needs("collect.view_event")
def events(request: HttpRequest) -> HttpResponse:
    """What is open, or everything; as CSV too."""
    everything = bool(request.GET.get("all"))
    rows = Event.objects.select_related("room", "acknowledged_by")
    if not everything:
        rows = rows.filter(acknowledged_at=None).order_by("-severity", "-time")
    if request.GET.get("format") == "csv":
        head: list[list[object]] = [["time", "severity", "code", "source", "room", "acknowledged"]]
        return csv_answer("events", head + [_csv(row) for row in rows])
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    page.object_list = states.dressed(page.object_list)
    return render(request, "web/events.html", {"page": page, "all": everything})


def _csv(row: Event) -> list[object]:
    done = row.acknowledged_at.isoformat() if row.acknowledged_at else ""
    return [row.time.isoformat(), row.get_severity_display(), row.code, row.source, row.room or "", done]


@require_POST
@needs("collect.change_event")
def acknowledge(request: HttpRequest, pk: str) -> HttpResponse:
    """Take notice of an event."""
    assert isinstance(request.user, Operator)
    services.acknowledge(get_object_or_404(Event, pk=pk), request.user)
    return redirect("events")


@needs("collect.view_event")
def alarm_lamp(request: HttpRequest) -> HttpResponse:
    """How many alarms are open."""
    count = Event.objects.filter(acknowledged_at=None, severity__gte=Severity.FAULT).count()
    return part(request, "web/parts/alarm_lamp.html", {"alarms": count})
