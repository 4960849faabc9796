"""Cells that several tables have."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metergate.station.archive.models import Medium, Meter, Room, ServicePoint
from metergate.station.web.tables import Filter, Words
from metergate.station.web.templatetags.metergate import medium_icon


def room_link(room: Room | None, point: ServicePoint | None = None) -> SafeString:
    """The room's number, leading to its page."""
    if room is None:
        return format_html('<span class="muted">{}</span>', _("unassigned"))
    query = f"?sp={point.code}" if point else ""
    return format_html('<a href="{}{}">{}</a>', reverse("room", args=[room.code]), query, room.number)


def meter_cell(meter: Meter) -> SafeString:
    """Medium and serial number."""
    icon = medium_icon(meter.medium) if meter.medium else ""
    return format_html("{} <code>{}</code>", icon, meter.serial)


def media() -> Iterable[tuple[str, Words]]:
    """The media as choices."""
    return Medium.choices


def medium_filter(path: str) -> Filter:
    """By medium, at `path` from the row."""
    return Filter("medium", gettext_lazy("Medium"), lambda rows, text: rows.filter(**{path: text}), media)
