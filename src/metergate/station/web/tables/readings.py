"""All registers with their newest values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from metergate.station.archive.models import Installation, Register, Room, ServicePoint
from metergate.station.collect import missing
from metergate.station.collect.models import Latest
from metergate.station.web.tables import Column, Filter, Rows, Table, Words
from metergate.station.web.tables.cells import medium_filter, meter_cell, room_link
from metergate.station.web.templatetags.metergate import ago, live_value


@dataclass(frozen=True, slots=True)
class Row:
    """A register, and where its meter hangs now."""

    register: Register
    point: ServicePoint | None
    now: datetime

    @property
    def room(self) -> Room | None:
        """The room."""
        return self.point.room if self.point else None

    @property
    def latest(self) -> Latest | None:
        """The newest value."""
        return self.register.latest if hasattr(self.register, "latest") else None

    @property
    def value(self) -> Decimal | None:
        """The newest value's number."""
        return self.latest.value if self.latest else None

    @property
    def at(self) -> datetime | None:
        """When it was true."""
        return self.latest.meter_time if self.latest else None


def rows() -> Rows:
    """All registers."""
    return missing.placed(Register.objects.select_related("meter", "latest"))


def dress(found: Iterable[Register]) -> list[Row]:
    """With their places. One statement."""
    registers, now = list(found), timezone.now()
    points = missing.points_of(row.meter_id for row in registers)
    return [Row(row, points.get(row.meter_id), now) for row in registers]


def _matching(found: Rows, text: str) -> Rows:
    rooms = Installation.objects.current().filter(service_point__room__number__icontains=text).values("meter")
    named = Q(meter__serial__icontains=text) | Q(obis__icontains=text) | Q(name__icontains=text)
    return found.filter(named | Q(meter__in=rooms))


def states() -> Iterable[tuple[str, Words]]:
    """How fresh a value can be."""
    return (("live", _("fresh")), ("aged", _("late")), ("stale", _("stale")), ("absent", _("never read")))


def _value(row: Row) -> SafeString:
    register = row.register
    return live_value(row.latest, register.unit, register.period_s, register.pk, row.now)


READINGS = Table(
    "readings",
    (
        Column(
            "room",
            _("Room"),
            lambda row: room_link(row.room, row.point),
            (
                ("room", lambda row: row.room.number if row.room else ""),
                ("service_point", lambda row: row.point.code if row.point else ""),
            ),
            ("place", "meter__serial", "obis"),
        ),
        Column(
            "meter",
            _("Meter"),
            lambda row: meter_cell(row.register.meter),
            (("meter", lambda row: row.register.meter.serial),),
            ("meter__serial", "obis"),
        ),
        Column(
            "register",
            _("Register"),
            lambda row: format_html('{} <code class="muted">{}</code>', row.register, row.register.obis),
            (("obis", lambda row: row.register.obis), ("register", lambda row: row.register.name)),
            ("obis", "meter__serial"),
        ),
        Column(
            "value",
            _("Value"),
            _value,
            (
                ("value", lambda row: row.value),
                ("unit", lambda row: row.register.unit),
                ("quality", lambda row: row.latest.quality if row.latest else None),
            ),
            ("latest__value",),
            "n",
        ),
        Column("read", _("Read"), lambda row: ago(row.at), (("time", lambda row: row.at),), ("latest__meter_time",)),
        Column(
            "model",
            _("Model"),
            lambda row: f"{row.register.meter.maker} {row.register.meter.model}",
            (("maker", lambda row: row.register.meter.maker), ("model", lambda row: row.register.meter.model)),
            ("meter__maker", "meter__model"),
            shown=False,
        ),
        Column(
            "protocol",
            _("Protocol"),
            lambda row: row.register.meter.protocol or "–",
            (("protocol", lambda row: row.register.meter.protocol),),
            ("meter__protocol",),
            shown=False,
        ),
    ),
    (
        Filter("text", _("Text"), _matching),
        medium_filter("meter__medium"),
        Filter("state", _("State"), lambda found, text: found.filter(missing.in_state(text, timezone.now())), states),
    ),
    "room",
    lambda row: row.register.meter_id,
    dress,
)
