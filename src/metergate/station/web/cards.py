"""Key figures of service points: now, today, this month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metergate.station.archive.models import Estate, Register, ServicePoint
from metergate.station.archive.queries import Measured
from metergate.station.collect import history
from metergate.station.collect.periods import Period, period
from metergate.station.collect.series import Counted, counted
from metergate.station.web import numbers


@dataclass(frozen=True, slots=True)
class Card:
    """One service point's figures. `now` is the register shown large: power where told, else the counter."""

    measured: Measured
    now: Register
    today: Counted
    month: Counted
    unit: str

    @property
    def point(self) -> ServicePoint:
        """The service point."""
        return self.measured.point

    @property
    def places(self) -> int:
        """Decimal places of amounts."""
        return 1 if numbers.fit(Decimal(0), self.unit)[1] == "kWh" else 2


def used(found: Sequence[Measured], spans: Sequence[Period]) -> dict[tuple[str, str], Counted]:
    """Consumption of service points in periods, by (service point id, span). One reading of the profiles a span."""
    amounts: dict[tuple[str, str], Counted] = {}
    billing = {each.point.pk: each.billing for each in found if each.billing}
    for span in spans:
        series = history.load(list(billing.values()), span.start, span.end)
        for each in found:
            register = billing.get(each.point.pk)
            found_here = counted(series[register.pk], span.start, span.end) if register else Counted()
            amounts[each.point.pk, span.span] = _through(each, found_here)
    return amounts


def _through(each: Measured, moved: Counted) -> Counted:
    return moved.times(each.installation.factor) if each.installation else Counted()


def cards(found: Sequence[Measured], estate: Estate, now: datetime) -> list[Card]:
    """The figures of these service points, in the order of media."""
    today = now.astimezone(estate.zone).date()
    spans = [period("day", today, estate.zone), period("month", today, estate.zone)]
    amounts = used(found, spans)
    rows = []
    for each in sorted(found, key=lambda one: _ORDER.index(one.point.medium)):
        register = each.billing
        if register is None:
            continue
        key = each.point.pk
        rows.append(Card(each, each.power or register, amounts[key, "day"], amounts[key, "month"], register.unit))
    return rows


_ORDER = [value for value, _ in ServicePoint._meta.get_field("medium").flatchoices]
