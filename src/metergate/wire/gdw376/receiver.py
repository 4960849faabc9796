"""The listening end, and what people see of a frame."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from metergate.errors import DecodeError
from metergate.model import Medium, MeterIdentity, Reading
from metergate.wire.base import Keys, Options, Problem, Span, Telegram
from metergate.wire.gdw376.decode import header, message, units
from metergate.wire.gdw376.frame import NAMES, PASSWORD, Frame, Joiner, hunter
from metergate.wire.hunt import HuntingReceiver, likeness

DOCUMENT = "Q/GDW 376.1"
TALKS = 256
"""Most answers in several frames that are followed at once."""


class Receiver(HuntingReceiver):
    """Frames of Q/GDW 376.1. Options: `utc_offset`, minutes of the terminals' clocks; `password`, octets of PW (16)."""

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        super().__init__(hunter())
        options = options or {}
        offset, password = options.get("utc_offset"), options.get("password")
        self._utc_offset = offset if isinstance(offset, int) else None
        self._password = password if isinstance(password, int) else PASSWORD
        self._talks: dict[tuple[object, ...], Joiner] = {}

    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The telegram of a whole, right frame; the last frame of an answer carries the readings of all of them."""
        told: dict[str, object] = {}
        found: tuple[Reading, ...] = ()
        problems: tuple[Problem, ...] = ()
        try:
            frame = Frame.of(octets, self._password)
            told = header(frame)
            whole = self._whole(frame)
            if whole is not None:
                more, found = message(whole, self._utc_offset, at)
                told |= more
        except DecodeError as error:
            found, problems = (), (Problem(error.code, offset, error.reason),)
        if told.get("answer") == "deny all":
            problems = (Problem("application_error", offset, "the other side denies"),)
        meter = found[0].meter if found else str(told.get("address", ""))
        identity = MeterIdentity(meter, medium=Medium.ELECTRICITY if found else None) if meter else None
        return Telegram("gdw376", offset, len(octets), True, octets, identity, told, found, problems)

    def _whole(self, frame: Frame) -> Frame | None:
        talk = (frame.address, frame.from_terminal, frame.afn)
        if talk not in self._talks and len(self._talks) >= TALKS:
            self._talks.clear()
        return self._talks.setdefault(talk, Joiner()).add(frame)


def _catches(data: bytes) -> list[tuple[int, bytes] | Problem]:
    hunt = hunter()
    return [*hunt.feed(data), *hunt.silence()]


def guess(data: bytes) -> int:
    """See `hunt.likeness`."""
    return likeness(hunter(), data)


def explain(data: bytes, keys: Keys | None = None) -> list[Span]:
    """Every octet of the first frame in `data`, named; nothing where there is no frame."""
    for catch in _catches(data):
        if not isinstance(catch, Problem):
            return [*_spans(*catch)]
    return []


def _spans(at: int, octets: bytes) -> Iterator[Span]:
    name = NAMES.get(octets[12], "unknown function")
    direction = "from the terminal" if octets[6] & 0x80 else "to the terminal"
    yield Span(at, len(octets), "frame", f"{name}, {direction}", 0, DOCUMENT)
    yield Span(at, 1, "start", "68", 1)
    yield Span(at + 1, 4, "length, twice", str(len(octets) - 8), 1, DOCUMENT)
    yield Span(at + 5, 1, "start", "68", 1)
    try:
        frame = Frame.of(octets)
    except DecodeError as error:
        yield Span(at + 6, len(octets) - 8, "unreadable", error.reason, 1)
        return
    yield Span(at + 6, 1, "control", f"{frame.control:02x} {direction}", 1, DOCUMENT)
    yield Span(at + 7, 5, "address", f"{frame.address}, station {frame.station >> 1}", 1, DOCUMENT)
    yield Span(at + 12, 1, "function", f"{frame.afn:02x} {name}", 1, DOCUMENT)
    yield Span(at + 13, 1, "sequence", f"{frame.seq:02x}", 1, DOCUMENT)
    yield from _units(at + 14, frame)
    place = at + 14 + len(frame.body)
    tail = {"password": frame.password, "event counters": frame.events, "time stamp": frame.stamp}
    for part, shown in tail.items():
        if shown:
            text = "secret" if part == "password" else shown.hex()
            yield Span(place, len(shown), part, text, 1, DOCUMENT)
        place += len(shown)
    yield Span(at + len(octets) - 2, 1, "check", f"{octets[-2]:02x}", 1)
    yield Span(at + len(octets) - 1, 1, "end", "16", 1)


def _units(at: int, frame: Frame) -> Iterator[Span]:
    try:
        for one in units(frame):
            told = [f"{each.value!s} {each.unit.value if each.unit else ''}".strip() for each in one.readings]
            text = ", ".join(told or [f"{name} {value}" for name, value in one.told if name != "inner"])
            yield Span(at + one.begin, one.end - one.begin, f"p{one.point} F{one.item}", text, 1, DOCUMENT)
    except DecodeError as error:
        yield Span(at, len(frame.body), "data", error.reason, 1)
