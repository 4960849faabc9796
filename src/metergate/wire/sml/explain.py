"""A telegram taken apart for people: every byte range with its field, its value and the paragraph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metergate.errors import DecodeError
from metergate.model import Obis
from metergate.model.unit import DLMS_UNITS
from metergate.wire.base import Span
from metergate.wire.sml.codec import MESSAGE
from metergate.wire.sml.identity import identity
from metergate.wire.sml.messages import (
    BODIES,
    GetListResponse,
    GetProfileListResponse,
    GetProfilePackResponse,
    ListEntry,
    PackHeader,
    PackPeriod,
    PackValue,
    ProfileValue,
    Tree,
)
from metergate.wire.sml.tlv import KINDS, LIST, OCTETS, SIGNED, UNSIGNED, Integer, Outline, decode, outline
from metergate.wire.sml.transport import CRC_KINDS, END_CODE, ESCAPE, START, crc_of, find_mark
from metergate.wire.sml.values import field_names

_TRANSPORT, _CODING, _MESSAGES = "SML transport v1", "SML binary coding", "SML messages"
_PARTS = ("transaction", "group", "abort on error", "body", "check sum", "end of message")
_LISTS: dict[tuple[type, str], type] = {
    (GetListResponse, "values"): ListEntry,
    (GetProfileListResponse, "values"): ProfileValue,
    (GetProfilePackResponse, "headers"): PackHeader,
    (GetProfilePackResponse, "periods"): PackPeriod,
    (PackPeriod, "values"): PackValue,
    (Tree, "children"): Tree,
}


def explain(data: bytes) -> list[Span]:
    """The fields of one telegram. What cannot be read is named so; no byte is left out, nothing is raised."""
    at = data.find(START)
    if at < 0:
        return [Span(0, len(data), "no telegram", _octets(data[:32]), 0, _TRANSPORT)]
    mark, seen = find_mark(data, at + 8)
    while mark >= 0 and data[mark + 4] != END_CODE:
        mark, seen = find_mark(data, seen)
    end = mark if mark >= 0 else len(data)
    spans = [Span(0, at, "noise", _octets(data[:at]))] if at else []
    spans.append(Span(at, 8, "start", "escape, version 1", 0, _TRANSPORT))
    if data.find(ESCAPE, at + 8, end) >= 0:
        spans.append(Span(at + 8, end - at - 8, "messages", "not shown: escapes are doubled in them", 0, _TRANSPORT))
    else:
        spans += _payload(data, at + 8, end)
    return spans + list(_end(data, at, mark))


def _end(data: bytes, at: int, mark: int) -> Iterator[Span]:
    if mark < 0:
        yield Span(len(data), 0, "cut off", "there is no end mark", 0, _TRANSPORT)
        return
    kind = crc_of(data[at : mark + 8])
    right = CRC_KINDS[0].stored(data[at : mark + 6]).hex()
    told = f"{kind.name}, right" if kind else f"wrong, {right} would be right"
    yield Span(mark, 5, "end", "escape, end", 0, _TRANSPORT)
    yield Span(mark + 5, 1, "padding bytes", str(data[mark + 5]), 0, _TRANSPORT)
    yield Span(mark + 6, 2, "transport check sum", f"{data[mark + 6 : mark + 8].hex()}: {told}", 0, _TRANSPORT)
    if mark + 8 < len(data):
        yield Span(mark + 8, len(data) - mark - 8, "what follows", _octets(data[mark + 8 : mark + 40]))


def _payload(data: bytes, at: int, end: int) -> Iterator[Span]:
    while at < end:
        stop = at
        while stop < end and data[stop] == 0:
            stop += 1
        if stop > at:
            yield Span(at, stop - at, "padding", "", 0, _TRANSPORT)
            at = stop
            continue
        try:
            element = outline(data, at, end)
        except DecodeError as error:
            yield Span(at, end - at, "not readable", error.reason, 0, _CODING)
            return
        yield from _message(data, element)
        at = element.end


def _message(data: bytes, element: Outline) -> Iterator[Span]:
    parts = element.items
    body = parts[3] if data[element.at] == MESSAGE and len(parts[3].items) == 2 else None
    if body is None:
        yield from _element(data, element, "no message", 0, None)
        return
    tag = _number(data, body.items[0])
    cls = BODIES[tag][0] if tag in BODIES else None
    title = f"{tag:04X} {cls.__name__ if cls else 'unknown'}"
    yield Span(element.at, element.end - element.at, "message", title, 0, _MESSAGES)
    for name, part in zip(_PARTS, parts, strict=True):
        if part is body:
            yield Span(part.at, part.end - part.at, name, title, 1, _MESSAGES)
            yield from _element(data, part.items[0], "choice", 2, None, title)
            yield from _element(data, part.items[1], "content", 2, cls)
        else:
            yield from _element(data, part, name, 1, None, _check(data, element, part) if name == "check sum" else None)


def _check(data: bytes, message: Outline, part: Outline) -> str:
    stored = data[part.content : part.end]
    kind = next((kind for kind in CRC_KINDS if kind.stored(data[message.at : part.at]) == stored), None)
    return f"{stored.hex()}: {kind.name + ', right' if kind else 'wrong'}"


def _element(
    data: bytes, element: Outline, name: str, level: int, cls: type | None, text: str | None = None
) -> Iterator[Span]:
    """An element and all inside of it; `cls` names the parts of a list that is a record."""
    shown = text if text is not None else _text(data, element, name)
    yield Span(element.at, element.end - element.at, name, shown, level, _CODING if cls is None else _MESSAGES)
    names = _names(cls, len(element.items)) or _time_names(name, element)
    for number, item in enumerate(element.items):
        inner = names[number] if names else f"{name} {number + 1}"
        record = _LISTS.get((cls, inner)) if cls and names else None
        if record and item.kind == LIST:
            yield Span(item.at, item.end - item.at, inner, f"{len(item.items)} elements", level + 1, _MESSAGES)
            for part in item.items:
                yield from _element(data, part, _title(record), level + 2, record)
        else:
            yield from _element(data, item, inner, level + 1, Tree if inner in ("tree", "details") else None)


def _title(cls: type) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in cls.__name__).strip()


def _names(cls: Any, count: int) -> list[str]:
    names = field_names(cls) if cls is not None else ()
    return list(names) if len(names) == count else []


def _time_names(name: str, element: Outline) -> list[str]:
    if name == "value" and len(element.items) == 2 and element.items[1].items:
        return ["choice", "time"]
    if "time" not in name and name not in ("begin", "end", "value", "seconds"):
        return []
    return {2: ["choice", "seconds"], 3: ["seconds", "offset", "season"]}.get(len(element.items), [])


def _number(data: bytes, element: Outline) -> int:
    numeric = element.kind in (SIGNED, UNSIGNED) and 1 <= element.end - element.content <= 8
    return int.from_bytes(data[element.content : element.end], "big") if numeric else -1


def _text(data: bytes, element: Outline, name: str) -> str:
    if element.kind == LIST:
        first = element.items[0] if element.items else None
        named = first is not None and first.kind == OCTETS and first.end - first.content == 6
        code = Obis.of(data[first.content : first.end]).full if first is not None and named else ""
        return code or f"{len(element.items)} elements"
    try:
        node, _ = decode(data, element.at, element.end)
    except DecodeError as error:
        return error.reason
    if node is None:
        return "absent"
    if isinstance(node, Integer):
        unit = DLMS_UNITS.get(node.value) if name == "unit" else None
        kind = KINDS[element.kind]
        return (
            f"{node.value} {unit.value}" if unit else f"{node.value} ({kind}, {node.size} byte{'s'[: node.size > 1]})"
        )
    if isinstance(node, bytes):
        return identity(node).id if name == "server" else _octets(node, name == "name")
    return str(node)


def _octets(octets: bytes, obis: bool = False) -> str:
    """Octets for people: an OBIS code, or hex and the text that it is if all of it is printable."""
    if obis and len(octets) == 6:
        return Obis.of(octets).full
    printable = bool(octets) and all(32 <= octet < 127 for octet in octets)
    return octets.hex() + (f" {octets.decode('ascii')!r}" if printable else "")


def guess(data: bytes) -> int:
    """How sure it is that the bytes are SML: 100 with a right check sum, 60 with a start mark, else 0."""
    at = data.find(START)
    if at < 0:
        return 0
    mark, seen = find_mark(data, at + 8)
    while mark >= 0:
        if data[mark + 4] == END_CODE and crc_of(data[at : mark + 8]):
            return 100
        if data[mark + 4 : mark + 8] == START[4:]:
            at = mark
        mark, seen = find_mark(data, seen)
    return 60
