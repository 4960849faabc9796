"""The only place where rows of jobs change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from metergate.model import Outcome
from metergate.publish.base import level
from metergate.station.archive.models import Channel, Estate, Meter
from metergate.station.collect.models import Presence
from metergate.station.jobs.models import Job, Order
from metergate.station.jobs.stored import Span
from metergate.station.staff.models import Operator

AT_ONCE = 4
"""Orders under way on a line."""
LIFE = timedelta(seconds=60)
"""How long an order waits for its answer."""
LONG_LIFE = timedelta(minutes=15)
"""How long one for a profile does: days of it take minutes on a slow line."""
AGAIN = timedelta(seconds=10)
"""After which it is told to the gateway again, under the same id."""
MOST = 100_000
"""Meters of a job."""
_ACTS = {Job.Kind.READ_NOW: "read-now", Job.Kind.SET_CLOCK: "set-clock", Job.Kind.REREAD: "read-now"}
_PROFILE = "read-profile"
_OPEN = (Order.State.WAITING, Order.State.SENT)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gateway says became of an order."""

    node: str
    order: str
    outcome: str
    text: str


@transaction.atomic
def begin(
    kind: str,
    meters: Iterable[str],
    title: str,
    *,
    by: Operator | None = None,
    estate: Estate | None = None,
    reason: str = "",
    spans: Mapping[str, Span] | None = None,
) -> Job:
    """Make a job that gives an order to each of these meters (ids), in this order. Nothing is sent yet.

    `spans`: meters of which what they stored is to be fetched instead.
    """
    wanted = list(dict.fromkeys(meters))[:MOST]
    job = Job.objects.create(kind=kind, title=title[:200], asked_by=by, estate=estate, reason=reason[:200])
    wires = _wires(wanted)
    rows = [_order(job, meter, rank, *wires.get(meter, ("", ""))) for rank, meter in enumerate(wanted)]
    for row in rows:
        if span := (spans or {}).get(row.meter_id):
            row.act, row.register, row.begin, row.end = _PROFILE, span.register, span.begin, span.end
    Order.objects.bulk_create(rows, batch_size=2000)
    Job.objects.filter(pk=job.pk).update(whole=len(rows))
    settle(timezone.now())
    job.refresh_from_db()
    return job


def _wires(meters: list[str]) -> dict[str, tuple[str, str]]:
    """Gateway and line of each meter: where it is wired, else who heard it first."""
    found: dict[str, tuple[str, str]] = {}
    rows = Channel.objects.current().exclude(line__gateway=None)
    for at in range(0, len(meters), 5000):
        some = meters[at : at + 5000]
        heard = Meter.objects.filter(pk__in=some).exclude(first_gateway="").values_list("pk", "first_gateway")
        found.update({meter: (gateway, "") for meter, gateway in heard})
        wired = rows.filter(meter__in=some).values_list("meter", "line__gateway__name", "line__code")
        found.update({meter: (gateway, line) for meter, gateway, line in wired})
    return found


def _order(job: Job, meter: str, rank: int, gateway: str, line: str) -> Order:
    made = Order(job=job, meter_id=meter, act=_ACTS[Job.Kind(job.kind)], gateway=gateway, line=line, rank=rank)
    if not gateway:
        made.state, made.ended = Order.State.FAILED, job.made
        made.outcome, made.text = Outcome.REFUSED.value, _("nobody knows on which line this meter is")
    return made


def span_of(order: Order) -> Span | None:
    """What an order fetches of what its meter stored."""
    if order.begin is None or order.end is None:
        return None
    return Span(order.register, order.begin, order.end)


def life(order: Order) -> timedelta:
    """How long it waits for its answer."""
    return LONG_LIFE if order.register else LIFE


def cancel(job: Job) -> None:
    """Send nothing more of it. What is under way is waited for."""
    now = timezone.now()
    if Job.objects.filter(pk=job.pk, ended=None, cancel_asked=None).update(cancel_asked=now):
        job.orders.filter(state=Order.State.WAITING).update(state=Order.State.CANCELLED, ended=now)
        settle(now)


@transaction.atomic
def turn(answers: Iterable[Answer], now: datetime) -> list[Order]:
    """Take in answers, give up on what got none, and mark as sent what is to be published now: that is returned.

    What was marked and then not published, because the process died, is published again by a later turn.
    """
    note(answers, now)
    if not Job.objects.filter(ended=None).exists():
        return []
    _give_up(now)
    ready = _again(now) + _fresh(now)
    settle(now)
    return ready


def note(answers: Iterable[Answer], now: datetime) -> None:
    """Only the gateway that was told may answer, and only once."""
    known = {answer.order: answer for answer in answers}
    for order in Order.objects.filter(pk__in=known, state=Order.State.SENT):
        answer = known[order.pk]
        if level(order.gateway) == answer.node:
            state = Order.State.DONE if answer.outcome == Outcome.DONE.value else Order.State.FAILED
            Order.objects.filter(pk=order.pk, state=Order.State.SENT).update(
                state=state, ended=now, outcome=answer.outcome[:16], text=answer.text[:200]
            )


def _give_up(now: datetime) -> None:
    late = Order.objects.filter(state=Order.State.SENT, expires__lte=now, told__gt=now - 2 * AGAIN)
    _fail(late, now, _("the gateway did not answer"))
    down = Presence.objects.filter(kind=Presence.Kind.GATEWAY, state=Presence.State.DOWN).values("code")
    waiting = Order.objects.filter(state=Order.State.WAITING, job__ended=None, gateway__in=down)
    _fail(waiting, now, _("the gateway is down"))


def _fail(orders: QuerySet[Order], now: datetime, why: str) -> None:
    orders.update(state=Order.State.FAILED, ended=now, outcome=Outcome.NO_ANSWER.value, text=why)


def _again(now: datetime) -> list[Order]:
    """What got no answer yet. Where nobody told it for long, since nobody ran, its time begins anew."""
    rows = list(Order.objects.filter(state=Order.State.SENT, told__lte=now - AGAIN).select_related("meter"))
    for row in rows:
        row.told = now
        row.expires = row.expires if row.expires and row.expires > now else now + life(row)
    Order.objects.bulk_update(rows, ("told", "expires"), batch_size=500)
    return rows


def _fresh(now: datetime) -> list[Order]:
    """The next orders of each line, as many as it may have under way; one at a time to each meter."""
    busy = _busy()
    taken = set(Order.objects.filter(state=Order.State.SENT).values_list("meter", flat=True))
    waiting = Order.objects.filter(state=Order.State.WAITING, job__ended=None)
    found: list[Order] = []
    for gateway, line in waiting.order_by().values_list("gateway", "line").distinct():
        free = AT_ONCE - busy.get((gateway, line), 0)
        rows = waiting.filter(gateway=gateway, line=line).order_by("job__made", "rank").select_related("meter")
        for row in rows[: free + len(taken)] if free > 0 else ():
            if free > 0 and row.meter_id not in taken:
                taken.add(row.meter_id)
                found.append(row)
                free -= 1
    for row in found:
        row.state, row.sent, row.told, row.expires = Order.State.SENT, now, now, now + life(row)
    Order.objects.bulk_update(found, ("state", "sent", "told", "expires"))
    return found


def _busy() -> Mapping[tuple[str, str], int]:
    rows = Order.objects.filter(state=Order.State.SENT).order_by().values("gateway", "line")
    return {(row["gateway"], row["line"]): row["n"] for row in rows.annotate(n=Count("pk"))}


def settle(now: datetime) -> None:
    """Bring the counters of jobs that run up to date, and end those of which nothing is left."""
    rows = Job.objects.filter(ended=None).annotate(
        left=Count("orders", filter=Q(orders__state__in=_OPEN)),
        good=Count("orders", filter=Q(orders__state=Order.State.DONE)),
        bad=Count("orders", filter=Q(orders__state=Order.State.FAILED)),
        gone=Count("orders", filter=Q(orders__sent__isnull=False)),
    )
    for job in rows:
        found = {"done": job.good, "failed": job.bad, "state": _state(job)}
        if job.gone and job.started is None:
            found["started"] = now
        if not job.left:
            found["ended"] = now
        if any(getattr(job, name) != value for name, value in found.items()):
            Job.objects.filter(pk=job.pk).update(**found)


def _state(job: Job) -> str:
    if job.left:  # type: ignore[attr-defined]
        return Job.State.RUNNING if job.gone else Job.State.WAITING  # type: ignore[attr-defined]
    return Job.State.CANCELLED if job.cancel_asked else Job.State.DONE


def failed(job: Job) -> tuple[list[str], dict[str, Span]]:
    """The meters to which an order came to nothing, in the order of the job, and what was to be fetched of those that
    did not answer; the others do not have it."""
    rows = list(job.orders.filter(state=Order.State.FAILED).order_by("rank"))
    silent = {row.meter_id: span_of(row) for row in rows if row.outcome == Outcome.NO_ANSWER.value}
    return [row.meter_id for row in rows], {meter: span for meter, span in silent.items() if span}
