"""A session in programming mode: commands and their answers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from metergate.errors import ApplicationError, BadChecksum, BadValue, DecodeError, NoAnswer, Refused
from metergate.wire.base import MORE, Ask, Dialogue, More
from metergate.wire.iec62056.datasets import DataSet, parse
from metergate.wire.iec62056.frame import ACK, NAK, Block, Command, Identification, decode
from metergate.wire.iec62056.profile import PROFILE
from metergate.wire.iec62056.receiver import error_of
from metergate.wire.iec62056.registers import short
from metergate.wire.iec62056.scanner import Piece

Places = tuple[tuple[str, str], ...]
"""Addresses of the clock and the form (as `strftime`) in which each is written."""
CLOCK: Places = (("0.9.2", "%y%m%d"), ("0.9.1", "%H%M%S"))
"""Date and time in two registers, the time last."""
ANSWERS = ("block", "broken", "ack", "nak", "command")
"""What may answer a command."""


class Ears(Protocol):
    """What a session hears with: `reader.Ear`."""

    def hear(self, step: Ask | More, *kinds: str) -> Dialogue[Piece | None]:
        """The next message of one of the kinds after `step`, None after silence."""
        ...


class Session:
    """An open session. `operand` is what the meter sent for the password; `who` it is."""

    def __init__(
        self, ear: Ears, who: Identification, operand: str, timeout: float = 2.0, gap: float = 1.5, tries: int = 3
    ) -> None:
        self.who, self.operand = who, operand
        self._ear, self._timeout, self._gap, self._tries = ear, timeout, gap, tries

    def log_in(self, password: str, level: str = "1") -> Dialogue[None]:
        """Give a password. Refused if the meter does not take it."""
        answer = yield from self.command(Command(f"P{level}", f"({password})"), tries=1)
        if answer is not None:
            raise Refused(f"the meter refuses the password: {_error(answer) or 'no reason given'}")

    def read(self, address: str, argument: str = "", name: str = "R1") -> Dialogue[DataSet]:
        """One register. ApplicationError if the meter has none such.

        An answer that names another address belongs to another question and is dropped. Many meters name none: after a
        second try the line is therefore let go quiet.
        """
        sets = yield from self.read_sets(address, (argument,), name)
        if not sets:
            raise BadValue(f"{address}: an empty answer")
        return DataSet(address, tuple(item for one in sets for item in one.items))

    def read_sets(self, address: str, arguments: Iterable[str], name: str = "R1") -> Dialogue[tuple[DataSet, ...]]:
        """The data sets that answer a question about `address`."""
        question = address + "".join(f"({text})" for text in arguments)
        text = yield from self.command(Command(name, question), about=address)
        if text is None:
            raise BadValue(f"{address}: acknowledged instead of answered")
        if error := _error(text):
            raise ApplicationError(f"{address}: the meter reports {error}")
        return parse(text, strict=True)

    def write(self, address: str, value: str, name: str = "W1", once: bool = False) -> Dialogue[None]:
        """Write a register. Refused if the meter says no. `once`: not again after silence (NoAnswer)."""
        text = yield from self.command(Command(name, f"{address}({value})"), tries=1 if once else self._tries)
        if text is not None:
            raise Refused(f"{address}: the meter refuses {name}: {_error(text) or text[:40]!r}")

    def profile(
        self, begin: datetime, end: datetime, address: str = PROFILE, count: str = "", name: str = "R5"
    ) -> Dialogue[tuple[DataSet, ...]]:
        """The sections of a load profile or log from `begin` to `end`, both by the meter's clock (naive).

        `count`: partial blocks of so many lines, as `R6` wants it.
        """
        span = f"{begin:%y%m%d%H%M};{end:%y%m%d%H%M}"
        return (yield from self.read_sets(address, (span, *([count] if count else [])), name))

    def clock(self, places: Places = CLOCK) -> Dialogue[datetime]:
        """The meter's clock, naive. BadValue if it shows no time."""
        for _ in range(2):
            found = yield from self._clock(places)
            again = yield from self._clock(places[:1])
            if found[0] == again[0]:  # else midnight passed between the questions
                break
        try:
            return datetime.strptime(" ".join(found), " ".join(form for _, form in places))  # noqa: DTZ007 - local
        except ValueError:
            raise BadValue(f"the meter's clock shows {found!r}") from None

    def _clock(self, places: Places) -> Dialogue[list[str]]:
        shown = []
        for address, _ in places:
            one = yield from self.read(address)
            shown.append(one.items[0].text.replace(":", "").replace("-", ""))
        return shown

    def set_clock(self, local: datetime, places: Places = CLOCK, name: str = "W5") -> Dialogue[None]:
        """Set the clock to `local`, the time when this is sent; never sent twice. Refused, NoAnswer."""
        for address, form in places:
            yield from self.write(address, local.strftime(form), name, once=True)

    # Messages

    def command(self, command: Command, about: str = "", tries: int = 0) -> Dialogue[str | None]:
        """Send a command; the text that answers, or None for an ACK. Refused if the meter ends the session."""
        for attempt in range(tries or self._tries):
            piece = yield from self._ear.hear(self._ask(command.encode()), *ANSWERS)
            while piece is not None and piece.kind in ("block", "broken"):
                text = yield from self._text(piece)
                if text is None:
                    piece = None
                elif _belongs(text, about):
                    if attempt and not _named(text):
                        yield from self._settle()
                    return text
                else:
                    piece = yield from self._ear.hear(MORE, *ANSWERS)
            if piece is not None and piece.kind == "ack":
                return None
            if piece is not None and piece.kind == "command" and _is_break(piece):
                raise Refused("the meter ends the session")
        raise NoAnswer(f"the meter does not answer {command.name}")

    def _ask(self, data: bytes) -> Ask:
        return Ask(data, self._timeout, self._gap)

    def _text(self, piece: Piece | None) -> Dialogue[str | None]:
        """The text of a data message that begins with `piece`, partial blocks joined; None after silence.

        BadChecksum where it does not come right.
        """
        text, left = "", self._tries
        while piece is not None:
            try:
                block = decode(piece.octets)
            except DecodeError as error:
                left -= 1
                if not left:
                    raise BadChecksum(error.reason) from None
                piece = yield from self._ear.hear(self._ask(NAK), "block", "broken")
                continue
            assert isinstance(block, Block)
            text += block.text
            if not block.more:
                return text
            piece = yield from self._ear.hear(self._ask(ACK), "block", "broken")
        return None

    def _settle(self) -> Dialogue[None]:
        """Let pass what may still come in answer to an earlier try."""
        while (yield Ask(b"", self._timeout)):
            pass


def _error(text: str) -> str | None:
    try:
        return error_of(parse(text))
    except DecodeError:
        return None


def _belongs(text: str, about: str) -> bool:
    """Whether an answer is about an address: it names it, or none."""
    try:
        sets = parse(text)
    except DecodeError:
        return True
    return not about or not sets or not sets[0].address or short(sets[0].address) == short(about)


def _named(text: str) -> bool:
    return not text.startswith("(")


def _is_break(piece: Piece) -> bool:
    try:
        return decode(piece.octets) == Command("B0")
    except DecodeError:
        return False
