"""Small drawings made on the server: sparklines, rings, strips, bars. SVG without styles, for the strict policy."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()
Strip = Sequence[tuple[str, str]]


@register.simple_tag
def sparkline(values: Sequence[float | None], css: str = "", label: str = "") -> SafeString:
    """A line over the last values; gaps stay gaps. 240 x 40."""
    top = max((value for value in values if value is not None), default=0) or 1
    step = 240 / max(1, len(values) - 1)
    paths, pen = [], "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        paths.append(f"{pen}{place * step:.1f} {38 - 36 * value / top:.1f}")
        pen = "L"
    return format_html(
        '<svg class="spark {}" viewBox="0 0 240 40" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path class="base" d="M0 39H240"/><path class="line" d="{}"/></svg>',
        css,
        label,
        "".join(paths) or "M0 0",
    )


@register.simple_tag
def ring(percent: float | None, label: str = "") -> SafeString:
    """A share of a whole as a ring, 0 to 100; an empty ring where nothing is known."""
    share = max(0.0, min(100.0, percent or 0.0))
    return format_html(
        '<svg class="ring {}" viewBox="0 0 40 40" role="img" aria-label="{}">'
        '<circle class="track" cx="20" cy="20" r="16" pathLength="100"/>'
        '<circle class="share" cx="20" cy="20" r="16" pathLength="100" stroke-dasharray="{} 100"'
        ' transform="rotate(-90 20 20)"/></svg>',
        "good" if share >= 98.5 else "poor",
        label,
        f"{share:.2f}",
    )


@register.simple_tag
def strip(cells: Strip, label: str = "") -> SafeString:
    """Cells side by side, each a state and its words: the last day of a line in quarters of an hour."""
    boxes = format_html_join(
        "",
        '<rect class="{}" x="{}" y="0" width="5" height="16"><title>{}</title></rect>',
        ((state, place * 6, words) for place, (state, words) in enumerate(cells)),
    )
    return format_html(
        '<svg class="strip" viewBox="0 0 {} 16" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        max(1, len(cells) * 6 - 1),
        label,
        boxes,
    )


@register.simple_tag
def columns(values: Sequence[float | None], css: str = "", label: str = "", top: float = 0.0) -> SafeString:
    """Bars from zero, 30 days or so; a gap is hatched by its class."""
    highest = top or max((value for value in values if value is not None), default=0) or 1
    width = 240 / max(1, len(values))
    bars = format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>',
        (_column(place, value, width, highest) for place, value in enumerate(values)),
    )
    return format_html(
        '<svg class="columns {}" viewBox="0 0 240 40" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        css,
        label,
        bars,
    )


def _column(place: int, value: float | None, width: float, top: float) -> tuple[str, str, str, str, str]:
    high = 40.0 if value is None else max(0.5, 40 * value / top) if value else 0.0
    css = "gap" if value is None else "bar"
    return css, f"{place * width:.2f}", f"{40 - high:.2f}", f"{width * 0.78:.2f}", f"{high:.2f}"


@register.simple_tag
def meter_bar(share: float | None, css: str, partial: bool = False) -> SafeString:
    """One small upright bar, 0 to 1 of the building's highest; `partial`: striped, since it does not count from the
    beginning; an outline where nothing is known."""
    if share is None:
        return format_html('<svg class="tiny {}" viewBox="0 0 6 28" aria-hidden="true">{}</svg>', css, _EMPTY)
    high = max(1.0, 28 * min(1.0, share)) if share else 0.0
    return format_html(
        '<svg class="tiny {}" viewBox="0 0 6 28" aria-hidden="true"><rect class="track" width="6" height="28"/>'
        '<rect class="bar" y="{}" width="6" height="{}"/>{}</svg>',
        css,
        f"{28 - high:.1f}",
        f"{high:.1f}",
        _stripes(high) if partial else "",
    )


def _stripes(high: float) -> SafeString:
    return format_html(
        '<path class="stripes" d="{}"/>', "".join(f"M0 {y}L6 {y - 2}" for y in range(27, 27 - int(high), -4))
    )


_EMPTY = mark_safe('<rect class="none" x=".5" y=".5" width="5" height="27"/>')
