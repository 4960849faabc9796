"""A frame taken apart for people, and how much bytes look like one."""

from __future__ import annotations

from collections.abc import Iterator

from metergate.errors import DecodeError
from metergate.wire.base import Keys, Span
from metergate.wire.tic.frame import ETX, STANDARD, STX, Group, Place, decode_frame, mode_of, places
from metergate.wire.tic.labels import LABELS, moment, status_bits

_FORM, _LABELS = "Enedis-NOI-CPT_54E §5.3", "Enedis-NOI-CPT_54E §6"


def explain(data: bytes, keys: Keys) -> list[Span]:
    """The fields of one frame. What cannot be read is named so; nothing is raised."""
    at = data.find(STX)
    end = data.find(ETX, at + 1)
    if at < 0 or end < 0:
        return [Span(0, len(data), "no frame", data[:32].hex(), 0, _FORM)]
    frame = data[at : end + 1]
    mode = mode_of(frame)
    spans = [Span(0, at, "noise")] if at else []
    spans.append(Span(at, 1, "start", f"STX, {mode} mode", 0, _FORM))
    for place in places(frame):
        spans += _group(place, at, mode)
    return [*spans, Span(end, 1, "end", "ETX", 0, _FORM)]


def _group(place: Place, base: int, mode: str) -> Iterator[Span]:
    start, group = base + place.at, place.found
    if not isinstance(group, Group):
        yield Span(start, place.length, "not readable", group.reason, 0, _FORM)
        return
    yield Span(start, place.length, group.label, _told(group), 0, _LABELS)
    at = start + 1
    yield Span(at, len(group.label), "label", group.label, 1, _LABELS)
    at += len(group.label) + 1
    if group.stamp is not None:
        instant, _ = moment(group.stamp)
        yield Span(at, len(group.stamp), "time", instant.isoformat() if instant else "none", 1, _LABELS)
        at += len(group.stamp) + 1
    yield Span(at, len(group.value), "value", group.value, 1, _LABELS)
    yield Span(at + len(group.value) + 1, 1, "check sum", f"right{', over the tab too' * (mode == STANDARD)}", 1, _FORM)


def _told(group: Group) -> str:
    unit = LABELS.get(group.label, (None, None))[1]
    bits = status_bits(group.value) if group.label == "STGE" else {}
    more = ", ".join(f"{name} {told}" for name, told in bits.items())
    return f"{group.value} {unit.value}" if unit else more or group.value


def guess(data: bytes) -> int:
    """100: a frame with right check sums; else 0."""
    at = data.find(STX)
    end = data.find(ETX, at + 1)
    if at < 0 or end < 0 or data[at + 1 : at + 2] != b"\n":
        return 0
    try:
        return 100 if decode_frame(data[at : end + 1]).groups else 0
    except DecodeError:
        return 0
