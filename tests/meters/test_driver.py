"""Listening and asking over in-memory lines: silence, turns, echoes, late answers, broken lines."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from metergate.errors import LinkError
from metergate.links.loop import LoopLink, pair
from metergate.meters.driver import Line, Listener, Priority, Turns
from metergate.wire.base import MORE, Ask, Dialogue, Found, Problem, Retune

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Lines:
    """A receiver that finds whole lines of text."""

    def __init__(self) -> None:
        self.position = 0
        self.rest = b""

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        self.position += len(data)
        *whole, self.rest = (self.rest + data).split(b"\n")
        for line in whole:
            yield Problem(line.decode(), self.position, str(at))

    def silence(self) -> Iterator[Found]:
        if self.rest:
            yield Problem("cut", self.position, self.rest.decode())
            self.rest = b""


def ask(text: bytes, timeout: float = 5.0, tries: int = 1) -> Dialogue[bytes | None]:
    """A question whose answer is a line that begins with the same letter."""
    for _ in range(tries):
        data = yield Ask(text, timeout)
        found = data
        while data and not found.endswith(b"\n"):
            data = yield MORE
            found += data
        if found[:1] == text[:1]:
            return found
    return None


async def answer(meter: LoopLink, count: int, prefix: bytes = b"") -> list[bytes]:
    """A meter that answers with the first letter of what it is asked."""
    asked = []
    for _ in range(count):
        data = await meter.read()
        asked.append(data)
        await meter.write(prefix + data[:1] + b"=1\n")
    return asked


async def test_listener_hands_over_and_tells_of_silence() -> None:
    ours, theirs = pair()
    found: list[Found] = []
    cut = asyncio.Event()

    def take(item: Found) -> None:
        found.append(item)
        if isinstance(item, Problem) and item.code == "cut":
            cut.set()

    seen: list[tuple[str, bytes]] = []
    listener = Listener(ours, Lines(), take, 0.05, lambda: NOON, lambda way, data: seen.append((way, data)))
    running = asyncio.create_task(listener.run())
    await theirs.write(b"one\ntw")
    await theirs.write(b"o\nthr")
    await cut.wait()
    await theirs.write(b"four\nend")
    await theirs.close()
    await running
    assert [item.code for item in found if isinstance(item, Problem)] == ["one", "two", "cut", "four", "cut"]
    assert isinstance(found[0], Problem)
    assert found[0].message == str(NOON)
    assert b"".join(data for _, data in seen) == b"one\ntwo\nthrfour\nend"


async def test_turns_go_by_priority_then_by_order() -> None:
    turns = Turns()
    order: list[str] = []

    async def use(name: str, priority: Priority) -> None:
        async with turns.turn(priority):
            order.append(name)

    async with turns.turn(Priority.SCHEDULE):
        tasks = []
        for name, priority in {"s1": 2, "s2": 2, "d": 1, "gone": 0, "c1": 0, "c2": 0}.items():
            tasks.append(asyncio.create_task(use(name, Priority(priority))))
            await asyncio.sleep(0)
        assert turns.waiting == 6
        tasks[3].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["c1", "c2", "d", "s1", "s2"]


async def test_a_turn_given_to_somebody_cancelled_is_passed_on() -> None:
    turns = Turns()
    order: list[str] = []

    async def use(name: str) -> None:
        async with turns.turn(Priority.SCHEDULE):
            order.append(name)

    async with turns.turn(Priority.SCHEDULE):
        first, second = (asyncio.create_task(use(name)) for name in ("first", "second"))
        await asyncio.sleep(0)
    first.cancel()  # its turn has come, but it has not run yet
    await asyncio.gather(first, second, return_exceptions=True)
    assert order == ["second"]


async def test_question_and_answer() -> None:
    ours, theirs = pair()
    line = Line(ours)
    meter = asyncio.create_task(answer(theirs, 2))
    assert await line.ask(ask(b"a")) == b"a=1\n"
    assert await line.ask(ask(b"b"), Priority.CONTROL) == b"b=1\n"
    assert await meter == [b"a", b"b"]
    await line.close()


async def test_silence_then_retry() -> None:
    ours, theirs = pair()
    line = Line(ours)
    asked = asyncio.create_task(line.ask(ask(b"a", 0.05, tries=2)))
    assert await theirs.read() == b"a"
    assert await theirs.read() == b"a"
    await theirs.write(b"a=2\n")
    assert await asked == b"a=2\n"
    assert (line.counts.asked, line.counts.silences) == (2, 1)
    await line.close()


async def test_a_late_answer_is_dropped_before_the_next_question() -> None:
    ours, theirs = pair()
    line = Line(ours)
    assert await line.ask(ask(b"a", 0.01)) is None
    await theirs.read()
    await theirs.write(b"a=late\n")
    await asyncio.sleep(0)
    meter = asyncio.create_task(answer(theirs, 1))
    assert await line.ask(ask(b"a")) == b"a=1\n"
    assert line.counts.stray_bytes == len(b"a=late\n")
    await meter
    await line.close()


@pytest.mark.parametrize("echoes", [True, False])
async def test_echo_is_taken_off(echoes: bool) -> None:
    ours, theirs = pair()
    line = Line(ours, echo=True)
    meter = asyncio.create_task(answer(theirs, 1, b"?abc" if echoes else b""))
    expected = b"?=1\n"
    assert await line.ask(ask(b"?abc")) == expected
    assert line.counts.echoes == echoes
    await meter
    await line.close()


async def test_a_broken_line_is_an_error_for_who_asks_and_who_waits() -> None:
    ours, theirs = pair()
    line = Line(ours)
    asked = asyncio.create_task(line.ask(ask(b"a")))
    await theirs.read()
    await theirs.close()
    with pytest.raises(LinkError):
        await asked
    with pytest.raises(LinkError):
        await line.run()
    with pytest.raises(LinkError):
        await line.ask(ask(b"b"))
    await line.close()


async def test_nothing_is_awaited_after_a_broadcast() -> None:
    def broadcast() -> Dialogue[str]:
        data = yield Ask(b"time", 0)
        assert data == b""
        return "sent"

    ours, theirs = pair()
    line = Line(ours)
    assert await line.ask(broadcast()) == "sent"
    assert await theirs.read() == b"time"
    await line.close()


class Tunable(LoopLink):
    """A link that remembers, in order, what was sent and to which speed it was tuned, and when."""

    def __init__(self) -> None:
        super().__init__("loop://tunable")
        self.told: list[object] = []
        self.times: list[float] = []
        self._byte_time = 0.01

    async def write(self, data: bytes) -> None:
        self.told.append(data)
        self.times.append(asyncio.get_running_loop().time())

    async def retune(self, baud: int, format: str | None = None) -> None:
        self.told.append((baud, format))
        self.times.append(asyncio.get_running_loop().time())


def sign_on() -> Dialogue[str]:
    assert (yield Ask(b"12345678", 0)) == b""
    assert (yield Retune(9600, "7E1")) == b""
    assert (yield Retune(300)) == b""
    return "done"


async def test_a_line_is_retuned_when_what_was_sent_has_left() -> None:
    link = Tunable()
    line = Line(link)
    assert await line.ask(sign_on()) == "done"
    assert link.told == [b"12345678", (9600, "7E1"), (300, None)]
    assert link.times[1] - link.times[0] >= 0.08 - 0.001
    await line.close()


class Fixed:
    """A link without a speed of its own."""

    name, byte_time = "fixed", 0.0

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def read(self) -> bytes:
        await self.over.wait()
        return b""

    async def write(self, data: bytes) -> None:
        pass

    async def close(self) -> None:
        self.over.set()


async def test_a_link_without_speed_goes_on_as_it_is() -> None:
    line = Line(Fixed())
    assert await line.ask(sign_on()) == "done"
    await line.close()


def long_answer(gap: float) -> Dialogue[bytes]:
    data = found = yield Ask(b"?", 0.3, gap)
    while data:
        data = yield MORE
        found += data
    return found


@pytest.mark.parametrize(("gap", "whole"), [(0.25, True), (0.0, False)])
async def test_an_answer_of_unknown_length_ends_with_a_gap(gap: float, whole: bool) -> None:
    ours, theirs = pair()
    line = Line(ours)
    asking = asyncio.ensure_future(line.ask(long_answer(gap)))
    await theirs.read()
    for _ in range(8):
        await theirs.write(b"x")
        await asyncio.sleep(0.08)
    assert (await asking == b"x" * 8) is whole
    await line.close()
