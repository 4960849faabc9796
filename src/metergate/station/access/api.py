"""The read API, /api/v1, described at /api/v1/openapi.json; for bearers of a token and signed-in operators."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import NinjaAPI, Query, Schema
from ninja.errors import HttpError
from ninja.pagination import LimitOffsetPagination, paginate
from ninja.security import HttpBearer, SessionAuth

from metergate.station.access import services
from metergate.station.access.schemas import (
    Completeness,
    Day,
    Device,
    LatestValue,
    LoadProfile,
    RegisterOut,
    ServicePointOut,
)
from metergate.station.archive.models import Estate, Installation, Register, ServicePoint
from metergate.station.archive.services import new_devices
from metergate.station.collect import history, queries
from metergate.station.collect.models import Latest
from metergate.station.staff.models import Operator

LONGEST = timedelta(days=400)
SEE_PLACES = "archive.view_servicepoint"
SEE_VALUES = "collect.view_latest"


class Token(HttpBearer):
    """`Authorization: Bearer mgt_...`; the request is then its operator's."""

    def authenticate(self, request: HttpRequest, token: str) -> Operator | None:
        """Who it is."""
        found = services.holder(token)
        if found is not None:
            request.user = found
        return found


api = NinjaAPI(
    title="metergate station",
    version="1",
    description="Service points, registers, load profiles, latest values and completeness. Numbers are decimal text.",
    auth=[Token(), SessionAuth()],
    docs_url=None,
    urls_namespace="api",
)


@api.exception_handler(PermissionDenied)
def _denied(request: HttpRequest, error: PermissionDenied):  # type: ignore[no-untyped-def]
    return api.create_response(request, {"detail": "this operator's role may not see it"}, status=403)


class Between(Schema):
    """A half-open range of instants with their offsets from UTC."""

    start: datetime
    end: datetime


def _may(request: HttpRequest, permission: str) -> None:
    user = request.user
    if (isinstance(user, Operator) and user.must_change_password) or not user.has_perm(permission):
        raise PermissionDenied


@api.get("/service-points", response=list[ServicePointOut], tags=["archive"])
@paginate(LimitOffsetPagination)
def service_points(request: HttpRequest, estate: str = "", medium: str = "", room: str = ""):  # type: ignore[no-untyped-def]
    """Service points, by estate code, medium and room number."""
    _may(request, SEE_PLACES)
    rows = ServicePoint.objects.with_facts().select_related("room__floor__staircase__building__estate")
    given = {"room__floor__staircase__building__estate__code": estate, "medium": medium, "room__number": room}
    return rows.filter(**{name: value for name, value in given.items() if value})


@api.get("/service-points/{code}/registers", response=list[RegisterOut], tags=["archive"])
def registers(request: HttpRequest, code: str) -> list[Register]:
    """The registers of the meter that hangs there now."""
    _may(request, SEE_PLACES)
    point = get_object_or_404(ServicePoint, code=code)
    meters = Installation.objects.current().filter(service_point=point).values("meter")
    return list(Register.objects.filter(meter__in=meters).select_related("meter"))


@api.get("/registers/{register_id}/profile", response=LoadProfile, tags=["values"])
def load_profile(request: HttpRequest, register_id: int, between: Query[Between], deltas: bool = False) -> LoadProfile:
    """Values at the grid instants start <= t < end, or with `deltas` the amounts of the intervals that begin there.

    Absent values are null; quality is 0 absent, 1 bad, 2 suspect, 3 estimated, 4 good.
    """
    _may(request, SEE_VALUES)
    register = get_object_or_404(Register, pk=register_id)
    start, end = _range(between)
    store = history.blocks()
    read = store.deltas if deltas else store.read
    found = read([register.pk], start, end, register.period_s)
    scaler = int(found.scaler[0])
    return LoadProfile(
        register_id=register.pk,
        start=datetime.fromtimestamp(found.start / 1000, UTC),
        period_s=found.period,
        unit=register.unit,
        values=[_text(v, scaler) if q else None for v, q in zip(found.value[0], found.quality[0], strict=True)],
        quality=found.quality[0].tolist(),
    )


def _range(between: Between) -> tuple[datetime, datetime]:
    if between.start.tzinfo is None or between.end.tzinfo is None:
        raise HttpError(422, "start and end need their offset from UTC, as 2026-11-01T00:00:00+01:00")
    if not between.start < between.end <= between.start + LONGEST:
        raise HttpError(422, f"end must be after start, by {LONGEST.days} days at most")
    return between.start.astimezone(UTC), between.end.astimezone(UTC)


def _text(value: np.int64, scaler: int) -> str:
    return f"{Decimal(int(value)).scaleb(scaler):f}"


@api.get("/latest", response=list[LatestValue], tags=["values"])
def latest(request: HttpRequest, service_point: str = "", register_id: int | None = None) -> list[Latest]:
    """The newest value of each register of a service point, or of one register."""
    _may(request, SEE_VALUES)
    rows = Latest.objects.select_related("register")
    if register_id is not None:
        return list(rows.filter(register=register_id))
    point = get_object_or_404(ServicePoint, code=service_point)
    meters = Installation.objects.current().filter(service_point=point).values("meter")
    return list(rows.filter(register__meter__in=meters))


@api.get("/completeness", response=Completeness, tags=["values"])
def completeness(request: HttpRequest, estate: str, first: date, days: int = 1) -> Completeness:
    """How many of the values of each local day are there, over all billing registers of an estate; 62 days at most."""
    _may(request, SEE_VALUES)
    if not 1 <= days <= 62:
        raise HttpError(422, "days is 1 to 62")
    row = get_object_or_404(Estate, code=estate)
    billing = queries.billing_registers(queries.estate_points(row))
    shares = queries.completeness(billing, first, days, row, timezone.now())
    return Completeness(
        estate=row.code,
        days=[
            Day(day=first + timedelta(days=i), present=share.present, expected=share.expected)
            for i, share in enumerate(shares)
        ],
    )


@api.get("/new-devices", response=list[Device], tags=["archive"])
def devices(request: HttpRequest) -> list[Device]:
    """Meters that were heard and hang at no service point."""
    _may(request, "archive.view_meter")
    return [
        Device(identity=row.identity, medium=row.medium, first_seen=row.first_seen, gateway=row.first_gateway)
        for row in new_devices()
    ]
