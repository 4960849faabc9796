"""All registers with their newest values; the missing list; new devices; search."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from metergate.station.archive import services
from metergate.station.archive.models import Installation, Medium, Meter, Register, Room, ServicePoint
from metergate.station.archive.queries import occupants
from metergate.station.collect import queries
from metergate.station.web import numbers
from metergate.station.web.context import chosen_estate
from metergate.station.web.tables import csv_answer
from metergate.station.web.templatetags.metergate import with_query
from metergate.station.web.views.gate import needs

PAGE = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A register, and where its meter hangs now."""

    register: Register
    point: ServicePoint | None
    state: str

    @property
    def room(self) -> Room | None:
        """The room."""
        return self.point.room if self.point else None

    @property
    def at(self) -> datetime | None:
        """When the newest value was true."""
        return self.register.latest.meter_time if hasattr(self.register, "latest") else None


SORTS: dict[str, Callable[[Row], Any]] = {
    "room": lambda row: (row.point is None, row.point.code if row.point else ""),
    "meter": lambda row: row.register.meter.serial,
    "register": lambda row: row.register.obis,
    "value": lambda row: (row.register.latest.value or 0) if hasattr(row.register, "latest") else -1,
    "read": lambda row: row.at.timestamp() if row.at else 0,
}


@needs("collect.view_latest")
def readings(request: HttpRequest) -> HttpResponse:
    """The page, or its rows as CSV."""
    now = timezone.now()
    chosen = {name: request.GET.get(name, "") for name in ("text", "medium", "state")}
    sort = request.GET.get("sort", "room")
    rows = _sorted(_filtered(_rows(chosen["text"], chosen["medium"], now), chosen["state"]), sort)
    if request.GET.get("format") == "csv":
        return csv_answer("readings", _csv(rows))
    estate = chosen_estate(request)
    words = {
        **chosen,
        "sort": sort,
        "filtered": any(chosen.values()),
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "media": Medium.choices,
        "states": (("live", _("fresh")), ("aged", _("late")), ("stale", _("stale")), ("absent", _("never read"))),
        "heads": (
            ("room", _("Room"), ""),
            ("meter", _("Meter"), ""),
            ("register", _("Register"), ""),
            ("value", _("Value"), "n"),
            ("read", _("Read"), ""),
        ),
        "csv_url": with_query({"request": request}, format="csv"),  # type: ignore[arg-type]
        "missing_count": len(queries.missing(queries.estate_points(estate), now)) if estate else 0,
        "now": now,
    }
    return render(request, "web/readings.html", words)


def _rows(text: str, medium: str, now: datetime) -> list[Row]:
    registers = Register.objects.select_related("meter", "latest")
    if medium:
        registers = registers.filter(meter__medium=medium)
    if text:
        found = Q(meter__serial__icontains=text) | Q(obis__icontains=text) | Q(name__icontains=text)
        places = Installation.objects.current().filter(service_point__room__number__icontains=text).values("meter")
        registers = registers.filter(found | Q(meter__in=places))
    places = Installation.objects.current().select_related("service_point__room")
    points = {row.meter_id: row.service_point for row in places}
    return [Row(each, points.get(each.meter_id), _state(each, now)) for each in registers]


def _state(register: Register, now: datetime) -> str:
    at = register.latest.meter_time if hasattr(register, "latest") else None
    return numbers.freshness(at, register.period_s, now)


def _filtered(rows: list[Row], state: str) -> list[Row]:
    return [row for row in rows if row.state == state] if state else rows


def _sorted(rows: list[Row], sort: str) -> list[Row]:
    key = SORTS.get(sort.lstrip("-"), SORTS["room"])
    return sorted(rows, key=key, reverse=sort.startswith("-"))


def _csv(rows: Iterable[Row]) -> Iterable[list[object]]:
    yield ["room", "service_point", "meter", "obis", "register", "value", "unit", "quality", "time"]
    for row in rows:
        value = row.register.latest if hasattr(row.register, "latest") else None
        yield [
            row.room.number if row.room else "",
            row.point.code if row.point else "",
            row.register.meter.serial,
            row.register.obis,
            row.register.name,
            value.value if value else "",
            row.register.unit,
            value.quality if value else "",
            value.meter_time.isoformat() if value else "",
        ]


@needs("collect.view_latest")
def missing(request: HttpRequest) -> HttpResponse:
    """Meters without a recent reading, with the cause; as CSV too."""
    estate = chosen_estate(request)
    gaps = queries.missing(queries.estate_points(estate), timezone.now()) if estate else []
    if request.GET.get("format") == "csv":
        head: list[list[object]] = [["room", "service_point", "meter", "cause", "last"]]
        return csv_answer("missing", head + [_gap(gap) for gap in gaps])
    return render(request, "web/missing.html", {"gaps": gaps})


def _gap(gap: queries.Missing) -> list[object]:
    meter = gap.measured.meter
    last = gap.last.isoformat() if gap.last else ""
    return [gap.room.number, gap.measured.point.code, meter.serial if meter else "", gap.cause, last]


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
        room.who = who[room.pk].customer.name if room.pk in who else ""  # type: ignore[attr-defined]
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
