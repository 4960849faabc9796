"""Long work: asking for it, looking at it, cancelling it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from metergate.station.archive.models import Building, Installation, Line, Room
from metergate.station.collect.missing import missing
from metergate.station.jobs import reread, services
from metergate.station.jobs.models import Job, Order, Round
from metergate.station.staff.models import Operator
from metergate.station.web.context import chosen_estate
from metergate.station.web.parts import part
from metergate.station.web.tables import Rows, Table, meters, picked, readings, rooms
from metergate.station.web.tables.missing import MISSING
from metergate.station.web.tables.orders import JOBS, LAMPS, ORDERS
from metergate.station.web.views.gate import needs

RECENT = timedelta(seconds=60)
"""Over what the rate is taken."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table whose rows can be ordered to: `key` is what its rows are picked by, `meters` what they stand for."""

    table: Table
    rows: Callable[[HttpRequest], Rows]
    key: str
    meters: Callable[[Rows], Rows]


def _of_meters(rows: Rows) -> Rows:
    return rows.order_by("meter").values_list("meter", flat=True)


def _of_rooms(rows: Rows) -> Rows:
    here = Installation.objects.current().filter(service_point__room__in=rows.order_by().values("pk"))
    return here.order_by("service_point__code").values_list("meter", flat=True)


def _line(request: HttpRequest) -> Rows:
    return meters.rows(get_object_or_404(Line, code=request.GET.get("line", "")))


def _building(request: HttpRequest) -> Rows:
    row = get_object_or_404(Building, code=request.GET.get("building", ""))
    return Room.objects.filter(floor__staircase__building=row)


def _estate(request: HttpRequest) -> Rows:
    return Room.objects.filter(floor__staircase__building__estate=chosen_estate(request))


SOURCES: Mapping[str, Source] = {
    "readings": Source(readings.READINGS, lambda request: readings.rows(), "meter", _of_meters),
    "missing": Source(MISSING, lambda request: missing(chosen_estate(request), timezone.now()), "meter", _of_meters),
    "line": Source(meters.METERS, _line, "meter", _of_meters),
    "rooms": Source(rooms.ROOMS, _estate, "pk", _of_rooms),
    "building": Source(rooms.ROOMS, _building, "pk", _of_rooms),
}


def actions(request: HttpRequest, source: str, **more: str) -> list[tuple[str, str]]:
    """What can be done with rows of a table: address and words; nothing for who may not."""
    if not request.user.has_perm("jobs.add_job"):
        return []
    query = "".join(f"&{name}={value}" for name, value in more.items())
    words = ((Job.Kind.READ_NOW, _("Read now")), (Job.Kind.SET_CLOCK, _("Set clocks")))
    return [(f"{reverse('order', args=[kind])}?of={source}{query}", text) for kind, text in words]


@require_POST
@needs("jobs.add_job")
def order(request: HttpRequest, kind: str) -> HttpResponse:
    """Make a job of the selected rows. What changes a meter wants a reason first."""
    source = SOURCES.get(request.GET.get("of", ""))
    if source is None or kind not in (Job.Kind.READ_NOW, Job.Kind.SET_CLOCK):
        raise Http404
    assert isinstance(request.user, Operator)
    wanted = list(source.meters(picked(request, source.table, source.rows(request), source.key)))
    if not wanted:
        messages.error(request, _("Choose some rows first, or all that are filtered."))
        return redirect(request.headers.get("Referer") or "jobs")
    reason = request.POST.get("reason", "").strip()
    if kind == Job.Kind.SET_CLOCK and not reason:
        return _ask(request, kind, len(set(wanted)))
    title = f"{Job.Kind(kind).label}: {len(set(wanted))}"
    made = services.begin(kind, wanted, title, by=request.user, estate=chosen_estate(request), reason=reason)
    return redirect("job", made.pk)


def _ask(request: HttpRequest, kind: str, count: int) -> HttpResponse:
    kept = [(name, value) for name in ("pick", "all", "query") for value in request.POST.getlist(name)]
    words = {"kept": kept, "count": count, "kind": Job.Kind(kind).label, "asked": "reason" in request.POST}
    return render(request, "web/job_reason.html", words)


@needs("jobs.view_job")
def jobs(request: HttpRequest) -> HttpResponse:
    """All jobs, and the rounds of reading again."""
    shown = JOBS.show(request, Job.objects.select_related("asked_by"))
    if answer := shown.answer:
        return answer
    estate = chosen_estate(request)
    words = {
        "rounds": Round.objects.filter(estate=estate).select_related("job")[:18],
        "next_due": reread.following(estate, timezone.now()) if estate else None,
        "times": ", ".join(f"{at:%H:%M}" for at in reread.TIMES),
        "days": reread.DAYS,
        "most": reread.MOST,
    }
    return render(request, "web/jobs.html", shown.words() | words)


@needs("jobs.view_job")
def job(request: HttpRequest, pk: str) -> HttpResponse:
    """One job with its orders."""
    row = get_object_or_404(Job.objects.select_related("asked_by", "estate"), pk=pk)
    shown = ORDERS.show(request, row.orders.select_related("meter"))
    return shown.answer or render(request, "web/job.html", shown.words() | progress(row, timezone.now()))


@needs("jobs.view_job")
def job_now(request: HttpRequest, pk: str) -> HttpResponse:
    """Its live part."""
    row = get_object_or_404(Job.objects.select_related("asked_by"), pk=pk)
    return part(request, "web/parts/job_now.html", progress(row, timezone.now()))


def progress(row: Job, now: datetime) -> dict[str, object]:
    """How far a job is, how fast, and what came to nothing."""
    ended = row.done + row.failed
    reasons = row.orders.filter(state=Order.State.FAILED).order_by().values("text").annotate(n=Count("pk"))
    rate = _rate(row, now)
    left = row.whole - ended if row.ended is None else 0
    return {
        "job": row,
        "lamp_state": LAMPS[row.state],
        "ended_count": ended,
        "percent": 100 * ended // row.whole if row.whole else 100,
        "rate": rate,
        "time_left": _span(timedelta(seconds=int(left / rate * 60))) if rate and left else "",
        "took": _span((row.ended or now) - row.started) if row.started else "",
        "reasons": reasons.order_by("-n", "text")[:10],
    }


def _rate(row: Job, now: datetime) -> Decimal | None:
    """Orders a minute: of the last minute, or over the whole of a job that is over."""
    if row.started is None:
        return None
    since = row.started if row.ended else max(row.started, now - RECENT)
    span = Decimal(max(1, int(((row.ended or now) - since).total_seconds())))
    count = row.orders.filter(ended__gte=since, sent__isnull=False).count()
    return Decimal(count) * 60 / span


def _span(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


@require_POST
@needs("jobs.change_job")
def cancel(request: HttpRequest, pk: str) -> HttpResponse:
    """Send nothing more of a job."""
    row = get_object_or_404(Job, pk=pk)
    services.cancel(row)
    return redirect("job", row.pk)


@require_POST
@needs("jobs.add_job")
def again(request: HttpRequest, pk: str) -> HttpResponse:
    """A new job of what failed."""
    row = get_object_or_404(Job, pk=pk)
    assert isinstance(request.user, Operator)
    wanted, spans = services.failed(row)
    kind = Job.Kind.SET_CLOCK if row.kind == Job.Kind.SET_CLOCK else Job.Kind.READ_NOW
    title = f"{Job.Kind(kind).label}: {len(wanted)}"
    made = services.begin(kind, wanted, title, by=request.user, estate=row.estate, reason=row.reason, spans=spans)
    return redirect("job", made.pk)
