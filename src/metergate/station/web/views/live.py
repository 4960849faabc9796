"""Live values: only what changed since the browser last asked."""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse, JsonResponse

from metergate.station.collect.models import Latest
from metergate.station.web import numbers
from metergate.station.web.templatetags.metergate import QUALITY_MARKS
from metergate.station.web.views.gate import needs

MOST = 500


@needs("collect.view_latest")
def live(request: HttpRequest) -> HttpResponse:
    """`?ids=1,2,3&since=<the last answer's "now">`: texts as the page shows them, by register."""
    asked_at = time.time_ns() // 1_000_000
    ids = [int(text) for text in request.GET.get("ids", "").split(",")[:MOST] if text.isdecimal()]
    since = request.GET.get("since", "")
    rows = Latest.objects.filter(register__in=ids).select_related("register")
    if since.isdecimal() and len(since) < 16:
        rows = rows.filter(changed_ms__gte=int(since))
    return JsonResponse({"now": asked_at, "changed": {row.register_id: _shown(row) for row in rows}})


def _shown(row: Latest) -> dict[str, object]:
    text, unit = numbers.newest(row.value, row.text, row.register.unit)
    return {
        "text": text,
        "unit": unit,
        "at": row.meter_time.isoformat(),
        "period": max(row.register.period_s, 60),
        "reason": row.reason,
        "mark": QUALITY_MARKS.get(row.quality, ("", "", ""))[1],  # type: ignore[call-overload]
    }
