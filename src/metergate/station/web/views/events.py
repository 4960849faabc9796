"""Alarms and events."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from metergate.model import Severity
from metergate.station.collect import services
from metergate.station.collect.models import Event
from metergate.station.staff.models import Operator
from metergate.station.web.parts import part
from metergate.station.web.tables import Rows, picked
from metergate.station.web.tables.events import EVENTS, table
from metergate.station.web.views.gate import needs


@needs("collect.view_event")
def events(request: HttpRequest) -> HttpResponse:
    """What is open, or everything; as a file too."""
    everything = bool(request.GET.get("all"))
    may = request.user.has_perm("collect.change_event")
    shown = table(may).show(request, _rows(everything))
    if answer := shown.answer:
        return answer
    actions = [(reverse("acknowledge-many"), _("Acknowledge"))] if may else []
    words = {"all": everything, "kept": [("all", "1")] if everything else [], "actions": actions}
    return render(request, "web/events.html", shown.words() | words)


def _rows(everything: bool) -> Rows:
    rows = Event.objects.select_related("room", "acknowledged_by")
    return rows if everything else rows.filter(acknowledged_at=None)


@require_POST
@needs("collect.change_event")
def acknowledge(request: HttpRequest, pk: str) -> HttpResponse:
    """Take notice of an event."""
    assert isinstance(request.user, Operator)
    services.acknowledge(get_object_or_404(Event, pk=pk), request.user)
    return redirect("events")


@require_POST
@needs("collect.change_event")
def acknowledge_many(request: HttpRequest) -> HttpResponse:
    """Take notice of the selected events."""
    assert isinstance(request.user, Operator)
    count = services.acknowledge_all(picked(request, EVENTS, _rows(False)), request.user)
    messages.success(request, ngettext("%(n)d event acknowledged.", "%(n)d events acknowledged.", count) % {"n": count})
    return redirect("events")


@needs("collect.view_event")
def alarm_lamp(request: HttpRequest) -> HttpResponse:
    """How many alarms are open."""
    count = Event.objects.filter(acknowledged_at=None, severity__gte=Severity.FAULT).count()
    return part(request, "web/parts/alarm_lamp.html", {"alarms": count})
