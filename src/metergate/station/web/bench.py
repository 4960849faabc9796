"""The workbench's work: a telegram taken apart for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from metergate.errors import BadValue, MetergateError
from metergate.wire import protocols
from metergate.wire.base import Problem, ProtocolEntry, Span, Telegram, received
from metergate.wire.contract import keyring, pasted, reading_json

LIMIT = 8192
PER_ROW = 16
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class HexRow:
    """Sixteen bytes with their offset."""

    offset: str
    bytes: list[tuple[int, str]]
    ascii: str


@dataclass(frozen=True, slots=True)
class SpanRow:
    """A named range of bytes."""

    start: int
    end: int
    name: str
    value: str
    depth: int
    paragraph: str


@dataclass
class Taken:
    """What the workbench shows."""

    title: str
    document: str
    size: int
    hex_rows: list[HexRow]
    spans: list[SpanRow] = field(default_factory=list)
    readings: list[dict[str, object]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def parse(text: str) -> bytes:
    """Bytes from hex with any spacing, or a text telegram. ValueError in words for people."""
    try:
        data = pasted(text)
    except BadValue as error:
        raise ValueError(error.reason) from None
    if len(data) > LIMIT:
        raise ValueError(_("More than %(n)d bytes; the workbench takes one telegram.") % {"n": LIMIT})
    return data


def parse_keys(text: str) -> dict[str, bytes]:
    """Keys as `contract.keyring` has them. ValueError in words for people."""
    try:
        return keyring(text)
    except BadValue as error:
        raise ValueError(error.reason) from None


def take_apart(data: bytes, name: str, keys: Mapping[str, bytes]) -> Taken:
    """Decode and explain; `name` empty: the protocol that the bytes look most like."""
    known = protocols()
    entry = known.get(name) or _guess(data, known)
    taken = Taken(
        entry.title if entry else _("Unknown protocol"), entry.document if entry else "", len(data), rows(data)
    )
    if entry is None:
        taken.problems.append(Problem("unsupported", 0, _("No protocol knows these bytes.")))
        return taken
    _decode(taken, entry, data, keys)
    try:
        taken.spans = [_row(span) for span in entry.explain(data, keys)]
    except MetergateError as error:
        if not taken.problems:
            taken.problems.append(Problem(error.code, getattr(error, "offset", 0), str(error)))
    return taken


def _guess(data: bytes, known: Mapping[str, ProtocolEntry]) -> ProtocolEntry | None:
    sure, entry = max(((each.guess(data), each) for each in known.values()), key=lambda pair: pair[0])
    return entry if sure > 0 else None


def _decode(taken: Taken, entry: ProtocolEntry, data: bytes, keys: Mapping[str, bytes]) -> None:
    receiver = entry.receiver(keys, {})
    for found in received(receiver, data):
        if isinstance(found, Telegram):
            taken.readings += [reading_json(reading) for reading in found.readings]
            taken.problems += found.problems
        else:
            taken.problems.append(found)


def _row(span: Span) -> SpanRow:
    return SpanRow(
        span.start, span.start + span.length, span.name, span.value, min(span.level, MAX_DEPTH), span.paragraph
    )


def rows(data: bytes) -> list[HexRow]:
    """The bytes in rows of sixteen."""
    return [
        HexRow(
            f"{start:04x}",
            [(start + i, f"{byte:02x}") for i, byte in enumerate(data[start : start + PER_ROW])],
            "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in data[start : start + PER_ROW]),
        )
        for start in range(0, len(data), PER_ROW)
    ]
