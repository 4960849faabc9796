"""The orders of a job, and jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from django.db.models import Q
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from metergate.station.collect import missing
from metergate.station.jobs import services
from metergate.station.jobs.models import Job, Order
from metergate.station.web.tables import Column, Filter, Rows, Table, Words
from metergate.station.web.tables.cells import meter_cell, room_link
from metergate.station.web.templatetags.metergate import ago, lamp, num, when

LAMPS = {"waiting": "none", "sent": "stale", "running": "stale", "done": "ok", "failed": "fault", "cancelled": "none"}


def dress(found: Iterable[Order]) -> list[Order]:
    """With the places of the meters: `point`."""
    rows = list(found)
    points = missing.points_of(row.meter_id for row in rows)
    for row in rows:
        row.point = points.get(row.meter_id)  # type: ignore[attr-defined]
    return rows


def _room(row: Order) -> SafeString:
    point = row.point  # type: ignore[attr-defined]
    return room_link(point.room if point else None, point)


def _took(row: Order) -> Decimal | None:
    if row.sent is None or row.ended is None:
        return None
    return Decimal((row.ended - row.sent) // timedelta(milliseconds=1)).scaleb(-3)


def _asked(row: Order) -> SafeString | str:
    """What was ordered, in words."""
    span = services.span_of(row)
    if span is None:
        return str(_ACTS.get(row.act, row.act))
    return format_html(
        "{} <code>{}</code> {} – {}", _("Profile"), span.register, *map(when, (span.begin, span.end), ("j M H:i",) * 2)
    )


_ACTS = {"read-now": Job.Kind.READ_NOW.label, "set-clock": Job.Kind.SET_CLOCK.label}


def _matching(found: Rows, text: str) -> Rows:
    return found.filter(Q(meter__serial__icontains=text) | Q(text__icontains=text) | Q(line__icontains=text))


def _states() -> Iterable[tuple[str, Words]]:
    return Order.State.choices


ORDERS = Table(
    "orders",
    (
        Column(
            "meter",
            _("Meter"),
            lambda row: meter_cell(row.meter),
            (("meter", lambda row: row.meter.serial),),
            ("meter__serial",),
        ),
        Column("room", _("Room"), _room, (("room", lambda row: row.point.room.number if row.point else ""),)),
        Column(
            "order",
            _("Order"),
            _asked,
            (
                ("order", lambda row: row.act),
                ("register", lambda row: row.register),
                ("begin", lambda row: row.begin),
                ("end", lambda row: row.end),
            ),
            ("act", "rank"),
        ),
        Column(
            "state",
            _("State"),
            lambda row: lamp(LAMPS[row.state], row.get_state_display()),
            (("state", lambda row: row.state),),
            ("state", "rank"),
        ),
        Column(
            "text",
            _("Answer"),
            lambda row: row.text or row.outcome,
            (("outcome", lambda row: row.outcome), ("text", lambda row: row.text)),
            ("text", "rank"),
        ),
        Column(
            "took",
            _("Took"),
            lambda row: num(_took(row), "s", 1),
            (("seconds", _took),),
            css="n",
        ),
        Column("ended", _("Ended"), lambda row: when(row.ended, "H:i:s"), (("ended", lambda r: r.ended),), ("ended",)),
        Column("line", _("Line"), lambda row: row.line or "–", (("line", lambda row: row.line),), ("line", "rank")),
        Column(
            "rank", _("Place"), lambda row: num(row.rank + 1, "", 0), (("place", lambda row: row.rank + 1),),
            ("rank",), "n", shown=False,
        ),
    ),
    (
        Filter("text", _("Text"), _matching),
        Filter("state", _("State"), lambda found, text: found.filter(state=text), _states),
    ),
    "rank",
    lambda row: row.meter_id,
    dress,
)  # fmt: skip


def _title(job: Job) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("job", args=[job.pk]), job)


def _progress(job: Job) -> SafeString:
    return format_html("{} / {}", num(job.done + job.failed, "", 0), num(job.whole, "", 0))


def _kinds() -> Iterable[tuple[str, Words]]:
    return Job.Kind.choices


JOBS = Table(
    "jobs",
    (
        Column("title", _("Job"), _title, (("job", str),), ("title", "made")),
        Column(
            "kind", _("Kind"), lambda job: job.get_kind_display(), (("kind", lambda job: job.kind),),
            ("kind", "made"),
        ),
        Column(
            "state",
            _("State"),
            lambda job: lamp(LAMPS[job.state], job.get_state_display()),
            (("state", lambda job: job.state),),
            ("state", "made"),
        ),
        Column(
            "progress",
            _("Progress"),
            _progress,
            (("done", lambda job: job.done), ("whole", lambda job: job.whole)),
            ("whole", "made"),
            "n",
        ),
        Column(
            "failed", _("Failed"), lambda job: num(job.failed, "", 0), (("failed", lambda job: job.failed),),
            ("failed", "made"), "n",
        ),
        Column(
            "by", _("By"), lambda job: str(job.asked_by or "–"), (("by", lambda job: str(job.asked_by or "")),),
            ("asked_by__username", "made"),
        ),
        Column("made", _("Asked"), lambda job: ago(job.made), (("made", lambda job: job.made),), ("made",)),
    ),
    (Filter("kind", _("Kind"), lambda found, text: found.filter(kind=text), _kinds),),
    "-made",
    lambda job: job.pk,
)  # fmt: skip
