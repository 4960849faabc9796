"""Meters without a recent reading."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import Q
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from metergate.station.collect import missing
from metergate.station.web.tables import Column, Filter, Rows, Table, Words
from metergate.station.web.tables.cells import medium_filter, meter_cell, room_link
from metergate.station.web.templatetags.metergate import ago, num


def _matching(found: Rows, text: str) -> Rows:
    return found.filter(Q(meter__serial__icontains=text) | Q(place__icontains=text))


def _causes() -> Iterable[tuple[str, Words]]:
    return [(code, code) for code in missing.CAUSES]


def _value(gap: missing.Missing) -> Decimal | None:
    latest = getattr(gap.register, "latest", None)
    return latest.value if latest else None


MISSING = Table(
    "missing",
    (
        Column(
            "room",
            _("Room"),
            lambda gap: room_link(gap.room, gap.point),
            (("room", lambda gap: gap.room.number), ("service_point", lambda gap: gap.point.code)),
            ("place",),
        ),
        Column(
            "meter",
            _("Meter"),
            lambda gap: meter_cell(gap.register.meter),
            (("meter", lambda gap: gap.register.meter.serial),),
            ("meter__serial",),
        ),
        Column(
            "cause",
            _("Cause"),
            lambda gap: format_html("<code>{}</code>", gap.cause),
            (("cause", lambda gap: gap.cause),),
            ("cause", "place"),
        ),
        Column(
            "last",
            _("Last good reading"),
            lambda gap: ago(gap.last) if gap.last else gettext("never"),
            (("last", lambda gap: gap.last),),
            ("latest__meter_time", "place"),
        ),
        Column(
            "value",
            _("Value"),
            lambda gap: num(_value(gap), gap.register.unit),
            (("value", _value), ("unit", lambda gap: gap.register.unit)),
            css="n",
        ),
    ),
    (
        Filter("text", _("Text"), _matching),
        medium_filter("meter__medium"),
        Filter("cause", _("Cause"), lambda found, text: found.filter(cause=text), _causes),
    ),
    "last",
    lambda gap: gap.register.meter_id,
    missing.dressed,
)
