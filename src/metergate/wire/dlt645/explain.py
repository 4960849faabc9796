"""A frame taken apart for people, and a guess whether bytes are of this protocol at all."""

from __future__ import annotations

from metergate.errors import DecodeError
from metergate.wire.base import Keys, Problem, Span
from metergate.wire.dlt645.decode import E1997, E2007, Edition, edition, header, slots, split
from metergate.wire.dlt645.frame import Frame, error_text, hunter
from metergate.wire.hunt import SURE, likeness

FUNCTIONS = {
    0x01: "read",
    0x02: "follow-up",
    0x03: "read again",
    0x04: "write",
    0x08: "broadcast time",
    0x0A: "write address",
    0x0C: "baud rate",
    0x0F: "password",
    0x10: "clear demand",
    0x11: "read",
    0x12: "follow-up",
    0x13: "read address",
    0x14: "write",
    0x15: "write address",
    0x16: "freeze",
    0x17: "baud rate",
    0x18: "password",
    0x19: "clear demand",
    0x1A: "clear meter",
    0x1B: "clear events",
    0x1C: "relay, alarm, keep power",
}


def catches(data: bytes) -> list[tuple[int, bytes] | Problem]:
    """All frames and problems of an input that is complete."""
    hunt = hunter()
    return [*hunt.feed(data), *hunt.silence()]


def guess(data: bytes, kind: Edition = E2007) -> int:
    """See `hunt.likeness`; one less for frames that are of the other edition alone."""
    sure = likeness(hunter(), data)
    if sure < SURE:
        return sure
    found = (Frame.of(catch[1]) for catch in catches(data) if not isinstance(catch, Problem))
    return sure if any(edition(frame) is kind for frame in found) else sure - 1


def guess_1997(data: bytes) -> int:
    """As `guess`, for the edition of 1997."""
    return guess(data, E1997)


def explain(data: bytes, keys: Keys | None = None) -> list[Span]:
    """Every octet of the first frame in `data`, named; nothing where there is no frame."""
    for catch in catches(data):
        if not isinstance(catch, Problem):
            return _spans(*catch)
    return []


def _spans(at: int, octets: bytes) -> list[Span]:
    frame = Frame.of(octets)
    name = FUNCTIONS.get(frame.function, "unknown function")
    direction = "reply" if frame.from_meter else "request"
    size = len(frame.data)
    return [
        Span(at, len(octets), "frame", f"{name}, {direction}", 0, "DL/T 645-2007"),
        Span(at, 1, "start", "68", 1),
        Span(at + 1, 6, "address", frame.address, 1, "DL/T 645-2007"),
        Span(at + 7, 1, "start", "68", 1),
        Span(at + 8, 1, "control", f"{frame.control:02x} {name}, {direction}", 1, "DL/T 645-2007"),
        Span(at + 9, 1, "length", str(size), 1, "DL/T 645-2007"),
        *([Span(at + 10, size, "data", frame.data.hex(), 1, "DL/T 645-2007")] if size else []),
        *_data(at + 10, frame),
        Span(at + 10 + size, 1, "check", f"{octets[-2]:02x}", 1, "DL/T 645-2007"),
        Span(at + 11 + size, 1, "end", "16", 1),
    ]


def _data(at: int, frame: Frame) -> list[Span]:
    if frame.error is not None:
        return [Span(at, 1, "error", error_text(frame.error), 2, "DL/T 645-2007")]
    kind, parts = edition(frame), split(frame)
    if parts is None:
        told = {name: value for name, value in header(frame).items() if name not in ("address", "control", "data")}
        return [Span(at, len(frame.data), name, str(value), 2) for name, value in told.items()]
    di, payload = parts
    found = [Span(at, kind.di_size, "identifier", f"{di:0{2 * kind.di_size}x}", 2, "DL/T 645-2007")]
    if not frame.from_meter:
        return found
    try:
        places, _ = slots(kind, frame.address, di, len(payload))
    except DecodeError as error:
        return [*found, Span(at + kind.di_size, len(payload), "payload", error.reason, 2)]
    for place in places:
        size = place.layout.size or len(payload) - place.at
        value, _, reason = place.layout.decode(payload[place.at : place.at + size])
        unit = place.register.unit
        shown = f"{reason}" if value is None else value.hex() if isinstance(value, bytes) else f"{value}"
        text = f"{shown} {unit.value}" if unit and value is not None else shown
        found.append(Span(at + kind.di_size + place.at, size, place.register.quantity or "", text, 2))
    return found
