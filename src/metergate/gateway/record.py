"""Store and forward: readings go to the disk in groups, and to the station until it says that it has them.

`Recorder` gathers what arrives and makes it durable in a thread, one group at a time. `Sender` carries the spool to the
station as batches (QoS 1) and lets the spool forget only what the station acknowledges end to end.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from metergate.errors import DecodeError, MetergateError, StorageError
from metergate.gateway.hub import MeterState, Sink
from metergate.model import Event, Reading
from metergate.profiles.spool import Spool
from metergate.wire.batch import Ack, decode_ack, encode

log = structlog.get_logger(__name__)
GROUP = 20_000
"""So many waiting readings are written at once, without waiting for the time."""
WINDOW = 8
"""Batches under way that the station has not acknowledged."""
Publish = Callable[[bytes], Awaitable[None]]


class Recorder:
    """Makes readings durable every `period` seconds, or when `flush` is awaited."""

    def __init__(self, spool: Spool, period: float = 1.0) -> None:
        self.spool = spool
        self.errors = 0
        self.written = self._appended = 0
        self._period = period
        self._readings: list[Reading] = []
        self._events: list[Event] = []
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._watchers: list[Callable[[], None]] = []

    def add(self, readings: Iterable[Reading]) -> None:
        """Take in readings; never waits."""
        self._readings.extend(readings)
        if len(self._readings) >= GROUP:
            self._wake.set()

    def add_event(self, event: Event) -> None:
        """Take in an event."""
        self._events.append(event)

    def watch(self, callback: Callable[[], None]) -> None:
        """Have `callback()` called whenever something became durable."""
        self._watchers.append(callback)

    async def run(self) -> None:
        """Write group after group; a full disk is reported and tried again."""
        while True:
            try:
                async with asyncio.timeout(self._period):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.flush()
            except StorageError as error:
                log.error("the spool cannot be written", reason=str(error), waiting=len(self._readings))

    async def flush(self) -> int:
        """Make everything taken in so far durable; the last durable cursor. StorageError: kept, and tried again."""
        async with self._turn:
            if not (self._readings or self._events or self.spool.newest > self.spool.durable):
                return self.spool.durable
            try:
                durable = await asyncio.to_thread(self._commit, len(self._readings), len(self._events))
            except StorageError:
                self.errors += 1
                raise
        for watcher in self._watchers:
            watcher()
        return durable

    def _commit(self, readings: int, events: int) -> int:
        """In a thread: what the spool has taken is dropped here only then."""
        if readings or events:
            self.spool.append(self._readings[:readings], self._events[:events])
            del self._readings[:readings], self._events[:events]
            self._appended += readings
        durable = self.spool.sync()
        self.written = self._appended
        return durable


class SpoolSink(Sink):
    """Every number goes to the disk, texts and octets (numbers of devices ...) only when they change."""

    name = "spool"
    keeps = True

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._texts: dict[str, object] = {}

    def accept(self, meter: MeterState, readings: tuple[Reading, ...]) -> None:
        """See `Sink`."""
        self.keep(readings)

    def keep(self, readings: tuple[Reading, ...]) -> None:
        """See `Sink`."""
        self._recorder.add([reading for reading in readings if self._counts(reading)])

    def _counts(self, reading: Reading) -> bool:
        value = reading.value
        if not isinstance(value, str | bytes):
            return True
        key = reading.register.key
        if self._texts.get(key) == value:
            return False
        self._texts[key] = value
        return True

    def event(self, event: Event) -> None:
        """See `Sink`."""
        self._recorder.add_event(event)


@dataclass(slots=True)
class _Sent:
    """A batch under way."""

    end: int
    at: float


class Sender:
    """Carries the spool to the station.

    `delay`: how long readings wait for others to travel with. `resend`: when the oldest batch under way is that old
    without an acknowledgement, everything from the acknowledged cursor on is sent again; the station keeps each once.
    """

    def __init__(
        self,
        recorder: Recorder,
        publish: Publish,
        *,
        limit: int = 1000,
        delay: float = 10.0,
        resend: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder, self._spool, self._publish = recorder, recorder.spool, publish
        self._limit, self._delay, self._resend, self._clock = limit, delay, resend, clock
        self._under_way: deque[_Sent] = deque()
        self._sent = self._spool.acknowledged
        self._behind, self._written = True, 0
        self._news = asyncio.Event()
        self.batches = self.resent = self.acknowledgements = self.bad_acknowledgements = 0
        recorder.watch(self._news.set)

    @property
    def waiting(self) -> int:
        """Appends that the station has not acknowledged."""
        return self._spool.newest - self._spool.acknowledged

    def acknowledged(self, message: bytes) -> None:
        """Take an acknowledgement of the station. One of another spool, or one that is none, is counted and ignored."""
        try:
            ack: Ack = decode_ack(message)
        except DecodeError as error:
            self.bad_acknowledgements += 1
            log.warning("no acknowledgement", reason=str(error))
            return
        if ack.epoch != self._spool.epoch:
            self.bad_acknowledgements += 1
            return
        self.acknowledgements += 1
        self._spool.acknowledge(min(ack.cursor, self._spool.durable))
        while self._under_way and self._under_way[0].end <= ack.cursor:
            self._under_way.popleft()
        self._news.set()

    def again(self) -> None:
        """The broker or the station came back: begin at what is acknowledged."""
        if self._sent > self._spool.acknowledged:
            self.resent += len(self._under_way)
        self._under_way.clear()
        self._sent, self._behind = self._spool.acknowledged, True
        self._news.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._wait()
            try:
                await self._send()
            except MetergateError as error:
                log.warning("a batch was not sent", reason=str(error))
                self.again()
                await asyncio.sleep(min(5.0, self._resend))

    async def _wait(self) -> None:
        """Until there is something to send and room for it; overdue batches make everything start again."""
        began = self._clock()
        while not self._ready(self._clock() - began):
            self._news.clear()
            try:
                async with asyncio.timeout(min(self._delay, self._resend) or 0.05):
                    await self._news.wait()
            except TimeoutError:
                if self._under_way and self._clock() - self._under_way[0].at > self._resend:
                    self.again()

    def _ready(self, waited: float) -> bool:
        fresh = self._spool.durable - max(self._sent, self._spool.acknowledged)
        full = self._recorder.written - self._written >= self._limit
        return fresh > 0 and len(self._under_way) < WINDOW and (self._behind or full or waited >= self._delay)

    async def _send(self) -> None:
        cursor, durable = max(self._sent, self._spool.acknowledged), self._spool.durable
        self._written = self._recorder.written
        made = await asyncio.to_thread(self._batch, cursor)
        if made is None:
            self._sent, self._behind = durable, False
            return
        message, end = made
        self._sent, self._behind = end, end < durable
        sent = _Sent(end, self._clock())
        self._under_way.append(sent)
        self.batches += 1
        await self._publish(message)
        sent.at = self._clock()

    def _batch(self, cursor: int) -> tuple[bytes, int] | None:
        batch = self._spool.read(cursor, self._limit)
        return (encode(batch), batch.end) if batch else None
