"""Explanations made whole: every octet of a telegram in exactly one span of the innermost level.

What a protocol names are its fields. Line ends, type-length octets and fillers in between are put in here, in the same
way for all protocols, so that nobody who reads an explanation has to wonder where an octet has gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from metergate.errors import DecodeError
from metergate.wire.base import Keys, ProtocolEntry, Span

DEEPEST = 16
BETWEEN = {b"\r\n": "line end", b"\r": "line end", b"\n": "line end", b" ": "separator", b"\t": "separator"}
"""Names of octets between fields, where they speak for themselves."""


@dataclass(slots=True)
class _Node:
    """A span with what stands inside of it."""

    span: Span
    inside: list[_Node] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.span.start + self.span.length


def whole(entry: ProtocolEntry, data: bytes, keys: Keys) -> list[Span]:
    """`entry.explain`, tiled: no overlap, children inside their parents, the innermost spans cover all of `data`.

    Every span cites a paragraph, its own or the one around it. DecodeError.
    """
    try:
        spans = entry.explain(data, keys) if data else []
    except DecodeError as error:
        spans = [Span(0, len(data), "cannot be explained", error.reason)]
    if not spans:
        spans = [Span(0, len(data), f"no {entry.title}", "no whole frame with right checks")] if data else []
    return list(_told(_nested(spans, len(data)), data, entry))


def _nested(spans: Iterable[Span], size: int) -> _Node:
    """By where they stand: what lies in another is inside of it; what overlaps one before it begins behind that."""
    root = _Node(Span(0, size, ""))
    around = [root]
    inside = [_within(span, 0, size) for span in spans]
    for _, span in sorted(enumerate(inside), key=lambda each: (each[1].start, -each[1].length, each[0])):
        while len(around) > 1 and span.start >= around[-1].end and not _remark(span, around[-1]):
            around.pop()
        begin = span.start
        while len(around) > 1 and span.start + span.length > around[-1].end:
            begin = max(begin, around.pop().end)
        node = _Node(_within(span, max(begin, around[-1].span.start), around[-1].end))
        around[-1].inside.append(node)
        if node.span.length:
            around.append(node)
    return root


def _within(span: Span, begin: int, end: int) -> Span:
    """The part of a span between two places."""
    first = min(max(span.start, begin), end)
    return replace(span, start=first, length=max(0, min(span.start + span.length, end) - first))


def _remark(span: Span, node: _Node) -> bool:
    """A remark of no length behind a field that it is about."""
    return not span.length and span.start == node.end and span.level > node.span.level


def _told(root: _Node, data: bytes, entry: ProtocolEntry) -> Iterator[Span]:
    """The tree as a list again, gaps filled."""
    stack: list[tuple[_Node, int, str]] = [(node, 0, entry.document) for node in reversed(_tiled(root, data, entry))]
    while stack:
        node, level, around = stack.pop()
        paragraph = node.span.paragraph or around
        yield replace(node.span, level=min(level, DEEPEST), paragraph=paragraph)
        inside = _tiled(node, data, entry) if any(one.span.length for one in node.inside) else node.inside
        stack += [(one, level + 1, paragraph) for one in reversed(inside)]


def _tiled(node: _Node, data: bytes, entry: ProtocolEntry) -> list[_Node]:
    """What is inside of a node, and the octets between."""
    found: list[_Node] = []
    at = node.span.start
    for one in node.inside:
        if one.span.start > at:
            found.append(_between(data, at, one.span.start, entry))
        found.append(one)
        at = max(at, one.end)
    if at < node.end:
        found.append(_between(data, at, node.end, entry))
    return found


def _between(data: bytes, begin: int, end: int, entry: ProtocolEntry) -> _Node:
    octets = data[begin:end]
    name = BETWEEN.get(octets, "line end" if not octets.strip(b"\r\n") else entry.between)
    return _Node(Span(begin, end - begin, name, "" if name == "line end" else octets[:16].hex()))
