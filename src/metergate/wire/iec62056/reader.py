"""The reader's end: sign-on, readout, programming sessions, as generators (`wire.base.Dialogue`).

Each ends with its result or with an exception: `NoAnswer`; `ApplicationError` where the meter reports an error instead
of values; `Refused` where it says no (password, write); another `DecodeError` where its answer cannot be read. A
message whose check character is wrong is asked for again with NAK; after silence the sign-on begins anew at its own
speed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from metergate.errors import BadChecksum, DecodeError, MetergateError, NoAnswer, Refused, Unsupported
from metergate.wire.base import MORE, Ask, Dialogue, More, Options, Problem, Retune, Telegram, received
from metergate.wire.iec62056.frame import (
    ACK,
    BAUDS,
    BREAK,
    HDLC,
    MASK,
    NAK,
    STX,
    Block,
    Identification,
    Option,
    Request,
    decode,
)
from metergate.wire.iec62056.receiver import READOUTS, Receiver
from metergate.wire.iec62056.scanner import Piece, Scanner
from metergate.wire.iec62056.session import Session

T = TypeVar("T")
BROKEN = "broken"
"""The kind of a message that breaks off: `Ear.hear` gives it to those who want to ask for it again."""
WAKE = bytes(66)
"""2.2 s of zeros at 300 baud, for meters on batteries."""
Work = Callable[[Session], Dialogue[T]]


@dataclass(frozen=True, slots=True)
class Line:
    """How to speak on a line. `address`: device address, empty for whoever is there.

    `baud`, `format`: of the sign-on. `fastest`: the baud identification that is not exceeded. `stay`: go on at the
    speed of the sign-on. `timeout`: seconds until an answer begins; `gap`: silence that ends one. `wake`: zeros first,
    then `pause`. `lenient`: take readouts whose check character is wrong, as suspect. `confirm`: seconds to wait for
    the meter's own option in mode E, which not all send.
    """

    address: str = ""
    baud: int = 300
    format: str = "7E1"
    fastest: str = "6"
    stay: bool = False
    timeout: float = 2.0
    gap: float = 1.5
    tries: int = 3
    wake: bool = False
    pause: float = 1.6
    lenient: bool = False
    confirm: float = 1.0


LINE = Line()


class Ear:
    """What is heard on the line, message by message. `options`: the meter may send one (mode E)."""

    def __init__(self, options: bool = False) -> None:
        self._options = options
        self._scanner = Scanner(options=options)
        self._heard: deque[Piece] = deque()
        self._cut: Piece | None = None

    def hear(self, step: Ask | More, *kinds: str) -> Dialogue[Piece | None]:
        """Take `step`, then wait for a message of one of the kinds; None when the time is up. Others are dropped."""
        if isinstance(step, Ask) and step.data:
            self._reset()
        elif piece := self._next(kinds):
            return piece
        while True:
            data = yield step
            self._take(data)
            piece = self._next(kinds)
            if piece or not data:
                return piece or (self._cut if BROKEN in kinds else None)
            step = MORE

    def say(self, data: bytes) -> Dialogue[None]:
        """Send what no answer is awaited to at this speed."""
        self._reset()
        self._take((yield Ask(data, 0)))

    def _reset(self) -> None:
        self._scanner, self._heard, self._cut = Scanner(options=self._options), deque(), None

    def _next(self, kinds: tuple[str, ...]) -> Piece | None:
        while self._heard:
            piece = self._heard.popleft()
            if piece.kind in kinds:
                return piece
        return None

    def _take(self, data: bytes) -> None:
        found = self._scanner.feed(data) if data else self._scanner.silence()
        for piece in found:
            if not isinstance(piece, Problem):
                self._heard.append(piece)
            elif piece.code == "truncated":
                self._cut = Piece(piece.offset, b"", BROKEN)


def sign_on(line: Line = LINE, ear: Ear | None = None) -> Dialogue[Identification]:
    """Call the meter until it identifies itself."""
    ear = ear or Ear()
    for _ in range(line.tries):
        yield Retune(line.baud, line.format)
        if line.wake:
            yield Ask(WAKE, line.pause)
        piece = yield from ear.hear(Ask(Request(line.address).encode(), line.timeout, line.gap), "identification")
        if piece:
            message = _decoded(piece)
            if isinstance(message, Identification):
                return message
    raise NoAnswer(f"meter {line.address or 'on the line'} does not identify itself")


def _decoded(piece: Piece) -> object:
    try:
        return decode(piece.octets)
    except DecodeError:
        return None


def choose(ear: Ear, who: Identification, line: Line, mode: str) -> Dialogue[None]:
    """Send the option of mode C and change to its speed."""
    wanted = "0" if line.stay else min(who.baud_id, line.fastest)
    yield from ear.say(Option("0", wanted, mode).encode())
    yield Retune(line.baud if line.stay else BAUDS[wanted], line.format)


def readout(line: Line = LINE, options: Options | None = None) -> Dialogue[Telegram]:
    """The meter's data readout; `options` as of the receiver."""
    settings = dict(options or {}) | ({"bcc": "lenient"} if line.lenient else {})
    wrong: DecodeError | None = None
    for _ in range(line.tries):
        ear = Ear()
        who = yield from sign_on(line, ear)
        step: Ask | More = MORE
        if who.mode == "C":
            yield from choose(ear, who, line, "0")
            step = Ask(b"", line.timeout, line.gap)
        elif who.baud and not line.stay:
            yield Retune(who.baud, line.format)
        try:
            octets = yield from data_message(ear, step, line)
        except DecodeError as error:
            wrong = error
            continue
        if octets and who.mode == "C" and not octets.translate(MASK).startswith(STX) and not line.lenient:
            wrong = BadChecksum("the readout has lost its STX, so that its check cannot be made")
        elif octets:
            return _telegram(who, octets, settings)
    raise wrong or NoAnswer(f"meter {line.address or 'on the line'} sends no readout")


def data_message(ear: Ear, step: Ask | More, line: Line) -> Dialogue[bytes | None]:
    """A data message, its partial blocks joined; None after silence. DecodeError after as many wrong ones as tries."""
    text = ""
    left = line.tries
    while piece := (yield from ear.hear(step, *READOUTS, BROKEN)):
        if piece.kind in ("open", "text"):
            return piece.octets
        try:
            block = decode(piece.octets)
        except DecodeError:
            left -= 1
            if line.lenient and piece.octets:
                return piece.octets
            if not left:
                raise
            step = Ask(NAK, line.timeout, line.gap)
            continue
        assert isinstance(block, Block)
        text += block.text
        if not block.more:
            return Block(text).encode()
        step = Ask(ACK, line.timeout, line.gap)
    return None


def _telegram(who: Identification, octets: bytes, options: Options) -> Telegram:
    """The telegram of an identification and a data message, as if heard in one go."""
    found = [*received(Receiver(None, options), who.encode() + octets)]
    for item in found:
        if isinstance(item, Telegram) and item.frame.get("kind") == "data":
            return item
    first = found[0]
    raise DecodeError(first.message if isinstance(first, Problem) else "no readout")


def programming(work: Work[T], password: str | None = None, line: Line = LINE, level: str = "1") -> Dialogue[T]:
    """Hold a session in programming mode: sign on, give the password (of `level` 1 or 2), do the work, break.

    Refused where the password is wrong or the meter is locked; Unsupported where the meter has no mode C.
    """
    ear = Ear()
    for _ in range(line.tries):
        who = yield from sign_on(line, ear)
        if who.mode != "C":
            raise Unsupported(f"{who.manufacturer} meters of mode {who.mode} have no programming mode of mode C")
        yield from choose(ear, who, line, "1")
        piece = yield from ear.hear(Ask(b"", line.timeout, line.gap), "command", "ack")
        if piece is None:
            continue
        session = Session(ear, who, _operand(piece), line.timeout, line.gap, line.tries)
        try:
            if password is not None:
                yield from session.log_in(password, level)
            result = yield from work(session)
        except MetergateError:
            yield from _hang_up(line)
            raise
        yield from _hang_up(line)
        return result
    raise NoAnswer(f"meter {line.address or 'on the line'} does not enter the programming mode")


def _operand(piece: Piece) -> str:
    """What the meter wants to be part of the password. Refused if it hangs up."""
    message = decode(piece.octets)
    if message == BREAK:
        raise Refused("the meter ends the session: locked")
    return getattr(message, "text", None) or ""


def _hang_up(line: Line) -> Dialogue[None]:
    yield Ask(BREAK.encode(), 0)
    yield Retune(line.baud, line.format)


def sign_on_hdlc(line: Line = LINE) -> Dialogue[Identification]:
    """Mode E: hand the line over to HDLC. Afterwards it runs at the meter's speed with 8N1.

    Unsupported where the meter does not offer it. The meter may confirm with the same option, which not all do.
    """
    ear = Ear(options=True)
    who = yield from sign_on(line, ear)
    if HDLC not in who.capabilities or who.baud_id not in BAUDS:
        raise Unsupported(f"{who.manufacturer} {who.text!r} does not offer HDLC")
    wanted = min(who.baud_id, line.fastest)
    yield from ear.hear(Ask(Option(HDLC, wanted, HDLC).encode(), line.confirm), "option")
    yield Retune(BAUDS[wanted], "8N1")
    return who
