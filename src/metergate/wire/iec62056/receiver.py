"""The listening end of IEC 62056-21: pushed readouts, overheard dialogues, and messages one by one -> telegrams."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from metergate.errors import DecodeError
from metergate.model import MeterIdentity, Quality, Reading
from metergate.wire.base import Found, Keys, Options, Problem, Telegram
from metergate.wire.iec62056 import frame as frames
from metergate.wire.iec62056.datasets import DataSet, parse
from metergate.wire.iec62056.frame import Block, Command, Identification, Option, Request, Sign, seven_bits
from metergate.wire.iec62056.layout import Layout
from metergate.wire.iec62056.readings import readings
from metergate.wire.iec62056.registers import identity
from metergate.wire.iec62056.scanner import LIMIT, Piece, Scanner

NAME = "iec62056-21"
READOUTS = frozenset(("block", "open", "text"))
LAYOUTS = 16
"""Layouts that a receiver remembers."""
UNCHECKED = "no block check character"
WRONG = "block check character wrong"


class Settings(NamedTuple):
    """`lenient`: readouts whose BCC is wrong are read, as suspect. `meter`: the number where the telegram tells none.

    `utc_offset`: minutes of the meters' winter time, for times; without it the meter's instants are not known.
    """

    lenient: bool = False
    meter: str | None = None
    utc_offset: int | None = None
    learn: bool = True
    limit: int = LIMIT

    @classmethod
    def of(cls, options: Options) -> Settings:
        """From a receiver's options: `bcc` ("lenient"), `meter`, `utc_offset`, `learn`, `limit`."""
        meter, offset, limit = options.get("meter"), options.get("utc_offset"), options.get("limit")
        return cls(
            options.get("bcc") == "lenient",
            meter if isinstance(meter, str) else None,
            offset if isinstance(offset, int) else None,
            options.get("learn") is not False,
            limit if isinstance(limit, int) and limit > 0 else LIMIT,
        )


class Readout(NamedTuple):
    """A data message on its way to a telegram: `octets` with the identification in front where there was one."""

    offset: int
    octets: bytes
    begin: int
    kind: str
    who: Identification | None
    whole: bool
    """The identification stands in front of the data, with nothing in between."""


class Receiver:
    """See `wire.base.Receiver`. Options: `Settings.of`."""

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        self.settings = Settings.of(options or {})
        self._scanner = Scanner(self.settings.limit)
        self._pending: Piece | None = None  # an identification not told of yet
        self._who: Identification | None = None
        self._layouts: dict[int, Layout] = {}

    @property
    def position(self) -> int:
        """Octets received so far."""
        return self._scanner.position

    @position.setter
    def position(self, value: int) -> None:
        self._scanner.position = value

    @property
    def noise(self) -> int:
        """Octets of noise so far."""
        return self._scanner.noise

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """See `wire.base.Receiver`."""
        for found in self._scanner.feed(data):
            yield from self._take(found, at)

    def silence(self) -> Iterator[Found]:
        """See `wire.base.Receiver`. An identification stays known for the next data message."""
        for found in self._scanner.silence():
            yield from self._take(found, None)
        yield from self._release()

    def _take(self, found: Piece | Problem, at: datetime | None) -> Iterator[Found]:
        if isinstance(found, Problem):
            yield from self._release()
            self._who = None
            yield found
        elif found.kind in READOUTS:
            yield from self._data(found, at)
        elif found.kind == "identification":
            yield from self._release()
            self._pending = found
        else:
            yield from self._release()
            yield self._message(found)

    def _release(self) -> Iterator[Found]:
        """Tell of an identification that no data followed."""
        if self._pending is not None:
            piece, self._pending = self._pending, None
            yield self._message(piece)

    def _message(self, piece: Piece) -> Found:
        """Anything but a data message."""
        try:
            message = frames.decode(piece.octets)
        except DecodeError as error:
            self._who = None
            return Problem(error.code, piece.offset, error.reason)
        meter = None
        if isinstance(message, Identification):
            self._who = message
            meter = MeterIdentity(self.settings.meter or "", message.manufacturer, model=message.text or None)
        elif isinstance(message, Request) or message == frames.BREAK:
            self._who = None
        return Telegram(NAME, piece.offset, len(piece.octets), True, piece.octets, meter, header(message))

    # Data messages

    def _data(self, piece: Piece, at: datetime | None) -> Iterator[Found]:
        pending = self._pending
        if pending is None or piece.gap is None:
            yield from self._release()
            readout = Readout(piece.offset, piece.octets, 0, piece.kind, self._who, False)
        else:
            self._pending = None
            octets = pending.octets + piece.gap + piece.octets
            begin = len(octets) - len(piece.octets)
            readout = Readout(pending.offset, octets, begin, piece.kind, None, True)
        known = self._layouts.get(len(readout.octets))
        found = known.telegram(readout.octets, readout.offset, at) if known else None
        yield found or self._decode(readout, at)
        if piece.kind != "block" or piece.octets[-5:-1] == b"!\r\n\x03":
            self._who = None

    def _decode(self, readout: Readout, at: datetime | None) -> Found:
        offset, begin = readout.offset, readout.begin
        try:
            octets, doubt = self._verify(readout)
            who, whole = readout.who, readout.whole
            if whole:
                message = frames.decode(octets[: octets.index(b"\n") + 1])
                who = message if isinstance(message, Identification) else None
            text = body(octets[begin:], readout.kind)
            sets = parse(text, strict=doubt is not None or readout.kind != "block")
        except DecodeError as error:
            return Problem(error.code, offset, error.reason)
        found = self._telegram(readout, who, sets, doubt, at)
        if self.settings.learn and whole and doubt is None and found.readings and not found.problems:
            self._learn(octets, begin, readout.kind, sets, found)
        return found

    def _verify(self, readout: Readout) -> tuple[bytes, str | None]:
        """The octets without parity bits, and what is doubtful about them. BadChecksum."""
        octets, begin = readout.octets, readout.begin
        if readout.kind == "block":
            wrong = frames.check(octets[begin:], readout.offset + begin)
            if wrong is not None and not self.settings.lenient:
                raise wrong
            even = not octets.isascii() and frames.all_even(octets)
            return octets.translate(frames.MASK) if even else octets, WRONG if wrong else None
        octets = seven_bits(octets)
        return octets, None if readout.whole and readout.kind == "text" else UNCHECKED

    def _telegram(
        self,
        readout: Readout,
        who: Identification | None,
        sets: tuple[DataSet, ...],
        doubt: str | None,
        at: datetime | None,
    ) -> Telegram:
        head: dict[str, object] = (header(who) if who else {}) | {"kind": "data", "check": readout.kind == "block"}
        meter = identity(sets, who.manufacturer if who else None, who.text if who else None, self.settings.meter)
        problems: tuple[Problem, ...] = ()
        found: tuple[Reading, ...] = ()
        refusal = error_of(sets)
        if refusal is not None:
            head["error"] = refusal
            problems = (Problem("application_error", readout.offset, f"the meter reports {refusal}"),)
        else:
            nameless = [str(one) for one in sets if not one.address]
            if nameless:
                head["values"] = nameless
            quality = Quality.GOOD if doubt is None else Quality.SUSPECT
            notes = () if doubt is None else (doubt,)
            try:
                found = readings(meter.id if meter else "", sets, self.settings.utc_offset, at, quality, notes)
            except DecodeError as error:
                problems = (Problem(error.code, readout.offset, error.reason),)
        size = len(readout.octets)
        return Telegram(NAME, readout.offset, size, doubt != WRONG, readout.octets, meter, head, found, problems)

    def _learn(self, octets: bytes, begin: int, kind: str, sets: tuple[DataSet, ...], found: Telegram) -> None:
        layout = Layout.of(octets, begin, kind == "block", sets, found)
        if layout is not None:
            if len(self._layouts) >= LAYOUTS:
                self._layouts.clear()
            self._layouts[len(octets)] = layout

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """What was learnt."""
        return tuple(self._layouts.values())


def body(octets: bytes, kind: str) -> str:
    """The text of a data message."""
    inside = octets[1:-2] if kind == "block" else octets[1:] if kind == "open" else octets
    return inside.decode("latin-1")


def error_of(sets: tuple[DataSet, ...]) -> str | None:
    """The text of an error reply, `(ERxx)`, or None."""
    if len(sets) == 1 and not sets[0].address and sets[0].items[0].text.startswith("ER"):
        return sets[0].items[0].text
    return None


def header(message: frames.Frame) -> dict[str, object]:
    """The fields of the decode contract."""
    match message:
        case Request(address):
            return {"kind": "request", "address": address}
        case Identification(manufacturer, baud_id, text):
            told: dict[str, object] = {"manufacturer": manufacturer, "baud_id": baud_id, "identification": text}
            return {"kind": "identification"} | told | {"mode": message.mode}
        case Option(protocol, baud_id, mode):
            return {"kind": "option", "protocol": protocol, "baud_id": baud_id, "mode": mode}
        case Command(name, text, more):
            return {"kind": "command", "command": name, "text": _shown(name, text), "more": more}
        case Sign(octet):
            return {"kind": "ack" if octet == frames.ACK else "nak"}
        case Block(text):
            return {"kind": "data", "text": text}


def _shown(name: str, text: str | None) -> str | None:
    """The data of a command; a password is not shown."""
    return "(...)" if name in ("P1", "P2") and text else text


def guess(data: bytes) -> int:
    """100: a message with a right check character; 90: a whole readout without; 40: an identification, a request or an
    option alone; 30: it begins like a message; 5: a lone sign; 0: none."""
    if len(data.translate(None, _TEXT)) * 8 > len(data):
        return 0
    receiver = Receiver(None, {"learn": False})
    likes = [_likeness(found) for found in (*receiver.receive(data), *receiver.silence())]
    front = _BEGUN.match(data.translate(frames.MASK))
    best = max(likes, default=0)
    lone = best == _LONE_SIGN and len(data) > _ALONE  # in noise there is one soon
    return 0 if lone else best or (30 if front else 0)


_BEGUN = re.compile(
    rb"[\0\r\n]*(?:/[A-Za-z]{3}[0-9A-I]?|/\?|\x06[0-9][0-9A-I][0-9]|\x01[A-Z][0-9]|\x02?[A-Z0-9.:*&-]{0,16}\()"
)
_TEXT = bytes(octet for octet in range(256) if octet & 0x7F in b"\x01\x02\x03\x04\x06\x15\r\n" or octet & 0x7F >= 0x20)
"""Octets of messages, with parity or without; of other protocols' octets many more are others."""


_LONE_SIGN, _ALONE = 5, 4
"""How sure a lone sign is, and of how many octets."""


def _likeness(found: Found) -> int:
    if isinstance(found, Problem):
        return 0
    kind = found.frame.get("kind")
    if found.frame.get("check") or kind == "command" or (kind == "data" and found.data[:1] == frames.STX):
        return 100
    return (
        90
        if found.readings
        else 40
        if kind in ("request", "identification", "option")
        else 0
        if kind == "data"
        else _LONE_SIGN
    )
