"""Lines and collectors: who answers how well, and what is on the wire."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from metergate.station.archive.models import Collector, Gateway, Line, Register
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
Presences = dict[tuple[str, str], Presence]


@needs("archive.view_line")
def lines(request: HttpRequest) -> HttpResponse:
    """The topology with the last 24 hours."""
    now = timezone.now()
    seen = {(row.kind, row.code): row for row in Presence.objects.all()}
    registers = registers_by_line()
    day_ago = now - timedelta(days=1)
    quarters = list(Quarter.objects.filter(start__gte=day_ago))
    rows = Line.objects.select_related("estate", "gateway").prefetch_related("collectors")
    words = {
        "gateways": _gateways(seen),
        "lines": [_line(row, registers, seen, quarters, now) for row in rows],
    }
    return render(request, "web/lines.html", words)


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


def _line(
    row: Line, registers: dict[str, list[Register]], seen: Presences, quarters: list[Quarter], now: datetime
) -> dict[str, object]:
    mine = registers.get(row.code, [])
    errors: Counter[str] = Counter()
    for quarter in quarters:
        if quarter.kind == Presence.Kind.LINE and quarter.code == row.code:
            errors.update(quarter.errors)
    return {
        "row": row,
        "meters": len({register.meter_id for register in mine}),
        "errors": errors.most_common(6),
        "collectors": [_collector(each, row, registers, seen, now) for each in row.collectors.all()],
        **_lamp(seen.get(("line", row.code))),
        **_strip(row.code, mine, row, now),
    }


def _collector(
    row: Collector, line: Line, registers: dict[str, list[Register]], seen: Presences, now: datetime
) -> dict[str, object]:
    strip = _strip(row.code, registers.get(row.code, []), line, now)
    return {"row": row, **_lamp(seen.get(("collector", row.code))), **strip}


def _strip(code: str, registers: list[Register], line: Line, now: datetime) -> dict[str, object]:
    grid = [register for register in registers if register.billing]
    shares = queries.quarters(grid, now)
    whole = queries.Share(sum(s.present for s in shares), sum(s.expected for s in shares))
    label = _("%(code)s: %(percent)s of the last 24 hours") % {
        "code": code,
        "percent": "–" if whole.percent is None else f"{whole.percent:.1f} %",
    }
    return {"cells": cells(shares, now, line.estate.zone), "percent": whole.percent, "label": label}


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
