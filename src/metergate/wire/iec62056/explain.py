"""A message taken apart for people."""

from __future__ import annotations

import re
from collections.abc import Iterator

from metergate.errors import DecodeError
from metergate.wire.base import Keys, Problem, Span
from metergate.wire.iec62056 import frame as frames
from metergate.wire.iec62056.registers import short
from metergate.wire.iec62056.scanner import Piece, Scanner

PARAGRAPH = "IEC 62056-21"
MEANINGS = {
    "P0": "operand of the password",
    "P1": "password",
    "P2": "password, by the operand",
    "B0": "break",
    "E2": "execute",
}
_SET = re.compile(rb"([^()\x00-\x1f]*)\(([^()]*)\)")


def explain(data: bytes, keys: Keys | None = None) -> list[Span]:
    """Every octet of every message in `data`, named; nothing where there is none."""
    scanner = Scanner()
    found = [*scanner.feed(data), *scanner.silence()]
    return [span for piece in found if not isinstance(piece, Problem) for span in _spans(piece)]


def _spans(piece: Piece) -> Iterator[Span]:
    at, octets = piece.offset, piece.octets
    yield Span(at, len(octets), piece.kind, "", 0, PARAGRAPH)
    seven = octets.translate(frames.MASK) if frames.all_even(octets) else octets
    if piece.kind in ("block", "open", "text"):
        yield from _data(at, seven, piece.kind)
        return
    try:
        message = frames.decode(octets)
    except DecodeError as error:
        yield Span(at, len(octets), "broken", error.reason, 1)
        return
    yield from _message(at, seven, message)


def _message(at: int, octets: bytes, message: frames.Frame) -> Iterator[Span]:
    match message:
        case frames.Request(address):
            yield Span(at, 2, "request", "/?", 1, PARAGRAPH)
            yield Span(at + 2, len(address), "device address", address, 1, PARAGRAPH)
            yield Span(at + 2 + len(address), 3, "end", "", 1)
        case frames.Identification(manufacturer, baud_id, text):
            speed = f"{baud_id}: {message.baud or 300} baud, mode {message.mode}"
            yield Span(at, 1, "start", "/", 1)
            yield Span(at + 1, 3, "manufacturer", manufacturer, 1, PARAGRAPH)
            yield Span(at + 4, 1, "baud identification", speed, 1, PARAGRAPH)
            yield Span(at + 5, len(text), "identification", text, 1, PARAGRAPH)
        case frames.Option(protocol, baud_id, mode):
            for place, (name, value) in enumerate((("protocol", protocol), ("baud", baud_id), ("mode", mode)), 1):
                yield Span(at + place, 1, name, value, 1, PARAGRAPH)
        case frames.Command(name):
            yield Span(at, 1, "start of header", "SOH", 1)
            yield Span(at + 1, 2, "command", f"{name} {MEANINGS.get(name, '')}".strip(), 1, PARAGRAPH)
            if name not in ("P1", "P2"):
                yield from _sets(at, octets, 3)
            yield from _check(at, octets)
        case _:
            return


def _data(at: int, octets: bytes, kind: str) -> Iterator[Span]:
    if kind != "text":
        yield Span(at, 1, "start of text", "STX", 1)
    yield from _sets(at, octets, 0)
    if kind == "block":
        yield from _check(at, octets)


def _sets(at: int, octets: bytes, begin: int) -> Iterator[Span]:
    for match in _SET.finditer(octets, begin):
        address, value = (part.decode("latin-1") for part in match.groups())
        yield Span(at + match.start(), match.end() - match.start(), short(address) or "value", value, 1, PARAGRAPH)


def _check(at: int, octets: bytes) -> Iterator[Span]:
    wrong = frames.check(octets)
    yield Span(at + len(octets) - 2, 1, "end", "EOT" if octets[-2] == 4 else "ETX", 1)
    yield Span(at + len(octets) - 1, 1, "check", wrong.reason if wrong else f"{octets[-1]:02x}", 1, PARAGRAPH)
