"""Whether the station is well: for monitors and load balancers."""

from __future__ import annotations

import socket
from datetime import timedelta
from urllib.parse import urlsplit

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from metergate.station.collect.models import Intake
from metergate.station.settings import CONFIG

PORTS = {"mqtt": 1883, "mqtts": 8883, "nats": 4222, "tls": 4222}


def healthz(request: HttpRequest) -> JsonResponse:
    """200 with each check "ok" or "off", 503 where one failed. Tells nothing that is not for everybody."""
    checks = {"database": _database(), "broker": _broker(CONFIG.broker)}
    checks["ingest"] = _ingest() if checks["database"] == "ok" else "unknown"
    well = all(state in {"ok", "off"} for state in checks.values())
    return JsonResponse({"status": "ok" if well else "failed", "checks": checks}, status=200 if well else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "failed"
    return "ok"


def _ingest() -> str:
    newest = Intake.objects.order_by("-stored_at").values_list("stored_at", flat=True).first()
    if newest is None:
        return "off"
    return "ok" if timezone.now() - newest < timedelta(seconds=CONFIG.ingest_lag) else "late"


def _broker(url: str) -> str:
    if not url:
        return "off"
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or PORTS.get(parts.scheme, 1883)), timeout=1):
            return "ok"
    except OSError:
        return "failed"
