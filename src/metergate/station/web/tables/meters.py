"""The meters of a line."""

from __future__ import annotations

from django.db.models import Max, Q
from django.utils.translation import gettext_lazy as _

from metergate.station.archive.models import Channel, Line
from metergate.station.web.tables import Column, Filter, Rows, Table
from metergate.station.web.tables.cells import medium_filter, meter_cell
from metergate.station.web.templatetags.metergate import ago


def rows(line: Line) -> Rows:
    """What hangs on the line now, with `last`: when a meter was read."""
    found = Channel.objects.current().filter(line=line).exclude(meter=None).select_related("meter", "collector")
    return found.annotate(last=Max("meter__registers__latest__meter_time"))  # type: ignore[no-any-return]


def _matching(found: Rows, text: str) -> Rows:
    return found.filter(Q(meter__serial__icontains=text) | Q(meter__model__icontains=text))


def _place(row: Channel) -> str:
    return f"{row.collector or '–'}{f'/{row.number}' if row.number else ''}"


METERS = Table(
    "meters",
    (
        Column(
            "meter",
            _("Meter"),
            lambda row: meter_cell(row.meter),
            (("meter", lambda row: row.meter.serial), ("medium", lambda row: row.meter.medium)),
            ("meter__serial",),
        ),
        Column(
            "collector",
            _("Collector"),
            _place,
            (("collector", lambda row: row.collector.code if row.collector else ""), ("channel", lambda r: r.number)),
            ("collector__code", "number"),
        ),
        Column(
            "model",
            _("Model"),
            lambda row: f"{row.meter.maker} {row.meter.model}",
            (("maker", lambda row: row.meter.maker), ("model", lambda row: row.meter.model)),
            ("meter__maker", "meter__model"),
        ),
        Column("read", _("Read"), lambda row: ago(row.last), (("time", lambda row: row.last),), ("last",)),
    ),
    (Filter("text", _("Text"), _matching), medium_filter("meter__medium")),
    "collector",
    lambda row: row.meter_id,
)
