"""Reading again what is missing: at some times of day, for the last days, where most is missing first.

Meters that store their values are asked for exactly what is missing. Of others a read brings what they show now, and
from a collector what its log has kept; what nobody kept stays missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from metergate.model import Outcome
from metergate.station.archive.models import Channel, Estate, Installation, Register
from metergate.station.collect import history, missing
from metergate.station.collect.periods import midnight
from metergate.station.collect.series import Series
from metergate.station.jobs import services, stored
from metergate.station.jobs.models import Job, Order, Round
from metergate.station.jobs.stored import Span, Wanted

TIMES = (time(0, 5), time(1), time(3), time(6), time(12), time(18))
"""When it is looked, in the estate's zone."""
DAYS = 3
"""How far back; what did not come by then waits for a person."""
MOST = 2000
"""Meters that are asked in a round at most."""
AT_ONCE = 500
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Gap:
    """How many quarter-hours and day freezes of a meter are missing, and from when to when."""

    meter: str
    quarters: int
    freezes: int
    wanted: Wanted


def due(estate: Estate, now: datetime) -> datetime:
    """The last of the times of day that has come."""
    return max(at for at in _times(estate, now) if at <= now)


def following(estate: Estate, now: datetime) -> datetime:
    """The next of them."""
    return min(at for at in _times(estate, now) if at > now)


def _times(estate: Estate, now: datetime) -> list[datetime]:
    today = now.astimezone(estate.zone).date()
    days = [today + timedelta(days=step) for step in (-1, 0, 1)]
    return [datetime.combine(day, at, estate.zone).astimezone(UTC) for day in days for at in TIMES]


def look(now: datetime) -> list[Round]:
    """Do the round of each estate that is due and was not done; the rounds made."""
    made = []
    for estate in Estate.objects.all():
        at = due(estate, now)
        if Round.objects.filter(estate=estate, due=at).exists():
            continue
        try:
            made.append(do(estate, at, now))
        except IntegrityError:
            continue  # another one did it just now
    return made


def do(estate: Estate, at: datetime, now: datetime) -> Round:
    """Look what is missing and order a read where that may help. IntegrityError: this round was done."""
    found = gaps(estate, now)
    with transaction.atomic():
        row = Round.objects.create(
            estate=estate,
            due=at,
            looked=now,
            points=len(found),
            quarters=sum(gap.quarters for gap in found),
            freezes=sum(gap.freezes for gap in found),
        )
        if asked := _in_order(_worth_asking(found, now))[:MOST]:
            spans = stored.spans((gap.wanted for gap in asked), now - timedelta(days=DAYS))
            meters = [gap.meter for gap in asked]
            title = _("Read again what is missing")
            row.job = services.begin(Job.Kind.REREAD, meters, title, estate=estate, spans=spans)
            row.save(update_fields=["job"])
    return row


def gaps(estate: Estate, now: datetime) -> list[Gap]:
    """The meters of which something is missing in the last days, since they hang where they do."""
    registers = list(missing.billing(estate).order_by("pk"))
    since = dict(Installation.objects.as_of(now).values_list("meter", "valid_from"))
    today = now.astimezone(estate.zone).date()
    nights = [midnight(today - timedelta(days=back), estate.zone) for back in range(DAYS - 1, -1, -1)]
    found: list[Gap] = []
    for at in range(0, len(registers), AT_ONCE):
        found += _gaps(registers[at : at + AT_ONCE], nights, since, now)
    return found


def _gaps(
    registers: Sequence[Register], nights: Sequence[datetime], since: dict[str, datetime], now: datetime
) -> Iterable[Gap]:
    series = history.load(registers, nights[0], now)
    for register in registers:
        mine, begun = series[register.pk], since[register.meter_id]
        first = mine.index(max(begun, nights[0]) - timedelta(seconds=1)) + 1
        silent = first + np.flatnonzero(mine.quality[first : mine.index(now - QUARTER) + 1] == 0)
        quarters = -(-len(silent) * register.period_s // 900)
        frozen = [mine.index(night) for night in nights if begun <= night and not mine.quality[mine.index(night)]]
        if missed := sorted({*silent.tolist(), *frozen}):
            wanted = Wanted(register.meter_id, _pieces(register, mine, missed), _pieces(register, mine, frozen))
            yield Gap(register.meter_id, quarters, len(frozen), wanted)


def _pieces(register: Register, mine: Series, places: Sequence[int]) -> list[Span]:
    """These places of the grid, those side by side as one piece."""
    step = timedelta(seconds=mine.period_s)
    runs = np.split(np.array(places, int), np.flatnonzero(np.diff(places) > 1) + 1) if places else []
    return [
        Span(register.obis, mine.start + int(run[0]) * step, mine.start + (int(run[-1]) + 1) * step) for run in runs
    ]


def _worth_asking(found: Iterable[Gap], now: datetime) -> list[Gap]:
    """Not meters that speak by themselves only, as an order of the last days found out."""
    unheard = Order.objects.filter(outcome=Outcome.UNSUPPORTED.value, ended__gt=now - timedelta(days=DAYS), register="")
    deaf = set(unheard.values_list("meter", flat=True))
    return [gap for gap in found if gap.meter not in deaf]


def _in_order(found: Sequence[Gap]) -> list[Gap]:
    """Those of the collector or line with most gaps first, there those with most."""
    rows = Channel.objects.current().exclude(meter=None).values_list("meter", "collector", "line")
    wires = {meter: collector or line for meter, collector, line in rows}
    whole: Counter[str | None] = Counter()
    for gap in found:
        whole[wires.get(gap.meter)] += gap.quarters + gap.freezes
    return sorted(
        found, key=lambda gap: (-whole[wires.get(gap.meter)], wires.get(gap.meter) or "", -gap.quarters, gap.meter)
    )
