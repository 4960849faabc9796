"""Lines and collectors: who answers how well, and what is on the wire."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache

from django.core.cache import cache as kept
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from metergate.station.archive.models import Gateway, Line, Register
from metergate.station.archive.queries import registers_by_line
from metergate.station.collect import queries, services
from metergate.station.collect.models import Intake, Presence, Quarter, Trace
from metergate.station.web.cells import cells
from metergate.station.web.parts import part
from metergate.station.web.tables.meters import METERS
from metergate.station.web.tables.meters import rows as meters
from metergate.station.web.views.gate import needs
from metergate.station.web.views.jobs import actions

LAMPS = {"ok": "ok", "late": "ok", "suspect": "stale", "down": "fault", "unreachable": "stale"}
STRIPS_FOR = 15
"""Seconds that the strips of a line are kept."""
Presences = dict[tuple[str, str], Presence]
Strips = dict[str, dict[str, object]]


@needs("archive.view_line")
def lines(request: HttpRequest) -> HttpResponse:
    """The topology with the last 24 hours."""
    return render(request, "web/lines.html", _now(timezone.now()))


@needs("archive.view_line")
def lines_now(request: HttpRequest) -> HttpResponse:
    """Its live part."""
    return part(request, "web/parts/lines_now.html", _now(timezone.now()))


def _now(now: datetime) -> dict[str, object]:
    """Everything the live part shows."""
    seen = {(row.kind, row.code): row for row in Presence.objects.all()}
    errors = _errors(now)
    registers = cache(registers_by_line)
    rows = Line.objects.select_related("estate", "gateway").prefetch_related("collectors")
    return {
        "gateways": _gateways(seen),
        "lines": [_line(row, errors[row.code], seen, _strips(row, registers, now)) for row in rows],
    }


def _errors(now: datetime) -> defaultdict[str, Counter[str]]:
    """What went wrong on each line in the last 24 hours, by cause."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    quarters = Quarter.objects.filter(kind=Presence.Kind.LINE, start__gte=now - timedelta(days=1))
    for code, errors in quarters.values_list("code", "errors"):
        found[code].update(errors)
    return found


def _gateways(seen: Presences) -> list[dict[str, object]]:
    intakes = {row.gateway: row for row in Intake.objects.all()}
    return [
        {"row": row, "intake": intakes.get(row.name), **_lamp(seen.get(("gateway", row.name)))}
        for row in Gateway.objects.all()
    ]


def _lamp(presence: Presence | None) -> dict[str, object]:
    if presence is None:
        return {"state": "none", "words": _("not heard yet"), "round_ms": None}
    state = LAMPS.get(presence.state, "fault")
    return {"state": state, "words": presence.get_state_display(), "round_ms": presence.round_ms}


def _line(row: Line, errors: Counter[str], seen: Presences, strips: Strips) -> dict[str, object]:
    return {
        "row": row,
        "errors": errors.most_common(6),
        "collectors": [
            {"row": each, **_lamp(seen.get(("collector", each.code))), **strips.get(each.code, {})}
            for each in row.collectors.all()
        ],
        **_lamp(seen.get(("line", row.code))),
        **strips[row.code],
    }


def _strips(row: Line, registers: Callable[[], dict[str, list[Register]]], now: datetime) -> Strips:
    """The last 24 hours of a line and its collectors, by code. They take long to look up, and move by the quarter of
    an hour: they are kept for a while."""

    def make() -> Strips:
        codes = [row.code, *(each.code for each in row.collectors.all())]
        return {code: _strip(code, registers().get(code, []), row, now) for code in codes}

    return kept.get_or_set(f"strips:{row.pk}:{get_language()}", make, STRIPS_FOR) or {}


def _strip(code: str, registers: list[Register], line: Line, now: datetime) -> dict[str, object]:
    grid = [register for register in registers if register.billing]
    shares = queries.quarters(grid, now)
    whole = queries.Share(sum(s.present for s in shares), sum(s.expected for s in shares))
    label = _("%(code)s: %(percent)s of the last 24 hours") % {
        "code": code,
        "percent": "–" if whole.percent is None else f"{whole.percent:.1f} %",
    }
    return {
        "meters": len({register.meter_id for register in registers}),
        "cells": cells(shares, now, line.estate.zone),
        "percent": whole.percent,
        "label": label,
    }


@needs("archive.view_line")
def line(request: HttpRequest, code: str) -> HttpResponse:
    """One line: its live trace and its meters."""
    row = get_object_or_404(Line, code=code)
    shown = METERS.show(request, meters(row))
    if answer := shown.answer:
        return answer
    services.watch_line(code, timezone.now())
    only = request.GET.get("only", "").strip()
    query = f"?{request.GET.urlencode()}" if only else ""
    words = {
        "line": row,
        "only": only,
        "rows": _trace(code, only),
        "trace_url": reverse("trace", args=[code]) + query,
        "kept": [("only", only)] if only else [],
        "actions": actions(request, "line", line=code),
    }
    return render(request, "web/line.html", shown.words() | words)


@needs("archive.view_line")
def trace(request: HttpRequest, code: str) -> HttpResponse:
    """The newest messages on the line; who asks for them watches it."""
    get_object_or_404(Line, code=code)
    services.watch_line(code, timezone.now())
    rows = _trace(code, request.GET.get("only", "").strip())
    return part(request, "web/parts/trace.html", {"rows": rows})


def _trace(code: str, only: str) -> list[Trace]:
    rows = list(Trace.objects.filter(line=code)[:400])
    for row in rows:
        row.hex = bytes(row.data).hex()  # type: ignore[attr-defined]
    wanted = only.lower().replace(" ", "")
    kept = [row for row in rows if not only or wanted in row.hex or only.lower() in row.text.lower()]  # type: ignore[attr-defined]
    return kept[:100]
