"""What was found, written as a gateway's settings (TOML)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from metergate.meters.scan.base import Hit, Scope, Survey

Block = tuple[str, str, Scope, list[Hit]]
"""What a line may be: its address, protocol, how it was searched, and the meters."""
PATIENT = 1.0
"""Seconds: who waited longer for answers finds meters that need it."""


def settings(surveys: Mapping[str, Survey]) -> str:
    """The lines and meters of a gateway's file.

    A gateway opens a line once and speaks one protocol on it. Where several were found, at one speed or at several, the
    one with most meters that can be read is written and the others are comments, which say so.
    """
    parts: list[str] = []
    for place in dict.fromkeys(map(_place, surveys)):
        blocks = [block for url, one in surveys.items() if _place(url) == place for block in _blocks(url, one)]
        blocks.sort(key=lambda block: -sum(hit.sure for hit in block[3]))
        parts += [_written(block, blocks) for block in blocks]
    parts += [f"# {_flat(problem)}" for survey in surveys.values() for problem in survey.problems]
    return "\n\n".join(parts) + "\n" if parts else "# nothing was found\n"


def _place(url: str) -> str:
    """The line itself, without its settings."""
    return url.partition("?")[0]


def _blocks(url: str, survey: Survey) -> Iterator[Block]:
    for protocol in dict.fromkeys(hit.protocol for hit in survey.hits):
        yield url, protocol, survey.scope, [hit for hit in survey.hits if hit.protocol == protocol]


def _written(block: Block, blocks: Sequence[Block]) -> str:
    """A line's block; as a comment if another one of its line was written."""
    lines = list(_line(*block))
    if block is blocks[0]:
        if len(blocks) > 1:
            lines[:0] = _several(blocks)
        return "\n".join(lines)
    return "\n".join(f"# {line}".rstrip() for line in ("instead of the block above:", *lines))


def _several(blocks: Sequence[Block]) -> Iterator[str]:
    told = ", ".join(f"{len(hits)} of {protocol} ({url})" for url, protocol, _, hits in blocks)
    yield f"# Meters of several protocols or speeds answer on this line: {_flat(told)}."
    yield "# A gateway opens a line once and speaks one protocol on it, so that only the first block is in force. The"
    yield "# meters of the others need a line of their own, or their block takes the place of the first."


def _line(url: str, protocol: str, scope: Scope, hits: Iterable[Hit]) -> Iterator[str]:
    yield "[[line]]"
    yield f"url = {_quoted(url)}"
    yield f"protocol = {_quoted(protocol)}"
    if scope.echo:
        yield "echo = true"
    if scope.timeout and scope.timeout > PATIENT:
        yield f"spare = {scope.timeout:g}"
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
