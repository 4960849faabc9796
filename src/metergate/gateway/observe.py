"""For those who look at the lines: counters every few seconds, and the bytes themselves while somebody watches."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from metergate.errors import MetergateError
from metergate.gateway.hub import LineState
from metergate.gateway.lines import LineTask
from metergate.links.mqtt import Message, MqttClient
from metergate.wire import protocol
from metergate.wire.base import Found, Receiver, Telegram, received
from metergate.wire.lines import (
    WATCHED,
    LineReport,
    Sight,
    encode_report,
    encode_sight,
    place,
    report_topic,
    trace_topic,
    watch_topic,
)
from metergate.wire.masks import masked

log = structlog.get_logger(__name__)
EVERY = 10.0
"""Seconds between two reports."""
KEPT, WAITING = 4096, 64
"""Bytes of a message, and messages between two looks, that are kept."""
WAYS = {"<": "rx", ">": "tx"}


@dataclass(slots=True)
class Piece:
    """Bytes that went one way without a pause."""

    way: str
    at: datetime
    data: bytearray


class Observer:
    """Makes messages of the bytes of a line: what comes in one way without `gap` seconds of silence is one.

    Called from the line's own work it only keeps bytes; they are decoded later, and what goes wrong then
    does not touch the line.
    """

    def __init__(self, gap: float, tell: Callable[[Piece], None]) -> None:
        self._gap, self._tell = gap, tell
        self._pieces: deque[Piece] = deque(maxlen=WAITING)
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def __call__(self, way: str, data: bytes) -> None:
        """Bytes passed: `way` is "<" from the line or ">" to it."""
        last = self._pieces[-1] if self._pieces else None
        if way == "<" and last is not None and last.way == way and len(last.data) < KEPT:
            last.data += data[: KEPT - len(last.data)]
        else:
            self._pieces.append(Piece(way, datetime.now(UTC), bytearray(data[:KEPT])))
        self._last = time.monotonic()
        if self._timer is None:
            self._arm(self._gap)

    def _arm(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Tell what is whole; what may still grow waits for the next look."""
        self._timer = None
        left = self._last + self._gap - time.monotonic()
        growing = left > 0.001 and len(self._pieces[-1].data) < KEPT
        while len(self._pieces) > growing:
            self._tell(self._pieces.popleft())
        if growing:
            self._arm(left)

    def close(self) -> None:
        """Forget what was not told."""
        self._pieces.clear()
        if self._timer is not None:
            self._timer.cancel()


class Watched:
    """A line that somebody watches, until `end` or until nobody said so for `WATCHED` seconds."""

    def __init__(self, line: LineTask, send: Callable[[bytes], object], lasting: float) -> None:
        self.line = line
        self.ended = False
        self._send, self._lasting = send, lasting
        self._receiver = receiver_of(line)
        self._observer = Observer(float(line.settings.gap), self._tell)
        self._timer = asyncio.get_running_loop().call_later(lasting, self.end)
        line.observe(self._observer)

    def again(self) -> None:
        """Somebody still watches."""
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._lasting, self.end)

    def end(self) -> None:
        """Nobody watches any more."""
        self.ended = True
        self._timer.cancel()
        self._observer.close()
        self.line.observe(None)

    def _tell(self, piece: Piece) -> None:
        data = bytes(piece.data)
        text = meaning(received(self._receiver, data, piece.at)) if self._receiver else ""
        spoken = self.line.settings.protocol
        self._send(encode_sight(Sight(piece.at, WAYS[piece.way], masked(spoken, data), spoken, text)))


def receiver_of(line: LineTask) -> Receiver | None:
    """A receiver of its own for the line's protocol; None where there is none or a key cannot be read."""
    entry = protocol(line.settings.protocol)
    try:
        return entry.receiver(line.keys(), line.settings.options) if entry else None
    except MetergateError as error:
        log.warning("a trace without words", line=line.state.name, reason=str(error))
        return None


def meaning(found: Iterable[Found]) -> str:
    """What was found in a message, in a few words."""
    return "; ".join(_words(item) for item in found)[:240]


def _words(item: Found) -> str:
    if not isinstance(item, Telegram):
        return item.message
    parts = [str(item.frame.get("function", "")), item.meter.id if item.meter else ""]
    parts += [f"{len(item.readings)} values"] if item.readings else []
    return " ".join(filter(None, [*parts, *(problem.message for problem in item.problems)]))


def report(state: LineState) -> LineReport:
    """A line's counters."""
    taken = None if state.round is None else round(state.round * 1000)
    counts = state.asked, state.answered, state.telegrams
    return LineReport(state.name, state.state, *counts, taken, dict(state.problems))


class Observatory:
    """Reports every `every` seconds on the lines of a gateway, and shows those that the station asks to see."""

    def __init__(
        self, gateway: str, client: MqttClient, lines: Callable[[], Iterable[LineTask]], every: float = EVERY
    ) -> None:
        self._gateway, self._client, self._lines, self._every = gateway, client, lines, every
        self._began = datetime.now(UTC).isoformat()
        self._watched: dict[str, Watched] = {}
        self.lasting = WATCHED

    async def run(self) -> None:
        """Until cancelled."""
        await self._client.subscribe(watch_topic(self._gateway, "+"), self.watch)
        outlet = self._client.outlet(report_topic(self._gateway))
        try:
            while True:
                outlet.send(encode_report(self._began, [report(line.state) for line in self._lines()]))
                await asyncio.sleep(self._every)
        finally:
            for watched in self._watched.values():
                watched.end()

    def watch(self, message: Message) -> None:
        """Somebody watches a line. What the broker kept of earlier days does not count."""
        name = place(message.topic)[1]
        line = next((line for line in self._lines() if line.state.name == name), None)
        if line is None or message.retain:
            return
        known = self._watched.get(name)
        if known and not known.ended and known.line is line:
            known.again()
            return
        outlet = self._client.outlet(trace_topic(self._gateway, name))
        self._watched[name] = Watched(line, outlet.send, self.lasting)
