"""A simulated collector (level 2): reads its meters by itself, logs every quarter hour, answers MGC/1.

Killing its process is a loss of power: what it acknowledged or answered from its log is on disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from metergate.model import Obis, Severity
from metergate.sim.source import Source
from metergate.sim.store import Store
from metergate.wire.mgc1.collector import Declined
from metergate.wire.mgc1.frame import Status
from metergate.wire.mgc1.records import (
    CollectorStatus,
    EventCode,
    EventRecord,
    Flag,
    Ident,
    Record,
    StatusFlag,
    ValvePosition,
    ValveState,
)
from metergate.wire.mgc1.registers import CODES

Values = dict[Obis, Decimal]


@dataclass
class Channel:
    """A meter of the collector: what it showed last and when. A built-in one (`source`) is read without a bus."""

    number: int
    registers: tuple[Obis, ...]
    source: Source | None = None
    has_valve: bool = False
    values: Values = field(default_factory=dict)
    read_at: datetime | None = None
    silent: bool = True

    def show(self, values: Values, at: datetime) -> None:
        """The meter answered."""
        self.values, self.read_at, self.silent = values, at, False

    def refresh(self, at: datetime) -> None:
        """Read a built-in meter."""
        if self.source:
            known = {obis: self.source(obis, at) for obis in self.registers}
            self.show({obis: value for obis, value in known.items() if value is not None}, at)

    def records(self, boots: int, now: datetime, flags: int = 0) -> Iterator[Callable[[int], bytes]]:
        """A record for each register, to be given its cursor, of the instant at which it was read; a meter that kept
        silent gives records of `now` without value."""
        at = int((now if self.silent or self.read_at is None else self.read_at).timestamp())
        for obis in self.registers:
            value = None if self.silent else self.values.get(obis)
            mark = flags if value is not None else flags | Flag.NO_ANSWER
            yield partial(_record, self.number, CODES[obis], at, value, mark, boots)


def _record(channel: int, code: int, at: int, value: Decimal | None, flags: int, boots: int, cursor: int) -> bytes:
    raw = int(value.scaleb(3)) if value is not None else 0
    return Record(cursor, channel, code, at, raw, int(flags), boots).encode()


@dataclass(frozen=True)
class Order:
    """A valve order that waits for the bus."""

    id: int
    channel: int
    close: bool
    expires: datetime


class Memory:
    """The collector itself behind the protocol: a `wire.mgc1` Backend.

    `state`: the folder of log, events and counters. `tick(now)` logs all channels; `mains(...)` tells of the supply.
    """

    def __init__(self, channels: Sequence[Channel], state: Path, serial: str, depth: int = 90 * 96 * 24) -> None:
        self.channels = {channel.number: channel for channel in channels}
        self.serial = serial
        self.on_mains = True
        self.orders: list[Order] = []
        self.log = Store(state / "log", depth, self._overrun)
        self.freezes = Store(state / "freezes", 40_000)
        self.incidents = Store(state / "events", 8192)
        self._kept_in = state / "kept.json"
        self._kept = self._read_kept()
        self.boots: int = self._kept["boots"] + 1
        self._keep(boots=self.boots)
        self._now = datetime.fromtimestamp(0, UTC)

    # --- what happens at the collector -------------------------------------------------------------------------------
    def tick(self, now: datetime) -> None:
        """Log every channel for the mark `now`; the first tick of a day freezes them too."""
        self._now = now
        for channel in self.channels.values():
            channel.refresh(now)
        self.log.append([make for channel in self.channels.values() for make in channel.records(self.boots, now)])
        day = now.date().toordinal()
        if day != self._kept.get("frozen"):
            channels = self.channels.values()
            self.freezes.append(
                [make for channel in channels for make in channel.records(self.boots, now, Flag.FROZEN)]
            )
            self._keep(frozen=day)

    def note(self, code: EventCode, now: datetime, channel: int = 0, first: int = 0, second: int = 0) -> None:
        """Keep an event."""
        severity = Severity.FAULT if code is EventCode.BUFFER_OVERRUN else Severity.NOTICE
        event = EventRecord(0, code, int(now.timestamp()), channel, severity, first, second, self.boots)
        self.incidents.append([lambda cursor: _numbered(event, cursor)])

    def mains(self, on: bool, now: datetime) -> None:
        """The supply failed or came back."""
        if on != self.on_mains:
            self.on_mains = on
            self.note(EventCode.MAINS_RESTORED if on else EventCode.MAINS_FAIL, now)

    def _overrun(self, first: int, last: int) -> None:
        self.note(EventCode.BUFFER_OVERRUN, self._now, first=first, second=last)

    # --- what the master asks ----------------------------------------------------------------------------------------
    def ident(self) -> Ident:
        """See `Backend`."""
        return Ident("MG-C36", self.serial, "1.0", len(self.channels), self.boots)

    def status(self, now: datetime) -> CollectorStatus:
        """See `Backend`."""
        bus_fault = any(channel.silent for channel in self.channels.values())
        waiting = self.incidents.newest > self._kept.get("told", 0)
        flags = (
            (StatusFlag.MAINS if self.on_mains else 0)
            | (StatusFlag.BUS_FAULT if bus_fault else 0)
            | (StatusFlag.BUFFER_NEARLY_FULL if self.log.full else 0)
            | (StatusFlag.EVENT_WAITING if waiting else 0)
        )
        clock = int(self.clock(now).timestamp())
        return CollectorStatus(clock, int(flags), self.log.oldest, self.log.newest, self.log.acknowledged)

    def read_now(self, channel: int | None, now: datetime) -> Iterable[Record]:
        """See `Backend`: built-in meters are read now, those on the bus as they were when last read."""
        for each in self._chosen(channel):
            each.refresh(now)
            yield from (Record.decode(make(0)) for make in each.records(self.boots, now))

    def read_freeze(self, day: int, kind: int, channel: int | None) -> Iterable[Record]:
        """See `Backend`: the freezes of a day; month freezes are those of its first day."""
        numbers = {each.number for each in self._chosen(channel)}
        found = [Record.decode(octets) for octets in self.freezes.read(0, 40_000)]
        picked = [record for record in found if record.time // 86400 == day and record.channel in numbers]
        first_of_month = datetime.fromtimestamp(day * 86400, UTC).day == 1
        if not picked or (kind == 1 and not first_of_month):
            raise Declined(Status.NO_DATA)
        return picked

    def read_log(self, cursor: int, most: int) -> tuple[Sequence[Record], bool]:
        """See `Backend`."""
        found = [Record.decode(octets) for octets in self.log.read(cursor, most)]
        return found, bool(found) and found[-1].cursor < self.log.newest

    def ack_log(self, cursor: int) -> None:
        """See `Backend`."""
        self.log.acknowledge(cursor)

    def clock(self, now: datetime) -> datetime:
        """See `Backend`."""
        return now + timedelta(milliseconds=self._kept.get("clock_ms", 0))

    def set_clock(self, time: datetime, step: bool, now: datetime) -> None:
        """See `Backend`."""
        before = self.clock(now)
        self._keep(clock_ms=int((time - now) / timedelta(milliseconds=1)))
        self.note(EventCode.CLOCK_SET, now, first=int(before.timestamp()), second=int(time.timestamp()))

    def valve(self, order: int, channel: int, action: int, ttl: int, now: datetime) -> int:
        """See `Backend`: the order waits for the bus."""
        if action == 2:
            raise Declined(Status.BAD_PAYLOAD)
        self._valve_channel(channel)
        self.orders.append(Order(order, channel, action == 1, now + timedelta(seconds=ttl)))
        self._keep(**{f"order {channel}": order, f"valve {channel}": ValvePosition.MOVING})
        return ValvePosition.MOVING

    def valve_state(self, channel: int, now: datetime) -> ValveState:
        """See `Backend`."""
        self._valve_channel(channel)
        position = self._kept.get(f"valve {channel}", ValvePosition.OPEN)
        return ValveState(position, 0, self._kept.get(f"order {channel}", 0))

    def arrived(self, channel: int, position: ValvePosition) -> None:
        """The bus told where the valve is now."""
        self._keep(**{f"valve {channel}": position})

    def config(self, key: int) -> bytes:
        """See `Backend`."""
        if f"config {key}" not in self._kept:
            raise Declined(Status.NO_DATA)
        return bytes.fromhex(self._kept[f"config {key}"])

    def set_config(self, key: int, value: bytes) -> bytes:
        """See `Backend`."""
        self._keep(**{f"config {key}": value.hex()})
        return value

    def pass_through(self, raw: bytes, timeout_ms: int, now: datetime) -> bytes:
        """See `Backend`: the bus belongs to the collector's own polling."""
        raise Declined(Status.BUSY)

    def events(self, cursor: int, most: int) -> Sequence[EventRecord]:
        """See `Backend`."""
        found = [EventRecord.decode(octets) for octets in self.incidents.read(cursor, most)]
        if found and found[-1].cursor > self._kept.get("told", 0):
            self._keep(told=found[-1].cursor)
        return found

    # --- inside ------------------------------------------------------------------------------------------------------
    def _chosen(self, number: int | None) -> list[Channel]:
        if number is None:
            return list(self.channels.values())
        if number not in self.channels:
            raise Declined(Status.CHANNEL_ABSENT)
        return [self.channels[number]]

    def _valve_channel(self, number: int) -> None:
        if not self._chosen(number)[0].has_valve:
            raise Declined(Status.CHANNEL_ABSENT)

    def _read_kept(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._kept_in.read_text()))
        except (OSError, ValueError):
            return {"boots": 0}

    def _keep(self, **changed: object) -> None:
        self._kept |= changed
        new = self._kept_in.with_suffix(".new")
        with new.open("w") as file:
            json.dump(self._kept, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._kept_in)


def _numbered(event: EventRecord, cursor: int) -> bytes:
    return replace(event, cursor=cursor).encode()
