"""What was found, written as a gateway's settings (TOML)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from metergate.meters.scan.base import Hit, Survey


def settings(surveys: Mapping[str, Survey]) -> str:
    """The lines and meters of a gateway's file. Where a line has several protocols, those after the first are comments:
    a line speaks one."""
    parts: list[str] = []
    used: set[str] = set()
    for url, survey in surveys.items():
        for protocol in dict.fromkeys(hit.protocol for hit in survey.hits):
            hits = [hit for hit in survey.hits if hit.protocol == protocol]
            lines = list(_line(url, protocol, hits))
            place = url.partition("?")[0]
            if place in used:
                lines = [f"# {line}".rstrip() for line in ("on the same line, so one of them only:", *lines)]
            used.add(place)
            parts.append("\n".join(lines))
        parts += [f"# {_flat(problem)}" for problem in survey.problems]
    return "\n\n".join(parts) + "\n" if parts else "# nothing was found\n"


def _line(url: str, protocol: str, hits: Sequence[Hit]) -> Iterator[str]:
    yield "[[line]]"
    yield f"url = {_quoted(url)}"
    yield f"protocol = {_quoted(protocol)}"
    for hit in hits:
        yield ""
        yield f"# {_flat(hit.title)}" + (f" ({_flat(hit.note)})" if hit.note else "")
        yield from _meter(hit) if hit.sure else (f"# {line}" for line in _meter(hit))


def _meter(hit: Hit) -> Iterator[str]:
    yield "[[line.meter]]"
    yield f"id = {_quoted(hit.id)}"
    if hit.address != hit.id:
        yield f"address = {_quoted(hit.address)}"
    if hit.map:
        yield f"map = {_quoted(hit.map)}"


def _quoted(text: str) -> str:
    """A basic string of TOML, which JSON's are too."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def _flat(text: str) -> str:
    """Fit for a comment: one line, no control characters, whatever a device called itself."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()
