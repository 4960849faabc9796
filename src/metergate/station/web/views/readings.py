"""All registers with their newest values; the missing list; new devices; search."""

from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from metergate.station.archive import services
from metergate.station.archive.models import Installation, Meter, Room, ServicePoint
from metergate.station.archive.queries import occupants
from metergate.station.collect.missing import missing as missing_registers
from metergate.station.web.context import chosen_estate
from metergate.station.web.tables.missing import MISSING
from metergate.station.web.tables.readings import READINGS
from metergate.station.web.tables.readings import rows as registers
from metergate.station.web.views.gate import needs
from metergate.station.web.views.jobs import actions


@needs("collect.view_latest")
def readings(request: HttpRequest) -> HttpResponse:
    """All registers with their newest values; as a file too."""
    shown = READINGS.show(request, registers())
    if answer := shown.answer:
        return answer
    estate = chosen_estate(request)
    count = missing_registers(estate, timezone.now()).count()
    return render(
        request, "web/readings.html", shown.words() | {"missing_count": count, "actions": actions(request, "readings")}
    )


@needs("collect.view_latest")
def missing(request: HttpRequest) -> HttpResponse:
    """Meters without a recent reading, with the cause; as a file too."""
    rows = missing_registers(chosen_estate(request), timezone.now())
    shown = MISSING.show(request, rows)
    if answer := shown.answer:
        return answer
    words = shown.words()
    count = rows.count() if words["chips"] else words["page"].paginator.count
    return render(request, "web/missing.html", words | {"missing_count": count, "actions": actions(request, "missing")})


@needs("archive.view_meter")
def new_devices(request: HttpRequest) -> HttpResponse:
    """Meters that were heard and hang nowhere."""
    taken = Installation.objects.current().values("service_point")
    words = {
        "meters": services.new_devices(),
        "free": ServicePoint.objects.exclude(pk__in=taken).order_by("code")[:500],
    }
    return render(request, "web/new_devices.html", words)


@require_POST
@needs("archive.add_installation")
def assign(request: HttpRequest, pk: str) -> HttpResponse:
    """Hang a new device at a service point, from the moment when it was first heard."""
    meter = get_object_or_404(Meter, pk=pk)
    point = get_object_or_404(ServicePoint, code=request.POST.get("point", ""))
    try:
        services.install_meter(meter, point, meter.first_seen or timezone.now(), reason="new device")
    except IntegrityError:
        messages.error(request, _("There was a meter at %(point)s already at that time.") % {"point": point.code})
        return redirect("new-devices")
    messages.success(request, _("%(meter)s now hangs at %(point)s.") % {"meter": meter, "point": point.code})
    return redirect("room", point.room.code)


@needs("archive.view_room")
def search(request: HttpRequest) -> HttpResponse:
    """Rooms by number, code or occupant; meters by serial number."""
    text = request.GET.get("q", "").strip()
    rooms = list(Room.objects.filter(Q(number__icontains=text) | Q(code__icontains=text) | _lived_by(text))[:50])
    meters = list(Meter.objects.filter(Q(serial__icontains=text) | Q(identity__icontains=text))[:50])
    if not text:
        rooms, meters = [], []
    who = occupants([room.pk for room in rooms])
    for room in rooms:
        room.who = who[room.pk].customer.name if room.pk in who else ""
    points = {
        row.meter_id: row.service_point
        for row in Installation.objects.current().filter(meter__in=meters).select_related("service_point__room")
    }
    if len(rooms) == 1 and not meters:
        return redirect("room", rooms[0].code)
    found = [(meter, points.get(meter.pk)) for meter in meters]
    return render(request, "web/search.html", {"search_text": text, "rooms": rooms, "meters": found})


def _lived_by(text: str) -> Q:
    return Q(occupancies__customer__name__icontains=text, occupancies__superseded_at=None, occupancies__valid_to=None)
