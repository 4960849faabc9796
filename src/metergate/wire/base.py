"""What all protocols share: telegrams, problems, receivers, dialogues and responders.

Nothing here waits, reads a clock or touches a line. Three shapes:

* `Receiver`: the listening end. Bytes in any chunking go in, telegrams and problems come out; the result does not
  depend on the chunking. `silence()` says that the line went quiet: what is unfinished was noise or cut off.
* `Dialogue`: a question and its answers, as a generator. It yields `Ask` (send these bytes, then wait),
  `MORE` (keep waiting) or `Retune` (go on at another speed); it is sent the bytes that arrive, or b"" when the time is
  up (and after a `Retune`); its return value is the result.
* `Responder`: the meter's end: requests in, answers out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from metergate.errors import DecodeError
from metergate.model import MeterIdentity, Reading

T = TypeVar("T")
Options = Mapping[str, object]
Keys = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something on the line that gave no reading. `code` is one of `errors.DECODE_CODES` or "noise"."""

    code: str
    offset: int
    message: str

    @classmethod
    def of(cls, error: DecodeError) -> Problem:
        """The problem that a decode error describes."""
        return cls(error.code, error.offset, error.reason)


@dataclass(frozen=True, slots=True)
class Telegram:
    """One telegram of a meter (or of a reader, seen on the line).

    `offset` and `length` count bytes since the receiver began; `valid`: framing, length and check sums are right;
    `frame`: header fields by the names of the decode contract; `data`: the bytes themselves, transport included.
    """

    protocol: str
    offset: int
    length: int
    valid: bool
    data: bytes = b""
    meter: MeterIdentity | None = None
    frame: Mapping[str, object] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()
    problems: tuple[Problem, ...] = ()


Found = Telegram | Problem


class Receiver(Protocol):
    """The listening end of a line."""

    position: int
    """How many bytes were received so far."""

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """Take in bytes of any length that arrived at `at`; yield what they complete. Must be consumed.

        `at` becomes `Reading.received`.
        """
        ...

    def silence(self) -> Iterator[Found]:
        """The line went quiet (or the input ended): give up what is unfinished, named as a problem."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """Send `data`, then wait up to `timeout` seconds (plus transfer time) for bytes. 0: nothing is awaited.

    `gap`: after bytes came, `MORE` waits at least so many seconds longer: for answers whose length nobody knows.
    """

    data: bytes
    timeout: float = 1.0
    gap: float = 0.0


@dataclass(frozen=True, slots=True)
class Retune:
    """Go on at `baud` and `format` ("7E1"; None: as it is), once what was sent has left. Nothing is awaited.

    Lines without a speed of their own (TCP, in memory) go on as they are.
    """

    baud: int
    format: str | None = None


def received(receiver: Receiver, data: bytes, at: datetime | None = None) -> Iterator[Found]:
    """All that is in `data`, silence at the end."""
    yield from receiver.receive(data, at)
    yield from receiver.silence()


class More:
    """The type of `MORE`."""


MORE = More()
"""Yielded by a dialogue that needs more bytes and keeps the running timeout."""

Dialogue = Generator[Ask | More | Retune, bytes, T]


class Responder(Protocol):
    """The meter's end of a line."""

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """Take in bytes of any chunking; yield every answer to be sent. Must be consumed."""
        ...

    def silence(self) -> None:
        """The line went quiet: drop an unfinished request."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """A byte range of a telegram, for people: `metergate decode --explain` and the workbench.

    `level` nests (0 is outermost); `paragraph` cites the document.
    """

    start: int
    length: int
    name: str
    value: str = ""
    level: int = 0
    paragraph: str = ""


@dataclass(frozen=True, slots=True)
class ProtocolEntry:
    """A line of the registry in `metergate.wire`.

    `receiver(keys, options)` makes the listening end. `explain(data, keys)` takes one telegram apart.
    `guess(data)` says from 0 (no) to 100 (certain, check sum right) how much the bytes look like this protocol.
    `between`: what octets are that no field of an explanation names.
    """

    name: str
    title: str
    document: str
    receiver: Callable[[Keys, Options], Receiver]
    explain: Callable[[bytes, Keys], list[Span]]
    guess: Callable[[bytes], int]
    between: str = "framing"
