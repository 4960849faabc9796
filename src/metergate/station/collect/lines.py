"""What gateways tell of their lines, made rows; and the word to gateways that somebody watches a line.

A gateway is believed only about lines that the archive says are its own; everything else is junk, and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error, close_old_connections, transaction
from django.utils import timezone

from metergate.errors import DecodeError
from metergate.links.mqtt import Message, MqttClient
from metergate.station.archive.models import Line
from metergate.station.collect import services
from metergate.station.collect.models import Presence, Watch
from metergate.wire.lines import (
    REPORTS,
    TRACES,
    WATCHED,
    LineReport,
    Report,
    Sight,
    decode_report,
    decode_sight,
    place,
    watch_topic,
)

log = logging.getLogger(__name__)
EVERY = 1.0
"""Seconds between two writings."""
AGAIN = WATCHED / 3
"""Seconds after which a gateway is told again that a line is watched."""
WAITING = 2000
"""Messages that wait for the next writing at most; the oldest give way."""
QUARTER = timedelta(minutes=15)
KNOWN = 10_000
"""Lines whose counters are remembered."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a gateway: a report, or something seen on `line`."""

    gateway: str
    line: str
    at: datetime
    said: Report | Sight


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much a line's counters grew."""

    asked: int
    answered: int
    errors: Counter[str]


class Counters:
    """The counters of lines as they were last told."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[str, LineReport]] = {}

    def gain(self, gateway: str, began: str, now: LineReport) -> Gain | None:
        """What is new since the last report of the same run of the gateway; after its restart, all of it.

        None for a line that is heard of for the first time: nobody knows when that was counted. On a line that
        speaks by itself every telegram is an answer.
        """
        known = self._last.pop((gateway, now.name), None)
        while len(self._last) >= KNOWN:
            del self._last[next(iter(self._last))]
        self._last[gateway, now.name] = began, now
        if known is None:
            return None
        before = known[1] if known[0] == began and not _fell(known[1], now) else LineReport(now.name)
        answered = now.answered - before.answered if now.asked else now.telegrams - before.telegrams
        return Gain(now.asked - before.asked, answered, Counter(now.problems) - Counter(before.problems))


def _fell(before: LineReport, now: LineReport) -> bool:
    """Counters that are smaller than before began anew: the line was closed and opened by new settings."""
    return any(getattr(now, name) < getattr(before, name) for name in ("asked", "answered", "telegrams"))


class Lines:
    """The lines' ears of a station: run one. `junk` counts messages, and lines in them, that were of no use."""

    def __init__(self) -> None:
        self.junk = 0
        self.written = asyncio.Condition()
        self._heard: deque[Heard] = deque(maxlen=WAITING)
        self._counters = Counters()
        self._told: dict[tuple[str, str], float] = {}

    async def run(self, client: MqttClient, turn: asyncio.Lock) -> None:
        """Until cancelled. `turn` is held while the database is used."""
        await client.subscribe(REPORTS, self.take)
        await client.subscribe(TRACES, self.take)
        while True:
            heard = list(self._heard)
            self._heard.clear()
            async with turn:
                lines = await asyncio.to_thread(self._turn, heard)
            self._forward(client, lines)
            async with self.written:
                self.written.notify_all()
            await asyncio.sleep(EVERY)

    def _forward(self, client: MqttClient, lines: list[tuple[str, str]]) -> None:
        """Tell the gateways of watched lines, each once in `AGAIN` seconds."""
        now = time.monotonic()
        self._told = {line: self._told[line] for line in lines if line in self._told} | {
            line: now
            for line in lines
            if now - self._told.get(line, now - AGAIN) >= AGAIN and client.send(watch_topic(*line), b"")
        }

    def take(self, message: Message) -> None:
        """Keep a message until the next writing."""
        gateway, line = place(message.topic)
        try:
            said = decode_sight(message.payload) if line else decode_report(message.payload)
        except DecodeError as error:
            self._refuse(f"{message.topic}: {error}")
            return
        self._heard.append(Heard(gateway, line, timezone.now(), said))

    def _refuse(self, why: str) -> None:
        """Counted, and said the first time and then ever more seldom."""
        self.junk += 1
        if self.junk & (self.junk - 1) == 0:
            log.warning("lines: %s (%d so far)", why, self.junk)

    def _turn(self, heard: list[Heard]) -> list[tuple[str, str]]:
        """Write what was heard, and see who is watched. A database that is busy costs a turn and nothing else."""
        close_old_connections()
        try:
            self.write(heard)
            return watched(timezone.now())
        except Error as error:
            log.warning("lines: %s", error)
            return []

    @transaction.atomic
    def write(self, heard: Iterable[Heard]) -> None:
        """Make rows of what was heard."""
        rows = list(heard)
        own = set(
            Line.objects.filter(gateway__name__in={row.gateway for row in rows}).values_list("gateway__name", "code")
            if rows
            else ()
        )
        for row in rows:
            if isinstance(row.said, Report):
                self._count(row, row.said, own)
            elif (row.gateway, row.line) in own:
                sight = row.said
                services.note_trace(row.line, sight.at, sight.direction, sight.data, sight.protocol, sight.text)
            else:
                self._refuse(f"{row.gateway} has no line {row.line!r}")

    def _count(self, row: Heard, report: Report, own: set[tuple[str, str]]) -> None:
        start = datetime.fromtimestamp(row.at.timestamp() // QUARTER.total_seconds() * 900, row.at.tzinfo)
        for line in report.lines:
            if (row.gateway, line.name) not in own:
                self._refuse(f"{row.gateway} has no line {line.name!r}")
                continue
            gain = self._counters.gain(row.gateway, report.began, line)
            if gain and (gain.asked or gain.answered or gain.errors):
                services.count_quarter(Presence.Kind.LINE, line.name, start, gain.asked, gain.answered, gain.errors)
                if line.round_ms is not None:
                    services.note_round(line.name, line.round_ms)


def watched(now: datetime) -> list[tuple[str, str]]:
    """Gateway and code of the lines whose page somebody has open."""
    codes = list(Watch.objects.filter(until__gt=now).values_list("line", flat=True))
    rows = Line.objects.filter(code__in=codes, gateway__isnull=False) if codes else Line.objects.none()
    return list(rows.values_list("gateway__name", "code"))
