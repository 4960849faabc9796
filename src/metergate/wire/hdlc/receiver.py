"""The listening end, a frame taken apart for people, and a guess whether bytes are HDLC at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from metergate.errors import DecodeError
from metergate.wire.base import Keys, Options, Problem, Span, Telegram
from metergate.wire.hdlc.address import Address
from metergate.wire.hdlc.frame import REQUEST, RESPONSE, Frame, Kind, kind_of
from metergate.wire.hdlc.framer import Framer
from metergate.wire.hdlc.parameters import Parameters
from metergate.wire.hunt import HuntingReceiver, likeness

DOCUMENT = "IEC 62056-46"


def _address(address: Address) -> dict[str, int | None]:
    return {"logical": address.logical, "physical": address.physical}


def name_of(control: int) -> str:
    """The kind of frame by its name, "unknown" for control fields that this profile does not use."""
    try:
        return kind_of(control).name
    except DecodeError:
        return "unknown"


class Receiver(HuntingReceiver):
    """Frames as they pass, from and to whomever; there is no meter's value in this layer."""

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        super().__init__(Framer())

    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The telegram of a whole, right frame."""
        frame = Frame.of(octets)
        name = name_of(frame.control)
        fields: dict[str, object] = {
            "control": f"{frame.control:02x}",
            "kind": name,
            "destination": _address(frame.destination),
            "source": _address(frame.source),
            "information": frame.information.hex(),
            "segmented": frame.segmented,
            "final": frame.final,
        }
        if name in ("I", "RR", "RNR"):
            fields["receive"] = frame.receive
        if name == "I":
            fields["send"] = frame.send
        unknown = Problem("unsupported", offset, f"control field {frame.control:02x} is not used by this profile")
        problems = (unknown,) if name == "unknown" else ()
        return Telegram("dlms-hdlc", offset, len(octets), True, octets, None, fields, (), problems)


def guess(data: bytes) -> int:
    """See `hunt.likeness`."""
    return likeness(Framer(), data)


def explain(data: bytes, keys: Keys | None = None) -> list[Span]:
    """Every octet of the first frame in `data`, named; nothing where there is no frame."""
    framer = Framer()
    for catch in (*framer.feed(data), *framer.silence()):
        if not isinstance(catch, Problem):
            return list(_spans(*catch))
    return []


def _spans(at: int, octets: bytes) -> Iterator[Span]:
    frame = Frame.of(octets)
    what = name_of(frame.control)
    begin = at + 3
    yield Span(at, len(octets), "frame", what, 0, DOCUMENT)
    yield Span(at, 1, "flag", "7e", 1)
    more = ", more segments follow" if frame.segmented else ""
    yield Span(at + 1, 2, "format", f"type 3, {len(octets) - 2} bytes{more}", 1, DOCUMENT)
    for name, address in (("destination", frame.destination), ("source", frame.source)):
        yield Span(begin, address.size, name, str(address), 1, DOCUMENT)
        begin += address.size
    yield Span(begin, 1, "control", _control(frame, what), 1, DOCUMENT)
    begin += 1
    size = len(frame.information)
    if size or at + len(octets) - begin > 3:
        yield Span(begin, 2, "header check", octets[begin - at : begin - at + 2].hex(), 1, DOCUMENT)
        begin += 2
    if size:
        yield Span(begin, size, "information", frame.information.hex(), 1, DOCUMENT)
        yield from _information(begin, frame, what)
    yield Span(begin + size, 2, "frame check", octets[-3:-1].hex(), 1, DOCUMENT)
    yield Span(at + len(octets) - 1, 1, "flag", "7e", 1)


def _control(frame: Frame, what: str) -> str:
    parts = [f"{frame.control:02x} {what}"]
    if what == "I":
        parts.append(f"N(S) {frame.send}")
    if what in ("I", "RR", "RNR"):
        parts.append(f"N(R) {frame.receive}")
    return ", ".join([*parts, *(["poll/final"] if frame.final else [])])


def _information(at: int, frame: Frame, what: str) -> Iterator[Span]:
    if what in (Kind.SNRM.name, Kind.UA.name):
        try:
            found = Parameters.of(frame.information)
        except DecodeError as error:
            yield Span(at, len(frame.information), "parameters", error.reason, 2)
            return
        ways = (("transmit", found.transmit, found.transmit_window), ("receive", found.receive, found.receive_window))
        text = ", ".join(f"{way} {size} bytes, window {window}" for way, size, window in ways)
        yield Span(at, len(frame.information), "parameters", text, 2, DOCUMENT)
    elif frame.information[:3] in (REQUEST, RESPONSE):
        way = "request" if frame.information.startswith(REQUEST) else "response"
        yield Span(at, 3, "LLC header", way, 2, DOCUMENT)
        yield Span(at + 3, len(frame.information) - 3, "APDU", frame.information[3:].hex(), 2)
