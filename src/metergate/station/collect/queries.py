"""Questions about what came in: completeness, what is wrong now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
from django.db.models import Min, QuerySet

from metergate.station.archive.models import Estate, Installation, Register, ServicePoint
from metergate.station.archive.queries import Measured, measured
from metergate.station.collect import history
from metergate.station.collect.models import Event
from metergate.station.collect.periods import midnight

QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Share:
    """How many of those expected are there."""

    present: int
    expected: int

    @property
    def percent(self) -> float | None:
        """0 to 100; None where nothing was expected."""
        return 100 * self.present / self.expected if self.expected else None


def estate_points(estate: Estate) -> list[Measured]:
    """All service points of an estate with what hangs there."""
    return measured(ServicePoint.objects.filter(room__floor__staircase__building__estate=estate))


def billing_registers(found: Iterable[Measured]) -> list[Register]:
    """The register of each that consumption is taken from."""
    return [each.billing for each in found if each.billing]


def read_since(registers: Sequence[Register], at: datetime) -> Share:
    """How many have a value from `at` or later. The latest values must be loaded with the registers."""
    there = sum(1 for row in registers if hasattr(row, "latest") and row.latest.meter_time >= at)
    return Share(there, len(registers))


def completeness(registers: Sequence[Register], first: date, days: int, estate: Estate, now: datetime) -> list[Share]:
    """For each local day, how many of the values that its grid has are there; none is expected of a meter before it
    was installed."""
    edges = [min(midnight(first + timedelta(days=i), estate.zone), now) for i in range(days + 1)]
    found = history.load(registers, edges[0], edges[-1])
    since = _since(registers)
    shares = []
    for low, high in pairwise(edges):
        present = expected = 0
        for pk, series in found.items():
            begin = max(low, min(since.get(pk, low), high))
            piece = series.quality[max(0, series.index(begin)) : max(0, series.index(high))]
            present, expected = present + int(np.count_nonzero(piece)), expected + len(piece)
        shares.append(Share(present, expected))
    return shares


def quarters(registers: Sequence[Register], end: datetime, count: int = 96) -> list[Share]:
    """The last quarters of an hour before `end`: how many of the registers have their value in each; none is expected
    of a meter before it was installed."""
    end = end.replace(minute=end.minute // 15 * 15, second=0, microsecond=0)
    found, since = history.load(registers, end - count * QUARTER, end), _since(registers)
    present = np.zeros(count, int)
    expected = np.zeros(count, int)
    for pk, series in found.items():
        for place in range(count):
            at = end - (count - place - 1) * QUARTER
            if at < since.get(pk, at):
                continue
            low, high = series.index(at - QUARTER) + 1, series.index(at) + 1
            if high > max(low, 0):
                expected[place] += 1
                present[place] += bool(series.quality[max(low, 0) : high].any())
    return [Share(int(p), int(e)) for p, e in zip(present, expected, strict=True)]


def _since(registers: Sequence[Register]) -> dict[int, datetime]:
    """Since when values are expected, by register: since its meter was first installed anywhere."""
    rows = Installation.objects.known().filter(meter__in={register.meter_id for register in registers})
    meters = dict(rows.order_by().values_list("meter").annotate(Min("valid_from")))
    return {register.pk: meters[register.meter_id] for register in registers if register.meter_id in meters}


def open_events(estate: Estate | None = None) -> QuerySet[Event]:
    """What nobody has acknowledged yet, gravest first, then newest."""
    rows = Event.objects.filter(acknowledged_at=None).select_related("room__floor__staircase__building")
    if estate is not None:
        rows = rows.filter(estate=estate) | rows.filter(estate=None)
    return rows.order_by("-severity", "-time")


def places(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Open events by room."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.room_id:
            found.setdefault(event.room_id, []).append(event)
    return found
