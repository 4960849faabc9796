"""A line between a dialogue and a meter on which everything goes wrong that does go wrong on lines.

Either side's bytes may be lost, doubled, delayed, cut, split, spoilt, buried in noise; the reader may hear itself
(an adapter that echoes), meters that were not asked, and two that speak at once. In one thread and without a clock:
time passes when nothing is said.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from dialogues import NOW
from metergate.wire.base import Ask, Dialogue, Responder, Retune

T = TypeVar("T")
PATIENCE = 3000
"""Steps after which a dialogue has to be over."""


@dataclass
class BadLine:
    """`share` of what is sent goes wrong. `bits`: wrong ones in one frame at most, what its check is sure to see; none
    on a transport that keeps its octets (TCP): there they are lost, split and late, but never spoilt.

    `foreign`: frames of others that are heard now and then.
    """

    meter: Responder
    seed: int = 0
    bits: int = 1
    foreign: Sequence[bytes] = ()
    share: float = 0.0
    now: datetime = NOW
    instants: set[datetime] = field(default_factory=set)
    """When anything may have been measured since the dialogue began."""
    delivered: int = 0
    _up: deque[bytes] = field(default_factory=deque)
    _late: list[bytes] = field(default_factory=list)
    _down: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    def run(self, dialogue: Dialogue[T]) -> T:
        """Hold it to its end. What was under way before is forgotten, as a gateway's line drops what is unasked."""
        for waiting in (self._up, self._late, self._down):
            waiting.clear()
        self.instants = {self.now}
        step, timeout = next(dialogue), 0.0
        try:
            for _ in range(PATIENCE):
                if isinstance(step, Retune):
                    step = dialogue.send(b"")
                    continue
                if isinstance(step, Ask):
                    timeout = step.timeout
                    self._ask(step.data)
                step = dialogue.send(self._heard(timeout))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        raise AssertionError("the dialogue goes on and on")

    def _heard(self, timeout: float) -> bytes:
        if timeout and self._up and not self._hit(6):
            return self._up.popleft()
        if timeout:
            self.now += timedelta(seconds=timeout)
            self.instants.add(self.now)
            self.meter.silence()
            self._deliver([])
        return b""

    def _ask(self, question: bytes) -> None:
        """Only what comes after a question can be its answer; but an answer to the one before may come late."""
        if not question:
            return
        self._up.clear()
        self._up += self._late
        self._late.clear()
        if self.bits and self._hit(3):
            self._up.append(question)
        pieces = self._spoilt(question)
        if self._hit(4):
            self._down += pieces
        else:
            self._deliver(pieces)
        if self.foreign and self._hit():
            self._up.insert(self._dice.randrange(len(self._up) + 1), self._dice.choice(self.foreign))

    def _deliver(self, pieces: Iterable[bytes]) -> None:
        """What reaches the meter now, that which was held up first."""
        waiting, self._down = [*self._down, *pieces], []
        for piece in waiting:
            for answer in self.meter.receive(piece, self.now):
                self.delivered += 1
                (self._late if self._hit(3) else self._up).extend(self._spoilt(answer))

    def _hit(self, rarer: int = 1) -> bool:
        return self._dice.random() * rarer < self.share

    def _spoilt(self, data: bytes) -> list[bytes]:
        if not self._hit():
            return [data]
        ways: tuple[Callable[[bytes], list[bytes]], ...] = (self._lost, self._doubled, self._split)
        if self.bits:
            ways += (self._cut, self._noisy, self._flipped, self._shorter, self._collided)
        return self._dice.choice(ways)(data)

    def _lost(self, data: bytes) -> list[bytes]:
        return []

    def _doubled(self, data: bytes) -> list[bytes]:
        return [data, data]

    def _split(self, data: bytes) -> list[bytes]:
        at = self._dice.randrange(len(data) + 1)
        return [part for part in (data[:at], data[at:]) if part]

    def _cut(self, data: bytes) -> list[bytes]:
        return [part] if (part := data[: self._dice.randrange(len(data))]) else []

    def _noisy(self, data: bytes) -> list[bytes]:
        return [self._dice.randbytes(self._dice.randrange(1, 9)), *self._split(data), self._dice.randbytes(2)]

    def _flipped(self, data: bytes) -> list[bytes]:
        bad = bytearray(data)
        for _ in range(self._dice.randrange(self.bits) + 1):
            bad[self._dice.randrange(len(bad))] ^= 1 << self._dice.randrange(8)
        return [bytes(bad)]

    def _shorter(self, data: bytes) -> list[bytes]:
        """An octet in the middle was not heard."""
        at = self._dice.randrange(len(data))
        return [data[:at] + data[at + 1 :]]

    def _collided(self, data: bytes) -> list[bytes]:
        """Somebody speaks at the same time: on the wire, zeros win."""
        other = self._dice.choice(self.foreign or (self._dice.randbytes(len(data)),))
        begin = self._dice.randrange(len(data))
        mixed = bytes(mine & theirs for mine, theirs in zip(data[begin:], other, strict=False))
        return [data[:begin] + mixed + data[begin + len(mixed) :]]
