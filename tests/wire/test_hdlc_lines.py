"""HDLC connections over lines that lose, double, delay, cut and spoil: once, in order, or an error."""

import random
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dialogues import NOW
from hdlckit import Echo, station
from metergate.errors import MetergateError
from metergate.wire.base import Ask, Dialogue, Responder
from metergate.wire.hdlc import Parameters, client

T = TypeVar("T")


class Pipe:
    """A line that loses, doubles, delays, cuts and spoils what either side sends, but keeps its order.

    Delayed is what comes only after the other side has given up waiting once. At most three bits of a frame are wrong:
    so many any 16-bit frame check finds.
    """

    def __init__(self, meter: Responder, seed: int) -> None:
        self.meter, self.now = meter, NOW
        self.share = 0.0
        self._dice = random.Random(seed)
        self._down, self._up = deque[bytes](), deque[bytes]()

    def run(self, dialogue: Dialogue[T]) -> T:
        timeout = 0.0
        try:
            step = next(dialogue)
            while True:
                if isinstance(step, Ask):
                    timeout = step.timeout
                    self._down += self._spoilt(step.data)
                    self._pass()
                if not self._up or self._hit(4):
                    self.now += timedelta(seconds=timeout)
                    self.meter.silence()
                    self._pass()
                    step = dialogue.send(b"")
                else:
                    step = dialogue.send(self._up.popleft())
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _pass(self) -> None:
        """What reaches the meter now; some waits for the next time."""
        while self._down and not self._hit(3):
            for answer in self.meter.receive(self._down.popleft(), self.now):
                self._up += self._spoilt(answer)

    def _hit(self, rarer: int = 1) -> bool:
        return self._dice.random() * rarer < self.share

    def _spoilt(self, data: bytes) -> Iterable[bytes]:
        if not data or not self._hit():
            return [data] if data else []
        kind = self._dice.randrange(6)
        if kind == 0:
            return []
        if kind == 1:
            return [data, data]
        if kind == 2:
            return [data[: self._dice.randrange(len(data))]]
        if kind == 3:
            return [self._dice.randbytes(self._dice.randrange(1, 9)), data]
        if kind == 4:
            return [data[:5], data[5:]]
        bad = bytearray(data)
        for _ in range(self._dice.randrange(1, 4)):
            bad[self._dice.randrange(len(bad))] ^= 1 << self._dice.randrange(8)
        return [bytes(bad)]


class Connection(RuleBasedStateMachine):
    """Each APDU arrives once and in order and its own answer comes back, or an error says that it did not."""

    @initialize(
        seed=st.integers(0, 1 << 32),
        mine=st.builds(Parameters, *(st.integers(8, 200),) * 2, *(st.integers(1, 7),) * 2),
        theirs=st.builds(Parameters, *(st.integers(8, 200),) * 2, *(st.integers(1, 7),) * 2),
        share=st.sampled_from([0.0, 0.05, 0.2, 0.5]),
    )
    def begin(self, seed: int, mine: Parameters, theirs: Parameters, share: float) -> None:
        self.app = Echo()
        self.pipe = Pipe(station(self.app, theirs), seed)
        self.link = client.Link(16, 1, client.Settings(parameters=mine, tries=5))
        self.pipe.share = share
        self.sent: list[bytes] = []

    @rule()
    def connect(self) -> None:
        try:
            self.pipe.run(self.link.connect())
        except MetergateError:
            assert not self.link.connected

    @rule(message=st.binary(min_size=1, max_size=600))
    def exchange(self, message: bytes) -> None:
        if not self.link.connected:
            return
        before = len(self.app.heard)
        try:
            answer = self.pipe.run(self.link.exchange(message))
        except MetergateError:
            assert not self.link.connected
        else:
            assert answer == Echo.answer(before + 1, message)
            assert len(self.app.heard) == before + 1
        self.sent.append(message)

    @rule(share=st.sampled_from([0.0, 0.1, 0.3]))
    def weather(self, share: float) -> None:
        self.pipe.share = share

    @rule(seconds=st.sampled_from([1, 130]))
    def wait(self, seconds: int) -> None:
        self.pipe.now += timedelta(seconds=seconds)

    @rule()
    def disconnect(self) -> None:
        self.pipe.run(self.link.disconnect())
        assert not self.link.connected

    @invariant()
    def nothing_came_twice_or_was_made_up(self) -> None:
        if hasattr(self, "app"):
            heard, sent = [apdu for _, _, apdu in self.app.heard], iter(self.sent)
            assert all(any(apdu == other for other in sent) for apdu in heard), "not a subsequence of what was sent"


TestConnection = Connection.TestCase
TestConnection.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@pytest.mark.parametrize("window", [1, 7])
def test_most_messages_come_through_a_bad_line(window: int) -> None:
    app = Echo()
    parameters = Parameters(100, 100, window, window)
    pipe = Pipe(station(app, parameters), 5)
    link = client.Link(settings=client.Settings(parameters=parameters, tries=6))
    pipe.share = 0.15
    good = 0
    for number in range(150):
        message = number.to_bytes(2) * 200
        before = len(app.heard)
        try:
            if not link.connected:
                pipe.run(link.connect())
            assert pipe.run(link.exchange(message)) == Echo.answer(before + 1, message)
            good += 1
        except MetergateError:
            assert not link.connected
    assert good > 120
