"""Explanations on a screen: place, octets, field by field with its value, the paragraph where it changes."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from metergate.cli.screen import plain
from metergate.wire.base import Span

OCTETS = 8
"""Octets shown of a field."""
LEFT = 12 + 3 * OCTETS
"""Columns in front of the names."""
LINES = 4
"""Lines that one value may take."""
NARROWEST = 80


def print_spans(console: Console, spans: Iterable[Span], data: bytes, base: int = 0) -> None:
    """Print the spans of `data`, which stands at byte `base` of what people see."""
    paragraph = ""
    for span in spans:
        news = span.paragraph != paragraph and bool(span.value)
        console.print(*_lines(span, data, base, max(console.width, NARROWEST), news), sep="\n")
        paragraph = span.paragraph if news else paragraph


def _lines(span: Span, data: bytes, base: int, width: int, cite: bool) -> list[Text]:
    octets = data[span.start : span.start + span.length]
    shown = octets.hex(" ") if len(octets) <= OCTETS else octets[: OCTETS - 1].hex(" ") + " …"
    place = f"{base + span.start:5} {span.length:4}  " if span.length else " " * 12
    indent = "  " * span.level
    room = width - LEFT - len(indent)
    cited = f"  {span.paragraph}" if cite else ""
    words = f"{span.name}  {plain(span.value)}".rstrip()
    rows = wrap(words, max(room - len(cited), 20), subsequent_indent="  ") or [span.name]
    if len(rows) > LINES:
        rows = [*rows[: LINES - 1], rows[LINES - 1][: max(room - len(cited) - 1, 1)] + "…"]
    lines = []
    for number, row in enumerate(rows):
        left = f"{place}{shown:<{3 * OCTETS}}" if number == 0 else " " * LEFT
        line = Text(left, no_wrap=True).append(f"{indent}{row}")
        if number == 0:
            line = _coloured(line, LEFT + len(indent), len(span.name))
            if cited:
                line.append(" " * max(width - len(line) - len(cited) - 1, 0)).append(cited, "dim")
        lines.append(line)
    return lines


def _coloured(line: Text, begin: int, length: int) -> Text:
    line.stylize("bold", begin + length)
    line.stylize("dim", 0, LEFT)
    return line
