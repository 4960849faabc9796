"""A service point's load profile over a period, for the chart, the table and the CSV."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from metergate.model import Quality
from metergate.station.archive.queries import Measured
from metergate.station.collect import history
from metergate.station.collect.periods import SPANS, Period
from metergate.station.collect.series import Bars, bars, envelope
from metergate.station.web import numbers

PIXELS = 1200
QUALITY_NAMES = {int(quality): quality.name.lower() for quality in Quality}


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Consumption in the bars of a period, already multiplied by the installation's factor."""

    measured: Measured
    period: Period
    bars: Bars
    factor: Decimal

    @property
    def unit(self) -> str:
        """The register's unit."""
        return self.measured.billing.unit if self.measured.billing else ""

    @property
    def shown_unit(self) -> str:
        """The unit that amounts are shown in."""
        return numbers.fit(Decimal(0), self.unit)[1]

    def amount(self, place: int) -> Decimal | None:
        """One bar, exact; None for a gap."""
        if self.bars.quality[place] <= Quality.BAD:
            return None
        return Decimal(int(self.bars.amounts[place])).scaleb(self.bars.scaler) * self.factor

    def amounts(self) -> list[Decimal | None]:
        """All bars."""
        return [self.amount(place) for place in range(len(self.bars.amounts))]

    def json(self) -> dict[str, object]:
        """Seconds since 1970 and numbers in the shown unit, for the browser's eyes only."""
        fitted = [None if each is None else numbers.fit(each, self.unit)[0] for each in self.amounts()]
        return {
            "x": [int(edge.timestamp()) for edge in self.bars.edges],
            "y": [None if each is None else float(each) for each in fitted],
            "q": self.bars.quality.tolist(),
            "total": None if self.bars.total is None else str(self.bars.total * self.factor),
        }


def asked(span: str, day: str, today: date) -> tuple[str, date]:
    """The span and day of an address; what makes no sense is today's day."""
    try:
        chosen = date.fromisoformat(day) if day else today
    except ValueError:
        chosen = today
    return (span if span in SPANS else "day"), min(max(chosen, date(2000, 1, 2)), date(2100, 1, 1))


def profile(measured: Measured, over: Period) -> Profile:
    """The bars of a period."""
    register = measured.billing
    assert register is not None
    edges = over.edges()
    series = history.load([register], edges[0], edges[-1])[register.pk]
    factor = measured.installation.factor if measured.installation else Decimal(1)
    return Profile(measured, over, bars(series, edges), factor)


def power(measured: Measured, over: Period) -> dict[str, object] | None:
    """The momentary power over the period as a line, thinned to what the screen can show; None where none is told."""
    register = measured.power
    if register is None or over.span not in {"day", "week"}:
        return None
    series = history.load([register], over.start, over.end)[register.pk]
    begin = int(series.start.timestamp())
    times = begin + np.arange(len(series.values), dtype=np.int64) * series.period_s
    x, y, quality = envelope(times, series.values, series.quality, PIXELS)
    scale = float(Decimal(1).scaleb(series.scaler) * (measured.installation.factor if measured.installation else 1))
    values = [value * scale if sure else None for value, sure in zip(y.tolist(), quality.tolist(), strict=True)]
    return {"x": x.tolist(), "y": values, "unit": numbers.fit(Decimal(0), register.unit)[1]}


def before(over: Period) -> Period:
    """What a period is compared with: the day before, the week before, ..."""
    return over.before


def csv_rows(found: Profile, zone_now: datetime) -> list[list[str]]:
    """Head and rows: from, to, amount, unit, quality; times in the estate's zone with their offset."""
    zone = found.period.zone
    rows = [["from", "to", "amount", "unit", "quality"]]
    edges = found.bars.edges
    for place, amount in enumerate(found.amounts()):
        if edges[place] >= zone_now:
            break
        rows.append(
            [
                edges[place].astimezone(zone).isoformat(),
                edges[place + 1].astimezone(zone).isoformat(),
                "" if amount is None else f"{amount:f}",
                found.unit,
                QUALITY_NAMES[int(found.bars.quality[place])],
            ]
        )
    return rows
