"""A link, a protocol and a clock put together: listening to lines that talk by themselves, asking on those that do not.

A half-duplex line has one owner, `Line`: whoever wants to ask waits for his turn, control before on-demand before
schedule, and first come first served within each.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from itertools import count
from math import ceil
from typing import TypeVar

from metergate.errors import LinkError
from metergate.links.base import Adjustable, Link
from metergate.links.buffered import forward
from metergate.wire.base import Ask, Dialogue, Found, Receiver, Retune

T = TypeVar("T")
Clock = Callable[[], datetime]
Tracer = Callable[[str, bytes], None]
"""Told of every byte that passes, with its direction: "<" from the line, ">" to it."""
GAP = 0.2
"""Seconds of silence that end a telegram."""
KEPT = 64 * 1024
"""Bytes that are kept of a line on which nobody asked for anything."""


def utc_now() -> datetime:
    """The wall clock, aware."""
    return datetime.now(UTC)


class Listener:
    """Listens to a line and hands everything found to `found`.

    Nothing is awaited between bytes and `found`; after `gap` seconds without bytes the receiver is told of the silence.
    `trace` may be set and taken away at any time.
    """

    def __init__(
        self,
        link: Link,
        receiver: Receiver,
        found: Callable[[Found], None],
        gap: float = GAP,
        clock: Clock = utc_now,
        trace: Tracer | None = None,
    ) -> None:
        self._link, self._receiver, self._found = link, receiver, found
        self._gap, self._clock, self.trace = gap, clock, trace
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._last = 0.0

    async def run(self) -> None:
        """Until the line ends; then what is unfinished is given up. LinkError if the line broke."""
        try:
            await forward(self._link, self._take)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._silence()

    def _take(self, data: bytes) -> None:
        self._last = self._loop.time()
        if self._timer is None:
            self._wait(self._gap)
        if self.trace is not None:
            self.trace("<", data)
        for item in self._receiver.receive(data, self._clock()):
            self._found(item)

    def _quiet(self) -> None:
        """The timer runs once a telegram and not once a chunk: it looks when the last bytes came, and may go on."""
        left = self._last + self._gap - self._loop.time()
        self._timer = None
        if left > 0.001:
            self._wait(left)
        else:
            self._silence()

    def _wait(self, seconds: float) -> None:
        """Up to a quarter of the gap longer, so that many lines share one wake-up."""
        step = max(self._gap / 4, 0.001)
        self._timer = self._loop.call_at(ceil((self._loop.time() + seconds) / step) * step, self._quiet)

    def _silence(self) -> None:
        for item in self._receiver.silence():
            self._found(item)


class Priority(IntEnum):
    """Who goes first on a line."""

    CONTROL = 0
    ON_DEMAND = 1
    SCHEDULE = 2


class Turns:
    """A lock whose waiters are served by priority."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._number = count()

    @asynccontextmanager
    async def turn(self, priority: Priority) -> AsyncIterator[None]:
        """Wait for one's turn and keep it for the block."""
        await self._acquire(priority)
        try:
            yield
        finally:
            self._next()

    async def _acquire(self, priority: Priority) -> None:
        if not self._taken:
            self._taken = True
            return
        mine = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._number), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._next()  # it was our turn already: pass it on
            raise

    def _next(self) -> None:
        while self._waiting:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)
                return
        self._taken = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(not future.done() for _, _, future in self._waiting)


@dataclass
class LineCounts:
    """What happened on a line: questions asked, answers late or foreign (bytes), own echoes taken away.

    `last`: seconds that the last dialogue had the line.
    """

    asked: int = 0
    stray_bytes: int = 0
    echoes: int = 0
    silences: int = 0
    last: float = 0.0


class Line:
    """The owner of a half-duplex line.

    `echo` True: the adapter repeats what we send, and that is taken off the answer. `spare`: seconds granted on top of
    every time limit (converters, radio). `trace` may be set and taken away at any time.
    """

    def __init__(
        self, link: Link, echo: bool = False, spare: float = 0.0, trace: Tracer | None = None, rest: float = 0.0
    ) -> None:
        self.link = link
        self.counts = LineCounts()
        self._echo, self._spare, self._rest, self.trace = echo, spare, rest, trace
        self._turns = Turns()
        self._inbox = bytearray()
        self._arrived = asyncio.Event()
        self._out_at = 0.0  # when the last bit of what was sent has left
        self._broken: LinkError | None = None
        self._pump = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        try:
            while data := await self.link.read():
                if self.trace is not None:
                    self.trace("<", data)
                self._inbox += data[-KEPT:]
                del self._inbox[:-KEPT]
                self._arrived.set()
            self._broken = LinkError(f"{self.link.name}: the other side closed the line")
        except LinkError as error:
            self._broken = error
        self._arrived.set()

    async def run(self) -> None:
        """Until the line breaks, then LinkError; cancelling it leaves the line open."""
        await asyncio.wait([self._pump])
        if self._broken:
            raise self._broken

    async def close(self) -> None:
        """Stop reading and close the link."""
        self._pump.cancel()
        await asyncio.wait([self._pump])
        await self.link.close()

    async def ask(self, dialogue: Dialogue[T], priority: Priority = Priority.SCHEDULE) -> T:
        """Hold a dialogue when its turn comes; its result, or the error that it raises. LinkError if the line broke."""
        async with self._turns.turn(priority):
            began = asyncio.get_running_loop().time()
            try:
                return await self._converse(dialogue)
            finally:
                self.counts.last = asyncio.get_running_loop().time() - began
                dialogue.close()

    async def _converse(self, dialogue: Dialogue[T]) -> T:
        loop = asyncio.get_running_loop()
        deadline, gap, answer = 0.0, 0.0, None
        while True:
            try:
                step = next(dialogue) if answer is None else dialogue.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Retune):
                await self._retune(step)
                answer = b""
                continue
            if isinstance(step, Ask):
                deadline, gap = loop.time() + await self._send(step), step.gap
            nothing = isinstance(step, Ask) and not step.timeout
            answer = b"" if nothing else await self._answer(deadline)
            deadline += len(answer) * self.link.byte_time
            if gap and answer:
                deadline = max(deadline, loop.time() + gap + self._spare)

    async def _retune(self, step: Retune) -> None:
        """Another speed, once the last bit has left; a link that has none stays as it is."""
        if isinstance(self.link, Adjustable):
            await asyncio.sleep(max(0.0, self._out_at - asyncio.get_running_loop().time()))
            await self.link.retune(step.baud, step.format)

    async def _send(self, step: Ask) -> float:
        """Send; what arrived unasked before is a late or foreign answer and is dropped. Seconds that may now pass.

        Nothing to send is no question: then what arrived is kept.
        """
        if not step.data:
            return step.timeout + self._spare
        if self._rest:
            await asyncio.sleep(self._rest)
        self.counts.stray_bytes += len(self._inbox)
        self._inbox.clear()
        if self._broken:
            raise self._broken
        self.counts.asked += 1
        if self.trace is not None:
            self.trace(">", step.data)
        await self.link.write(step.data)
        transfer = len(step.data) * self.link.byte_time
        self._out_at = asyncio.get_running_loop().time() + transfer
        if self._echo:
            await self._drop_echo(step.data, transfer)
        return step.timeout + self._spare + transfer

    async def _drop_echo(self, sent: bytes, transfer: float) -> None:
        """Take our own bytes off the front of what comes back; if other bytes come, there was no echo."""
        deadline = asyncio.get_running_loop().time() + transfer + GAP
        while len(self._inbox) < len(sent) and sent.startswith(self._inbox):
            if not await self._more(deadline):
                return
        if self._inbox.startswith(sent):
            del self._inbox[: len(sent)]
            self.counts.echoes += 1

    async def _answer(self, deadline: float) -> bytes:
        if not self._inbox and not await self._more(deadline):
            self.counts.silences += 1
            return b""
        data = bytes(self._inbox)
        self._inbox.clear()
        return data

    async def _more(self, deadline: float) -> bool:
        """Wait for bytes on top of those that are there; False when the time is up. LinkError if the line broke."""
        self._arrived.clear()
        if self._broken:
            raise self._broken
        try:
            async with asyncio.timeout_at(deadline):
                await self._arrived.wait()
        except TimeoutError:
            return False
        if self._broken and not self._inbox:
            raise self._broken
        return True
