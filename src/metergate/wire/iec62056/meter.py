"""The meter's end: sign-on in modes A to E, readout, programming mode with passwords and lockout, profile, clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from metergate.errors import DecodeError
from metergate.wire.base import Problem, Responder
from metergate.wire.iec62056 import frame as frames
from metergate.wire.iec62056.datasets import DataSet, data_set, parse, readout
from metergate.wire.iec62056.frame import BAUDS, BREAK, HDLC, Block, Command, Identification, Option, Request
from metergate.wire.iec62056.profile import LOG, PROFILE, Section, encode
from metergate.wire.iec62056.registers import short
from metergate.wire.iec62056.scanner import Piece, Scanner

Show = Callable[[datetime], Sequence[DataSet]]
"""What the meter shows at an aware instant."""
History = Callable[[datetime, datetime], Sequence[Section]]
"""Sections of the load profile or log from one aware instant until before another."""
NOT_KNOWN, NOT_ALLOWED, BAD_VALUE, WRONG_PASSWORD = "(ER01)", "(ER02)", "(ER03)", "(ER04)"
IDLE = timedelta(seconds=90)
"""A session ends when nothing was heard for so long."""
DATE, TIME = "0.9.2", "0.9.1"
NOBODY = 0


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what. `passwords` by level (1, 2); after `tries` wrong ones the meter is locked for `lock`.

    `write`: registers that may be written and the level needed; `read`: the level needed for R commands.
    """

    passwords: Mapping[int, str] = field(default_factory=dict, repr=False)
    tries: int = 3
    lock: timedelta = timedelta(minutes=15)
    read: int = NOBODY
    write: Mapping[str, int] = field(default_factory=lambda: {DATE: 1, TIME: 1})


@dataclass(frozen=True, slots=True)
class Setup:
    """What kind of meter it is: `who` tells its mode, `address` its place on a bus.

    `block`: lines of a partial block in answer to R3..R6; 0: never partial. `named`: answers repeat the address that
    was asked for. `operand` goes out with P0. `utc_offset`: of the meter's clock. `sign_on`: baud at which it is
    called.
    """

    who: Identification
    address: str = ""
    access: Access = Access()
    block: int = 0
    named: bool = True
    operand: str = "00000000"
    utc_offset: timedelta = timedelta(hours=1)
    sign_on: int = 300


class Meter:
    """One meter; a `wire.base.Responder`. `baud` is the speed at which it speaks and hears now.

    `show`: its readout; `profile`, `log`: its history; `hdlc`: what answers once the line was handed over (mode E).
    """

    def __init__(
        self,
        setup: Setup,
        show: Show,
        profile: History | None = None,
        log: History | None = None,
        hdlc: Responder | None = None,
    ) -> None:
        self.setup, self.hdlc = setup, hdlc
        self.baud = setup.sign_on
        self.level: int | None = None
        """None outside a programming session, 0 in one before a password."""
        self.handed_over = False
        self.clock_error = timedelta(0)
        self.written: dict[str, str] = {}
        self.locked_until: datetime | None = None
        self._show, self._histories = show, {PROFILE: profile, LOG: log}
        self._scanner = Scanner(options=False)
        self._wrong = 0
        self._last: datetime | None = None
        self._again = b""  # what NAK asks for once more
        self._naks = 0
        self._rest: list[bytes] = []  # partial blocks to come

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """See `wire.base.Responder`."""
        if self._last and now - self._last > IDLE:
            self._end()
        self._last = now
        if self.handed_over:
            if self.hdlc:
                yield from self.hdlc.receive(data, now)
            return
        for piece in self._scanner.feed(data):
            if not isinstance(piece, Problem):
                yield from self._answer(piece, now)

    def silence(self) -> None:
        """See `wire.base.Responder`. A session outlives it."""
        for _ in self._scanner.silence():
            pass
        if self.hdlc and self.handed_over:
            self.hdlc.silence()

    def push(self, now: datetime) -> bytes:
        """The telegram of mode D: identification and readout without control characters."""
        return self.setup.who.encode() + b"\r\n" + readout(self.readout(now)).encode("latin-1")

    def readout(self, now: datetime) -> list[DataSet]:
        """What the readout holds: what is shown, what was written instead."""
        return [self._present(one) for one in self._show(now)]

    def _present(self, one: DataSet) -> DataSet:
        value = self.written.get(short(one.address))
        return one if value is None else data_set(one.address, value)

    def local(self, now: datetime) -> datetime:
        """The meter's own clock."""
        return (now + self.clock_error).astimezone(timezone(self.setup.utc_offset))

    def _end(self) -> None:
        self.level, self.handed_over, self._rest, self._again = None, False, [], b""
        self._scanner.options = False
        self.baud = self.setup.sign_on

    def _say(self, octets: bytes) -> bytes:
        self._again, self._naks = octets, 0
        return octets

    # Messages

    def _answer(self, piece: Piece, now: datetime) -> Iterator[bytes]:
        try:
            message = frames.decode(piece.octets)
        except DecodeError:
            if piece.kind == "command" and self.level is not None:
                yield frames.NAK
            return
        match message:
            case Request(address):
                yield from self._identify(address, now)
            case Option():
                yield from self._choose(message, now)
            case Command():
                yield from self._command(message, now)
            case frames.Sign(octet):
                yield from self._sign(octet)

    def _identify(self, address: str, now: datetime) -> Iterator[bytes]:
        self._end()
        if address and address.lstrip("0") != self.setup.address.lstrip("0"):
            return
        who = self.setup.who
        yield who.encode()
        self._scanner.options = who.mode == "C"
        if not self._scanner.options:
            self.baud = who.baud or self.baud
            yield self._readout(now)
            self.baud = self.setup.sign_on

    def _readout(self, now: datetime) -> bytes:
        return self._say(Block(readout(self.readout(now))).encode())

    def _choose(self, option: Option, now: datetime) -> Iterator[bytes]:
        if not self._scanner.options:
            return
        self._scanner.options = False
        if option.protocol == HDLC and HDLC in self.setup.who.capabilities:
            yield option.encode()
            self.baud, self.handed_over = BAUDS.get(option.baud_id, self.baud), True
        elif option.mode == "1" and option.protocol == "0":
            self.baud = BAUDS.get(option.baud_id, self.baud)
            yield from self._open(now)
        elif option.mode == "0":
            self.baud = BAUDS.get(option.baud_id, self.baud)
            yield self._readout(now)
            self.baud = self.setup.sign_on

    def _open(self, now: datetime) -> Iterator[bytes]:
        """Enter the programming mode, unless it is locked."""
        if self.locked_until and now < self.locked_until:
            yield BREAK.encode()
            self._end()
            return
        self.level = NOBODY
        yield self._say(Command("P0", f"({self.setup.operand})").encode())

    def _sign(self, octet: bytes) -> Iterator[bytes]:
        """ACK: the next partial block. NAK: the same again, three times at most."""
        if octet == frames.ACK and self._rest:
            yield self._say(self._rest.pop(0))
        elif octet == frames.NAK and self._again and self._naks < 3:
            self._naks += 1
            yield self._again

    def _command(self, command: Command, now: datetime) -> Iterator[bytes]:
        if command == BREAK:
            self._end()
            return
        if self.level is None or command.text is None:
            return
        self._rest = []
        kind = command.name[0]
        if kind == "P":
            yield from self._password(command, now)
        elif kind == "R":
            yield from self._read(command, now)
        else:
            yield self._say(self._write(command, now) if kind == "W" else Block(NOT_KNOWN).encode())

    def _password(self, command: Command, now: datetime) -> Iterator[bytes]:
        level = int(command.name[1])
        known = self.setup.access.passwords.get(level)
        if known is not None and command.text == f"({known})":
            self.level, self._wrong = level, 0
            yield self._say(frames.ACK)
            return
        self._wrong += 1
        if self._wrong < self.setup.access.tries:
            yield self._say(Block(WRONG_PASSWORD).encode())
            return
        self._wrong, self.locked_until = 0, now + self.setup.access.lock
        yield BREAK.encode()
        self._end()

    # Registers

    def _read(self, command: Command, now: datetime) -> Iterator[bytes]:
        try:
            (question,) = parse(command.text or "")
        except (DecodeError, ValueError):
            yield self._say(Block(BAD_VALUE).encode())
            return
        if self.level is None or self.level < self.setup.access.read:
            text = NOT_ALLOWED
        elif question.address in self._histories:
            text = self._history(question)
        else:
            text = self._register(question.address, now)
        blocks = self._blocks(text, partial=command.name >= "R3")
        self._rest = blocks[1:]
        yield self._say(blocks[0])

    def _register(self, address: str, now: datetime) -> str:
        found = {short(one.address): one for one in self.readout(now)} | self._own(now)
        one = found.get(short(address))
        if one is None:
            return NOT_KNOWN
        return str(DataSet(address if self.setup.named else "", one.items))

    def _own(self, now: datetime) -> dict[str, DataSet]:
        """The clock's registers, and what was written and is not shown."""
        local = self.local(now)
        own = {name: data_set(name, value) for name, value in self.written.items()}
        return own | {DATE: data_set(DATE, f"{local:%y%m%d}"), TIME: data_set(TIME, f"{local:%H%M%S}")}

    def _history(self, question: DataSet) -> str:
        tell, span = self._histories[question.address], question.items[0].text.split(";")
        try:
            begin, end = (self._instant(text) for text in span)
        except ValueError:
            return BAD_VALUE
        sections = tell(begin, end) if tell else ()
        return "".join(encode(one, question.address) for one in sections) or f"{question.address}()"

    def _instant(self, text: str) -> datetime:
        zone = timezone(self.setup.utc_offset)
        return datetime.strptime(text, "%y%m%d%H%M").replace(tzinfo=zone)

    def _blocks(self, text: str, partial: bool) -> list[bytes]:
        """The messages that carry a text: one, or partial blocks of some lines."""
        rows, size = text.splitlines(keepends=True), self.setup.block
        if not partial or not size or len(rows) <= size:
            return [Block(text).encode()]
        parts = ["".join(rows[at : at + size]) for at in range(0, len(rows), size)]
        return [Block(part, more=number < len(parts)).encode() for number, part in enumerate(parts, 1)]

    def _write(self, command: Command, now: datetime) -> bytes:
        try:
            (order,) = parse(command.text or "")
        except (DecodeError, ValueError):
            return Block(BAD_VALUE).encode()
        name = short(order.address)
        needed = self.setup.access.write.get(name)
        if needed is None:
            return Block(NOT_KNOWN).encode()
        if self.level is None or self.level < needed:
            return Block(NOT_ALLOWED).encode()
        value = str(order.items[0])[1:-1]
        return frames.ACK if self._take(name, value, now) else Block(BAD_VALUE).encode()

    def _take(self, name: str, value: str, now: datetime) -> bool:
        """Write a register; the clock's are set. False if the value cannot be."""
        forms = {DATE: "%y%m%d", TIME: "%H%M%S"}
        if name not in forms:
            self.written[name] = value
            return True
        local = self.local(now).replace(microsecond=0)
        try:
            told = datetime.strptime(value, forms[name])  # noqa: DTZ007 - local
        except ValueError:
            return False
        wanted = (
            local.replace(year=told.year, month=told.month, day=told.day)
            if name == DATE
            else local.replace(hour=told.hour, minute=told.minute, second=told.second)
        )
        self.clock_error = wanted - now
        return True
