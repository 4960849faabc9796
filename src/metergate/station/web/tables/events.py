"""Alarms and events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from django.db.models import Q
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from metergate.station.collect.models import Event
from metergate.station.web import states
from metergate.station.web.tables import Column, Filter, Rows, Table, Words
from metergate.station.web.tables.cells import room_link
from metergate.station.web.templatetags.metergate import ago, lamp, when


def _what(event: Event) -> SafeString:
    told = format_html_join(" ", "{} {}", ((name, value) for name, value in event.args.items()))
    small = format_html('<br><small class="muted">{}</small>', told) if told else ""
    return format_html('<span id="{}">{}</span>{}', event.pk, states.title(event.code), small)


def _where(event: Event) -> SafeString:
    room = room_link(event.room) if event.room else ""
    return format_html("{} <code>{}</code>", room, event.source)


def _when(event: Event) -> SafeString:
    return format_html('{} <span class="muted">{}</span>', when(event.time, "j M H:i"), ago(event.time))


def _taken(event: Event) -> SafeString:
    if event.acknowledged_at is not None:
        return format_html("{}, {}", event.acknowledged_by or "–", when(event.acknowledged_at, "j M H:i"))
    if not event.may_be_taken:  # type: ignore[attr-defined]
        return format_html('<span class="muted">{}</span>', gettext("open"))
    return format_html(
        '<button class="button small" form="picked" formaction="{}">{}<span class="hidden"> {} {}</span></button>',
        reverse("acknowledge", args=[event.pk]),
        gettext("Acknowledge"),
        states.title(event.code),
        event.source,
    )


def table(may_take: bool) -> Table:
    """The table for somebody who may acknowledge, or may not."""

    def dress(found: Iterable[Event]) -> list[Event]:
        rows = list(found)
        for row in rows:
            row.may_be_taken = may_take  # type: ignore[attr-defined]
        return rows

    return replace(EVENTS, dress=dress)


def _matching(found: Rows, text: str) -> Rows:
    return found.filter(Q(source__icontains=text) | Q(code__icontains=text) | Q(room__number__icontains=text))


def _severities() -> Iterable[tuple[str, Words]]:
    return [(str(number), words) for number, words in Event.SEVERITIES]


def _severity(found: Rows, text: str) -> Rows:
    return found.filter(severity=int(text)) if text.isdecimal() and len(text) < 4 else found


EVENTS = Table(
    "events",
    (
        Column(
            "severity",
            _("Severity"),
            lambda event: lamp(states.level(event.severity), event.get_severity_display()),
            (("severity", lambda event: event.get_severity_display()),),
            ("severity", "time"),
        ),
        Column("what", _("What"), _what, (("code", lambda event: event.code),), ("code", "time")),
        Column(
            "where",
            _("Where"),
            _where,
            (("source", lambda event: event.source), ("room", lambda event: event.room.number if event.room else "")),
            ("room__number", "source"),
        ),
        Column("when", _("When"), _when, (("time", lambda event: event.time),), ("time",)),
        Column(
            "taken",
            _("Acknowledged"),
            _taken,
            (
                ("acknowledged", lambda event: event.acknowledged_at),
                ("by", lambda event: str(event.acknowledged_by or "")),
            ),
            ("acknowledged_at",),
        ),
        Column(
            "received", _("Received"), lambda event: when(event.received, "j M H:i:s"),
            (("received", lambda event: event.received),), ("received",), shown=False,
        ),
    ),
    (
        Filter("text", _("Text"), _matching),
        Filter("severity", _("Severity"), _severity, _severities),
    ),
    "-severity",
    lambda event: event.pk,
)  # fmt: skip
