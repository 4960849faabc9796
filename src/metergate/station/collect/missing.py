"""How fresh registers are and which of them are missed, asked of the database, however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When

from metergate.station.archive.models import Channel, Estate, Installation, Register, Room, ServicePoint
from metergate.station.collect.models import Presence

LEAST = 60
"""Seconds: nobody is called late sooner."""
STATES = ("live", "aged", "stale", "absent")
CAUSES = ("NOT_SCHEDULED", "GATEWAY_DOWN", "LINE_DOWN", "COLLECTOR_DOWN", "METER_NO_ANSWER")
_DOWN = (Presence.State.DOWN, Presence.State.SUSPECT, Presence.State.UNREACHABLE)
_WIRES = {"gateway": "line__gateway__name__in", "line": "line__code__in", "collector": "collector__code__in"}


@dataclass(frozen=True, slots=True)
class Missing:
    """A register without a recent value, where its meter hangs, and why as far as known."""

    register: Register
    point: ServicePoint
    cause: str

    @property
    def room(self) -> Room:
        """Where."""
        return self.point.room

    @property
    def last(self) -> datetime | None:
        """When the newest value was true."""
        return self.register.latest.meter_time if hasattr(self.register, "latest") else None


def in_state(state: str, now: datetime) -> Q:
    """Registers whose newest value is live, aged (past its period), stale (past twice of it) or absent."""
    if state not in STATES:
        return Q()
    if state == "absent":
        return Q(latest=None)
    found = Q(pk__in=())
    for period in Register.objects.order_by().values_list("period_s", flat=True).distinct():
        found |= Q(period_s=period) & _within(state, now, timedelta(seconds=max(period, LEAST)))
    return found


def _within(state: str, now: datetime, period: timedelta) -> Q:
    once, twice = now - period, now - 2 * period
    if state == "live":
        return Q(latest__meter_time__gte=once)
    if state == "stale":
        return Q(latest__meter_time__lt=twice)
    return Q(latest__meter_time__gte=twice, latest__meter_time__lt=once)


def placed(rows: QuerySet[Register]) -> QuerySet[Register]:
    """With `place`, the code of the service point where the meter hangs now."""
    here = Installation.objects.current().filter(meter=OuterRef("meter"))
    return rows.annotate(place=Subquery(here.order_by().values("service_point__code")[:1], output_field=CharField()))


def billing(estate: Estate | None) -> QuerySet[Register]:
    """The registers that consumption is taken from, of the meters that hang in the estate (None: in none) now."""
    counters = Register.objects.filter(meter=OuterRef("meter"), kind=Register.Kind.COUNTER)
    first = Subquery(counters.order_by("-billing", "obis", "key").values("pk")[:1])
    here = Installation.objects.current().filter(service_point__room__floor__staircase__building__estate=estate)
    return Register.objects.filter(meter__in=here.values("meter"), pk=first)


def missing(estate: Estate | None, now: datetime) -> QuerySet[Register]:
    """Billing registers that had no value for two of their periods, longest silent first, with `place` and `cause`."""
    late = in_state("stale", now) | in_state("absent", now)
    rows = placed(billing(estate).filter(late)).annotate(cause=_cause())
    return rows.select_related("meter", "latest").order_by(F("latest__meter_time").asc(nulls_first=True), F("place"))


def _cause() -> Case:
    """Why a register's meter is not heard: the highest thing above it that does not answer."""
    down: dict[str, list[str]] = defaultdict(list)
    for kind, code in Presence.objects.filter(state__in=_DOWN).values_list("kind", "code"):
        down[kind].append(code)
    wired = Channel.objects.current().filter(meter=OuterRef("meter"))
    above = [
        When(Exists(wired.filter(**{path: down[kind]})), then=Value(f"{kind}_down".upper()))
        for kind, path in _WIRES.items()
        if down[kind]
    ]
    unwired = When(~Exists(wired), then=Value("NOT_SCHEDULED"))
    return Case(unwired, *above, default=Value("METER_NO_ANSWER"), output_field=CharField())


def dressed(rows: Iterable[Register]) -> list[Missing]:
    """Rows of `missing` with their places. Two statements."""
    found = list(rows)
    points = points_of(row.meter_id for row in found)
    return [Missing(row, points[row.meter_id], row.cause) for row in found if row.meter_id in points]  # type: ignore[attr-defined]


def points_of(meters: Iterable[str]) -> dict[str, ServicePoint]:
    """Where these meters hang now, with room, by meter. One statement, or a few where there are thousands."""
    wanted, found = sorted(set(meters)), {}
    rows = Installation.objects.current().select_related("service_point__room")
    for at in range(0, len(wanted), 5000):
        for row in rows.filter(meter__in=wanted[at : at + 5000]):
            found[row.meter_id] = row.service_point
    return found
