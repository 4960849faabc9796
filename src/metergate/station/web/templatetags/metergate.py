"""What templates draw: icons, numbers with unit and age, lamps."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from metergate.model import Quality
from metergate.station.collect.series import Counted
from metergate.station.web import numbers

register = template.Library()
DIST = Path(__file__).parent.parent / "static" / "web" / "dist"
PLAIN_STYLES = ("tokens.css", "frame.css", "parts.css", "pages.css", "charts.css")


@cache
def _built(name: str) -> dict[str, object]:
    try:
        found = json.loads((DIST / name).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@register.simple_tag
def styles() -> SafeString:
    """The style sheets: the built one, or the sources where nothing was built."""
    entry = _built("manifest.json").get("main.js")
    names = [f"web/dist/{name}" for name in entry.get("css", [])] if isinstance(entry, dict) else []
    files = names or [f"assets/{name}" for name in PLAIN_STYLES]
    return format_html_join("\n", '<link rel="stylesheet" href="{}">', ((static(name),) for name in files))


@register.simple_tag
def script(name: str) -> SafeString:
    """A built script; nothing where nothing was built, since pages are readable without."""
    entry = _built("manifest.json").get(name)
    if not isinstance(entry, dict):
        return mark_safe("")
    return format_html('<script type="module" src="{}"></script>', static(f"web/dist/{entry['file']}"))


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An icon of the one set; decoration unless it has a label."""
    body = _built("icons.json").get(name, "")
    meaning = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" width="18" height="18" {}>{}</svg>',
        meaning,
        mark_safe(str(body)),  # noqa: S308 - from our own build
    )


@register.simple_tag
def num(value: Decimal | float | None, unit: str = "", decimals: int | None = None) -> SafeString:
    """A number with its unit smaller and lighter, a thin space between."""
    digits, name = numbers.shown(value, unit, decimals)
    return _numeral(digits, name)


@register.simple_tag
def used(found: Counted, unit: str, decimals: int, form: str = "H:i") -> SafeString:
    """An amount used in a period, with what it lacks: since when it counts, or why there is none."""
    lacking = numbers.lacking(found, form)
    if not lacking:
        return num(found.amount, unit, decimals)
    whole = _("From before there is no value: what was used until then is not known.")
    return format_html(
        '{} <small class="lacking" title="{}">{}</small>',
        num(found.amount, unit, decimals),
        f"{numbers.lacking(found, 'j M Y H:i')}. {whole}" if found.since else _("No value came in this time."),
        lacking,
    )


def _numeral(digits: str, unit: str) -> SafeString:
    if not unit:
        return format_html('<span class="num">{}</span>', digits)
    return format_html('<span class="num">{}<span class="unit">&#8239;{}</span></span>', digits, unit)


QUALITY_MARKS = {
    Quality.BAD: ("doubtful", "●", _("refused by validation")),
    Quality.SUSPECT: ("doubtful", "●", _("doubtful")),
    Quality.ESTIMATED: ("estimated", "~", _("estimated")),
}


@register.simple_tag
def quality_mark(quality: int | None) -> SafeString:
    """What is to be known of a value's certainty; nothing for a good one."""
    name, sign, words = QUALITY_MARKS.get(Quality(quality or 0), ("", "", ""))
    if not name:
        return mark_safe("")
    return format_html('<abbr class="mark {}" title="{}" aria-label="{}">{}</abbr>', name, words, words, sign)


@register.simple_tag(takes_context=True)
def latest(context: template.Context, row: object | None, unit: str, period_s: int, pk: str) -> SafeString:
    """A live value: number, mark and, once older than its interval, its age."""
    return live_value(row, unit, period_s, pk, context.get("now") or timezone.now())


def live_value(row: object | None, unit: str, period_s: int, pk: object, now: datetime) -> SafeString:
    """A live value at `now`."""
    at = getattr(row, "meter_time", None) or None
    state = numbers.freshness(at, period_s, now)
    value, said = getattr(row, "value", None), getattr(row, "text", "")
    digits, name = numbers.newest(value, said, unit)
    aged = numbers.age(at, now) if at and state in {"aged", "stale"} else ""
    why = "" if value is not None or said else getattr(row, "reason", "") or _("no value yet")
    return format_html(
        '<span class="live {}" data-live="{}">{}{}<span class="age">{}</span></span>',
        state,
        pk,
        _numeral(digits, name),
        quality_mark(getattr(row, "quality", Quality.ABSENT)),
        aged or why,
    )


_DASH = mark_safe('<span class="muted">–</span>')


@register.simple_tag
def when(at: datetime | None, form: str = "H:i") -> SafeString:
    """A time of day with the whole of it, zone included, on hover."""
    if not at:
        return _DASH
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        f"{date_format(local, 'j M Y H:i:s')} {local.tzname()}",
        date_format(local, form),
    )


@register.simple_tag
def ago(at: datetime | None) -> SafeString:
    """How long ago, ticking; the whole time on hover."""
    if not at:
        return _DASH
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" data-ago title="{} {}">{}</time>',
        local.isoformat(),
        date_format(local, "j M Y H:i:s"),
        local.tzname(),
        numbers.age(at, timezone.now()),
    )


@register.simple_tag
def lamp(state: str, words: str = "") -> SafeString:
    """A state as colour, shape and word."""
    return format_html('<span class="lamp {}"><i aria-hidden="true"></i>{}</span>', state, words)


MEDIUM_ICONS = {
    "electricity": "zap",
    "cold_water": "droplet",
    "hot_water": "droplets",
    "gas": "flame",
    "heat": "thermometer",
}


@register.simple_tag
def medium_icon(medium: str) -> SafeString:
    """The icon of a medium, in its colour."""
    return format_html('<span class="medium {}">{}</span>', medium, icon(MEDIUM_ICONS.get(medium, "gauge")))


@register.simple_tag(takes_context=True)
def with_query(context: template.Context, **changes: object) -> str:
    """This page's query with some parameters changed; an empty value drops one."""
    request = context["request"]
    assert isinstance(request, HttpRequest)
    query = request.GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value not in (None, ""):
            query[name] = str(value)
    return f"?{query.urlencode()}" if query else "?"


@register.simple_tag
def debug_build() -> bool:
    """Whether the built scripts are missing."""
    return not _built("manifest.json") and settings.DEBUG
