"""Questions to the archive that pages and the API share; each is a fixed number of statements, however many rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Prefetch

from metergate.station.archive.models import Channel, Installation, Medium, Meter, Occupancy, Register, ServicePoint
from metergate.station.archive.models.facts import FactsQuerySet

_POWER_UNITS = {"W", "kW", "m3/h", "l/h"}


@dataclass
class Measured:
    """A service point with the meter that hangs there now (None: none does) and its registers with latest values."""

    point: ServicePoint
    installation: Installation | None
    registers: list[Register]

    @property
    def meter(self) -> Meter | None:
        """The meter."""
        return self.installation.meter if self.installation else None

    @cached_property
    def billing(self) -> Register | None:
        """The register that consumption is taken from: the one marked, else the first counter."""
        counters = [register for register in self.registers if register.kind == Register.Kind.COUNTER]
        return next((register for register in counters if register.billing), counters[0] if counters else None)

    @cached_property
    def power(self) -> Register | None:
        """The register of the momentary power or flow; None where the meter tells none."""
        gauges = [r for r in self.registers if r.kind == Register.Kind.GAUGE and r.unit in _POWER_UNITS]
        whole = [r for r in gauges if r.obis.startswith(("1-0:16.7.0", "1-0:1.7.0"))]
        return next(iter(whole or gauges), None)


def measured(points: FactsQuerySet) -> list[Measured]:
    """What hangs at these service points now. Four statements."""
    registers = Prefetch("meter__registers", Register.objects.select_related("latest"))
    installed = Installation.objects.current().select_related("meter").prefetch_related(registers)
    found = (
        points.with_facts()
        .select_related("room__floor__staircase__building__estate")
        .prefetch_related(Prefetch("installations", installed, to_attr="now_installed"))
    )
    return [_measured(point) for point in found]


def _measured(point: ServicePoint) -> Measured:
    installed: list[Installation] = point.now_installed  # type: ignore[attr-defined]
    first = next((row for row in installed if row.register_role == "billing"), installed[0] if installed else None)
    return Measured(point, first, list(first.meter.registers.all()) if first else [])


def by_medium(found: list[Measured]) -> Iterator[tuple[Medium, list[Measured]]]:
    """In the order of media, those that are there."""
    for medium in Medium:
        mine = [each for each in found if each.point.medium == medium]
        if mine:
            yield medium, mine


def occupants(room_ids: list[str]) -> dict[str, Occupancy]:
    """Who occupies these rooms now, by room. One statement."""
    rows = Occupancy.objects.current().filter(room__in=room_ids).select_related("customer")
    return {row.room_id: row for row in rows}


def channel_of(meter: Meter) -> Channel | None:
    """Where the meter is wired now."""
    found = Channel.objects.current().filter(meter=meter).select_related("line__gateway", "collector").first()
    assert found is None or isinstance(found, Channel)
    return found


def registers_by_line() -> dict[str, list[Register]]:
    """The registers that hang on each line now, by line code. Two statements."""
    rows = Channel.objects.current().exclude(meter=None).select_related("line", "collector", "meter")
    found: dict[str, list[Register]] = {}
    for row in rows.prefetch_related(Prefetch("meter__registers", Register.objects.select_related("latest"))):
        found.setdefault(row.line.code, []).extend(row.meter.registers.all())
        if row.collector:
            found.setdefault(row.collector.code, []).extend(row.meter.registers.all())
    return found
