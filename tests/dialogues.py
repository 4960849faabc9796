"""A dialogue and the responders it talks to, in one thread and without a clock: time passes when nothing is said."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import TypeVar

from metergate.wire.base import Ask, Dialogue, Found, Receiver, Responder, Retune

T = TypeVar("T")
NOW = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
Fault = Callable[[bytes], Iterable[bytes]]
"""Makes of what one side sends the pieces that arrive at the other."""


@dataclass
class Talk:
    """`late` is a share of answers that come only after the next question."""

    meters: list[Responder]
    now: datetime = NOW
    up: Fault = lambda data: [data]
    down: Fault = lambda data: [data]
    late: float = 0.0
    seed: int = 0
    asked: int = 0
    sent: list[bytes] = field(default_factory=list)
    bauds: list[int] = field(default_factory=list)
    """The speeds to which the dialogue tuned the line."""

    def run(self, dialogue: Dialogue[T]) -> T:
        dice, pending, held = random.Random(self.seed), list[bytes](), list[bytes]()
        timeout = 0.0
        try:
            step = next(dialogue)
            while True:
                if isinstance(step, Retune):
                    self.bauds.append(step.baud)
                    step = dialogue.send(b"")
                    continue
                if isinstance(step, Ask):
                    self.asked += 1
                    timeout = step.timeout
                    self.sent.append(step.data)
                    answers = list(self._answers(step.data)) if step.data else []
                    pending += held
                    held = answers if dice.random() < self.late else []
                    pending += answers if not held else []
                if not pending:
                    self.now += timedelta(seconds=timeout)
                    for meter in self.meters:
                        meter.silence()
                step = dialogue.send(pending.pop(0) if pending else b"")
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _answers(self, question: bytes) -> Iterator[bytes]:
        pieces = list(self.down(question))
        for meter in self.meters:
            for piece in pieces:
                for answer in meter.receive(piece, self.now):
                    yield from self.up(answer)


def all_of(receiver: Receiver, *chunks: bytes) -> list[Found]:
    """Everything a receiver finds in these chunks and the silence after them."""
    found = chain.from_iterable(receiver.receive(chunk) for chunk in chunks)
    return [*found, *receiver.silence()]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """`data` in pieces, cut at `places` (any numbers)."""
    at = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(at)]


def hit(seed: int, share: float = 0.3) -> Fault:
    """A line that flips one bit, loses, doubles, cuts, or adds noise to some of what is sent.

    One bit and not more: a sum of octets cannot see every pair of errors.
    """
    dice = random.Random(seed)

    def fault(data: bytes) -> list[bytes]:
        if dice.random() > share:
            return [data]
        kind = dice.randrange(5)
        if kind == 0:
            bad = bytearray(data)
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
            return [bytes(bad)]
        if kind == 1:
            return []
        if kind == 2:
            return [data, data]
        if kind == 3:
            return [data[: dice.randrange(len(data))]]
        return [dice.randbytes(dice.randrange(1, 9)), data[:5], data[5:], dice.randbytes(3)]

    return fault
