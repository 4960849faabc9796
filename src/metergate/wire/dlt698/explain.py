"""A frame taken apart for people, and a guess whether bytes are of this protocol at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metergate.errors import DecodeError
from metergate.wire.base import Keys, Problem, Span
from metergate.wire.dlt698 import objects
from metergate.wire.dlt698.apdu import parts
from metergate.wire.dlt698.decode import Found, readings
from metergate.wire.dlt698.frame import TYPES, Frame, header_size, hunter
from metergate.wire.dlt698.values import Data, plain
from metergate.wire.hunt import SURE, likeness

DOCUMENT = "DL/T 698.45"


def _catches(data: bytes) -> list[tuple[int, bytes] | Problem]:
    hunt = hunter()
    return [*hunt.feed(data), *hunt.silence()]


def guess(data: bytes) -> int:
    """See `hunt.likeness`; a wrong check of the header alone says nothing."""
    sure = likeness(hunter(), data)
    if sure >= SURE:
        return sure
    wrong = [catch for catch in _catches(data) if isinstance(catch, Problem) and catch.code == "bad_checksum"]
    return sure if any("HCS" not in problem.message for problem in wrong) else 0


def explain(data: bytes, keys: Keys | None = None) -> list[Span]:
    """Every octet of the first frame in `data`, named; nothing where there is no frame."""
    for catch in _catches(data):
        if not isinstance(catch, Problem):
            return [*_spans(*catch)]
    return []


def _spans(at: int, octets: bytes) -> Iterator[Span]:
    frame, head = Frame.of(octets), header_size(octets[4])
    direction = "from the meter" if frame.from_meter else "to the meter"
    kind = f"{TYPES[frame.address.kind]}, logical address {frame.address.logical}"
    yield Span(at, len(octets), "frame", direction, 0, DOCUMENT)
    yield Span(at, 1, "start", "68", 1)
    yield Span(at + 1, 2, "length", str(int.from_bytes(octets[1:3], "little")), 1)
    yield Span(at + 3, 1, "control", f"{frame.control:02x} {direction}", 1, DOCUMENT)
    yield Span(at + 4, head - 7, "server address", f"{frame.address.text} ({kind})", 1, DOCUMENT)
    yield Span(at + head - 3, 1, "client address", str(frame.client), 1)
    yield Span(at + head - 2, 2, "header check", octets[head - 2 : head].hex(), 1, DOCUMENT)
    yield Span(at + head, len(frame.apdu), "apdu", "a part" if frame.split else "", 1, DOCUMENT)
    if not frame.split:
        yield from apdu_spans(at + head, frame.apdu)
    yield Span(at + len(octets) - 3, 2, "check", octets[-3:-1].hex(), 1, DOCUMENT)
    yield Span(at + len(octets) - 1, 1, "end", "16", 1)


def apdu_spans(at: int, octets: bytes) -> Iterator[Span]:
    """The parts of an APDU that begins at `at`."""
    try:
        found = parts(octets)
    except DecodeError as error:
        yield Span(at, len(octets), "unreadable", error.reason, 2)
        return
    for depth, name, begin, end, value in found:
        if end > begin:
            yield Span(at + begin, end - begin, name.replace("_", " "), shown(value), 2 + depth, DOCUMENT)


def shown(value: Any) -> str:
    """A part's value for people: attributes with their amounts, else numbers, hex and times."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], int) and isinstance(value[1], tuple):
        oad, result = value
        if len(result) == 2 and result[0] == 1 and isinstance(result[1], Data):
            amounts = [f"{one.value}{' ' + one.unit.value if one.unit else ''}" for one in _amounts(oad, result)]
            return f"{oad:08x} {_name(oad)} = {', '.join(amounts)}".replace("  ", " ")
        if len(result) == 2 and result[0] == 0:
            return f"{oad:08x}: {objects.dar_text(result[1])}"
    if isinstance(value, Data):
        return str(plain(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and value > 0xFFFF:
        return f"{value:08x} {_name(value)}".strip()
    return "" if isinstance(value, tuple | dict) else str(value)


def _amounts(oad: int, result: tuple[int, Any]) -> Iterator[Any]:
    return readings("", Found(oad, result))


def _name(oad: int) -> str:
    return objects.register("", oad).quantity or ""
