"""The only place where rows of what came in change."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from metergate.model import Event as Told
from metergate.model import Quality, Severity
from metergate.station.archive.models import Gateway, Installation, Line
from metergate.station.collect.models import Event, Intake, Latest, Presence, Quarter, Trace, Watch
from metergate.station.staff.models import Operator

KEPT_TRACES = 500
"""Messages that are kept of a line."""
MOST = (1 << 31) - 1
SETTLED = {"COMMAND"}
"""Events of which nobody has to take notice: whoever gave an order sees its end there."""
WATCHED = timedelta(seconds=30)
"""How long a line counts as watched after its page was looked at."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest value of a register in a batch. `value` None: `reason` says why there is none."""

    register_id: int
    value: Decimal | None
    meter_time: datetime
    received: datetime
    quality: int = Quality.GOOD
    text: str = ""
    reason: str = ""


def note_latest(rows: Iterable[Newest]) -> int:
    """Take over values that are newer than those known; older ones change nothing. Returns how many were."""
    found = {row.register_id: row for row in sorted(rows, key=lambda row: row.meter_time)}
    known = dict(Latest.objects.filter(register__in=found).values_list("register_id", "meter_time"))
    fresh = [row for key, row in found.items() if key not in known or known[key] < row.meter_time]
    changed = time.time_ns() // 1_000_000
    Latest.objects.bulk_create(
        [
            Latest(
                register_id=row.register_id,
                value=row.value,
                text=row.text,
                quality=row.quality,
                reason=row.reason,
                meter_time=row.meter_time,
                received=row.received,
                changed_ms=changed,
            )
            for row in fresh
        ],
        update_conflicts=True,
        unique_fields=["register"],
        update_fields=["value", "text", "quality", "reason", "meter_time", "received", "changed_ms"],
    )
    return len(fresh)


def note_intake(gateway: str, cursor: int, readings: int, newest: datetime | None) -> None:
    """A batch of a gateway is stored up to `cursor`."""
    now = timezone.now()
    row, _ = Intake.objects.get_or_create(gateway=gateway, defaults={"stored_at": now})
    Intake.objects.filter(pk=row.pk).update(
        cursor=cursor, batches=F("batches") + 1, readings=F("readings") + readings, stored_at=now
    )
    if newest is not None:
        Intake.objects.filter(Q(newest=None) | Q(newest__lt=newest), pk=row.pk).update(newest=newest)


def note_events(told: Iterable[Told], gateway: str) -> None:
    """Keep events; one told twice is kept once."""
    rows = list(told)
    if not rows:
        return
    places = _places({row.source for row in rows})
    estates = dict(Gateway.objects.filter(name=gateway).values_list("name", "estate"))
    Event.objects.bulk_create(
        [
            Event(
                time=row.time,
                source=row.source[:64],
                code=row.code[:40],
                severity=int(row.severity),
                args={str(name): str(value) for name, value in row.args.items()},
                room_id=places.get(row.source),
                estate_id=estates.get(gateway),
                acknowledged_at=timezone.now() if row.code in SETTLED else None,
            )
            for row in rows
        ],
        ignore_conflicts=True,
    )


def _places(sources: set[str]) -> dict[str, str]:
    rows = Installation.objects.current().filter(meter__identity__in=sources)
    return dict(rows.values_list("meter__identity", "service_point__room"))


def acknowledge(event: Event, operator: Operator) -> None:
    """Somebody took notice; the first one stays named."""
    Event.objects.filter(pk=event.pk, acknowledged_at=None).update(
        acknowledged_at=timezone.now(), acknowledged_by=operator
    )


def acknowledge_all(events: QuerySet[Event], operator: Operator) -> int:
    """Somebody took notice of all these that were open; how many that were."""
    found = Event.objects.filter(pk__in=events.order_by().values("pk"), acknowledged_at=None)
    return found.update(acknowledged_at=timezone.now(), acknowledged_by=operator)


@transaction.atomic
def heard(kind: str, code: str, at: datetime, *, round_ms: int | None = None) -> None:
    """Something answered: it is OK again, and what was reported of its silence is over."""
    row, made = Presence.objects.get_or_create(kind=kind, code=code, defaults={"since": at, "last_seen": at})
    if made:
        return
    if row.state != Presence.State.OK:
        row.state, row.since = Presence.State.OK, at
        _end(kind, code, at)
    row.last_seen = max(row.last_seen or at, at)
    row.round_ms = round_ms if round_ms is not None else row.round_ms
    row.told_dead = False
    row.save()


def _end(kind: str, code: str, at: datetime) -> None:
    """What was reported as not answering answers again: nobody has to look any more. An alarm stays for a person."""
    Event.objects.filter(
        source=code, code=f"{kind}_down".upper(), acknowledged_at=None, severity__lt=Severity.ALARM
    ).update(acknowledged_at=at)


@transaction.atomic
def died(kind: str, code: str, at: datetime) -> None:
    """A death certificate: down at once, and those below cannot be reached."""
    row, _ = Presence.objects.get_or_create(kind=kind, code=code, defaults={"since": at})
    if row.state != Presence.State.DOWN:
        Presence.objects.filter(pk=row.pk).update(state=Presence.State.DOWN, since=at, told_dead=True)
        severity = Severity.WARNING if kind == Presence.Kind.METER else Severity.FAULT
        note_events([Told(at, f"{kind}_down".upper(), code, severity)], code if kind == Presence.Kind.GATEWAY else "")
    if kind == Presence.Kind.GATEWAY:
        below = Line.objects.filter(gateway__name=code).values_list("code", flat=True)
        Presence.objects.filter(kind=Presence.Kind.LINE, code__in=list(below)).update(
            state=Presence.State.UNREACHABLE, since=at
        )


def note_quarter(kind: str, code: str, start: datetime, asked: int, answered: int, errors: Mapping[str, int]) -> None:
    """How a line or collector answered in a quarter of an hour, as its gateway counted; the last word counts."""
    Quarter.objects.update_or_create(
        kind=kind, code=code, start=start, defaults={"asked": asked, "answered": answered, "errors": dict(errors)}
    )


def count_quarter(kind: str, code: str, start: datetime, asked: int, answered: int, errors: Mapping[str, int]) -> None:
    """As `note_quarter`, on top of what the quarter already has. For one writer at a time."""
    known = Quarter.objects.filter(kind=kind, code=code, start=start).first()
    if known is not None:
        asked, answered = known.asked + asked, known.answered + answered
        errors = Counter(known.errors) + Counter(errors)
    note_quarter(kind, code, start, min(asked, MOST), min(answered, MOST), errors)


def note_round(line: str, round_ms: int) -> None:
    """How long the last dialogue on a line took."""
    rows = Presence.objects.filter(kind=Presence.Kind.LINE, code=line)
    rows.exclude(round_ms=round_ms).update(round_ms=min(round_ms, MOST))


def note_trace(line: str, at: datetime, direction: str, data: bytes, protocol: str = "", text: str = "") -> None:
    """A message seen on a line; only the newest `KEPT_TRACES` are kept."""
    Trace.objects.create(line=line, at=at, direction=direction, data=data[:4096], protocol=protocol, text=text[:240])
    rows = Trace.objects.filter(line=line)
    if last := rows.order_by("-pk").values_list("pk", flat=True)[KEPT_TRACES : KEPT_TRACES + 1].first():
        rows.filter(pk__lte=last).delete()


def watch_line(line: str, now: datetime) -> None:
    """Somebody looks at a line's page; written only as often as the mark has to be moved."""
    if not Watch.objects.filter(line=line, until__gt=now + WATCHED * 2 / 3).exists():
        Watch.objects.update_or_create(line=line, defaults={"until": now + WATCHED})
