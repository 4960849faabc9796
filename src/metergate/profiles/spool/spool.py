"""The spool: append, sync, read, acknowledge; bounded; nothing torn, nothing lost without a name."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from pathlib import Path
from threading import Lock

import numpy as np

from metergate.errors import StorageError
from metergate.model import Event, Reading, Severity
from metergate.profiles.arrays import Registers, to_columns
from metergate.profiles.spool.files import SUFFIX, Segment, sync_folder
from metergate.profiles.spool.overrun import OVERRUN, Overrun
from metergate.profiles.spool.recovery import Memory, cut_tail, set_aside
from metergate.profiles.spool.segment import (
    RECORD_HEADER,
    Damage,
    Head,
    Kind,
    Record,
    acknowledged_record,
    data_record,
    registers_record,
)
from metergate.wire.batch import NO_COLUMNS, Batch, Body, Columns, to_ms
from metergate.wire.batch.forms import TextForm

TORN = "SPOOL_TORN"
DAMAGED = "SPOOL_DAMAGED"
_ROWS, _TEXTS = 4096, 64
_BATCH_OCTETS = 512 << 10


def _now() -> datetime:
    return datetime.now(UTC)


class Spool:
    """An append-only store of readings, texts and events in a folder of its own.

    Every append gets the next cursor (1, 2, ...). Cursors only grow, also across restarts and damage, as long as
    `epoch`, the spool's random identity, stays the same; a spool whose folder was lost has another epoch.

    `append` only queues; what is queued is lost by a crash. `sync` makes it durable and may run in another thread.
    `read` returns durable records only. `acknowledge` is cumulative and durable with the next `sync`; at worst a crash
    forgets it and the same records are read again.

    Bounded by `max_bytes` of files and by `max_age`: the oldest segment goes first, which is acknowledged if anything
    is. Where it was not, a BUFFER_OVERRUN event in the spool names cursors, instants and counts that are gone.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = 100 << 20,
        max_age: timedelta = timedelta(days=90),
        max_pending: int = 16 << 20,
        source: str = "spool",
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Open or begin a spool. `source` is who its events are about. StorageError if another process has it."""
        self.folder, self.source = folder, source
        self.max_bytes, self.max_age, self.max_pending = max_bytes, max_age, max_pending
        self.registers = Registers()
        self.epoch = ""
        self.acknowledged = 0
        self._clock = clock
        self._segment_bytes = max(min(8 << 20, max_bytes // 8), 4096)
        self._queue: list[bytes] = []
        self._queued = 0
        self._notices: list[Event] = []
        self._declared = self._named = 0
        self._position = (0, 0, 0)
        self._damage: set[tuple[int, int]] = set()
        self._lock, self._syncing = Lock(), Lock()
        self._owner = _owned(folder)
        self._segments = [Segment.found(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
        self.newest = self.durable = 0
        self._recover()

    def append(self, readings: Iterable[Reading] = (), events: Iterable[Event] = ()) -> int:
        """Queue readings and events; returns their cursor. StorageError if too many wait to be written."""
        with self._lock:
            columns, texts = to_columns(readings, self.registers)
            return self._take(columns, texts, tuple(events))

    def append_columns(self, columns: Columns, texts: Sequence[Reading] = (), events: Sequence[Event] = ()) -> int:
        """As `append`; `columns.register` holds numbers of `self.registers`."""
        with self._lock:
            return self._take(columns, texts, tuple(events))

    def sync(self) -> int:
        """Make everything queued durable, keep the bounds; returns the last durable cursor.

        StorageError (disk full ...): nothing durable is lost, the queue is kept, and a later call tries again.
        """
        with self._syncing:
            victims = self._victims()
            with self._lock:
                queue, newest = list(self._queue), self.newest
            if queue:
                self._write(b"".join(queue))
                with self._lock:
                    del self._queue[: len(queue)]
                    self._queued -= sum(map(len, queue))
                    self.durable = newest
            self._remove(victims)
            return self.durable

    def read(self, cursor: int, limit: int = 1000) -> Batch | None:
        """What comes after `cursor`: whole appends up to about `limit` readings, at least one; None: there is nothing.

        The batch covers everything after `cursor` up to its `end`, also what the spool no longer holds.
        """
        bodies: list[Body] = []
        end, count, octets = cursor, 0, 0
        for segment, record in self._records(cursor):
            body = record.body()
            count += len(body.columns) + len(body.texts) + len(body.events)
            octets += len(record.payload)
            if bodies and (count > limit or octets > _BATCH_OCTETS):
                break
            bodies.append(body)
            end = record.cursor
            self._position = end, segment.first, record.end
        return self._batch(cursor, end, bodies) if bodies else None

    def acknowledge(self, cursor: int) -> None:
        """The station has everything up to `cursor`. Older and unknown cursors are ignored."""
        with self._lock:
            if self.acknowledged < cursor <= self.newest:
                self.acknowledged = cursor
                self._enqueue(acknowledged_record(cursor, self.newest))

    def notices(self) -> list[Event]:
        """What befell the spool since the last call; the same events are also in the spool, for the station."""
        with self._lock:
            notices, self._notices = self._notices, []
        return notices

    @property
    def size(self) -> int:
        """Octets of all segments and of the queue."""
        return sum(segment.size for segment in self._segments) + self._queued

    def close(self) -> None:
        """Sync and let go of the folder."""
        if self._owner < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._owner)
            self._owner = -1

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # appending

    def _take(self, columns: Columns, texts: Sequence[Reading], events: tuple[Event, ...]) -> int:
        if self._queued > self.max_pending:
            raise StorageError(f"{self.folder}: {self._queued} octets wait to be written; nothing more is taken")
        return self._append(columns, texts, events)

    def _append(self, columns: Columns, texts: Sequence[Reading], events: tuple[Event, ...]) -> int:
        forms = [TextForm.of(text, self.registers.number(text.register)) for text in texts]
        bodies = [Body(columns.take(slice(at, at + _ROWS))) for at in range(0, len(columns), _ROWS)]
        bodies += [Body(NO_COLUMNS, tuple(forms[at : at + _TEXTS])) for at in range(0, len(forms), _TEXTS)]
        bodies += [Body(NO_COLUMNS, (), events[at : at + _TEXTS]) for at in range(0, len(events), _TEXTS)]
        records = [data_record(body, self.newest + number) for number, body in enumerate(bodies, 1)]
        self._declare()
        for record in records:
            self._enqueue(record)
        self.newest += len(records)
        return self.newest

    def _declare(self) -> None:
        """Describe the registers that were never described; twice, for all readings after depend on it."""
        fresh = {number: self.registers[number] for number in range(self._declared, self.registers.next)}
        if fresh:
            self._enqueue(registers_record(fresh, self.newest) * 2)
            self._declared = self.registers.next

    def _enqueue(self, record: bytes) -> None:
        self._queue.append(record)
        self._queued += len(record)

    def _note(self, code: str, severity: Severity, **args: object) -> None:
        event = Event(self._clock(), code, self.source, severity, args)
        self._notices.append(event)
        self._append(NO_COLUMNS, (), (event,))

    # writing

    def _write(self, data: bytes) -> None:
        """Write to the last segment or a new one; a full disk may first take what the station has."""
        try:
            self._segment_for(len(data)).write(data)
        except StorageError:
            done = self._acknowledged_segments()
            if not done:
                raise
            self._remove(done)
            self._segment_for(len(data)).write(data)

    def _segment_for(self, size: int) -> Segment:
        last = self._segments[-1] if self._segments else None
        if last is not None and (last.size + size <= self._segment_bytes or last.first > self.durable):
            return last
        with self._lock:
            head = Head(self.epoch, to_ms(self._clock()), self.acknowledged, dict(self.registers.by_number))
        segment = Segment.make(self.folder, head, self.durable)
        with self._lock:
            self._segments.append(segment)
        return segment

    # bounds

    def _acknowledged_segments(self) -> list[Segment]:
        pairs = pairwise(self._segments)
        return [segment for segment, following in pairs if following.first - 1 <= self.acknowledged]

    def _victims(self) -> list[Segment]:
        """The segments that have to go; names in the queue what is lost with them."""
        size, horizon = self.size, to_ms(self._clock() - self.max_age)
        victims = []
        for segment, following in pairwise(self._segments):
            if size <= self.max_bytes and following.begun >= horizon:
                break
            size -= segment.size
            victims.append(segment)
        if victims:
            self._name_overrun(victims)
        return victims

    def _name_overrun(self, victims: list[Segment]) -> None:
        lost = chain.from_iterable(self._walk(segment, 0) for segment in victims)
        known = max(self.acknowledged, self._named)
        overruns = Overrun.of(record for record in lost if record.cursor > known)
        self._named = max([self._named, *(overrun.last for overrun in overruns)])
        with self._lock:
            for overrun in overruns:
                self._note(OVERRUN, Severity.WARNING, **overrun.args())

    def _remove(self, victims: list[Segment]) -> None:
        for segment in victims:
            segment.remove()
        with self._lock:
            self._segments = [segment for segment in self._segments if segment not in victims]

    # reading

    def _records(self, cursor: int) -> Iterator[tuple[Segment, Record]]:
        """DATA records after `cursor`."""
        with self._lock:
            segments, (known, first, place) = list(self._segments), self._position
        following = [segment.first for segment in segments[1:]]
        for number, segment in enumerate(segments):
            if number < len(following) and following[number] <= cursor + 1:
                continue
            offset = place if (known, first) == (cursor, segment.first) else 0
            yield from ((segment, found) for found in self._walk(segment, offset) if found.cursor > cursor)

    def _walk(self, segment: Segment, offset: int) -> Iterator[Record]:
        """A segment's DATA records; damage is noted once, a segment removed meanwhile is empty."""
        try:
            for found in segment.walk(offset):
                if isinstance(found, Damage):
                    self._damaged(segment, found)
                elif found.kind == Kind.DATA:
                    yield found
        except StorageError:
            if segment.path.exists():
                raise

    def _damaged(self, segment: Segment, damage: Damage) -> None:
        place = segment.first, damage.offset
        with self._lock:
            if place not in self._damage:
                self._damage.add(place)
                self._note(DAMAGED, Severity.FAULT, file=segment.path.name, offset=damage.offset, end=damage.end)

    def _undescribed(self, start: int, end: int, numbers: list[int]) -> None:
        """Readings whose register's description is lost cannot be told apart from others."""
        place = -1, start
        with self._lock:
            if place not in self._damage:
                self._damage.add(place)
                self._note(DAMAGED, Severity.FAULT, after=start, upto=end, registers=numbers)

    def _batch(self, start: int, end: int, bodies: list[Body]) -> Batch:
        columns = Columns.join([body.columns for body in bodies])
        forms = [form for body in bodies for form in body.texts]
        used = set(columns.register.tolist()) | {form.r for form in forms}
        registers = {number: self.registers[number] for number in sorted(used & self.registers.by_number.keys())}
        if lost := used - registers.keys():
            columns = columns.take(np.isin(columns.register, list(registers)))
            forms = [form for form in forms if form.r in registers]
            self._undescribed(start, end, sorted(lost))
        texts = tuple(form.reading(registers) for form in forms)
        events = tuple(event for body in bodies for event in body.events)
        return Batch(self.epoch, start, end, registers, columns, texts, events, min(self.acknowledged, start))

    # opening

    def _recover(self) -> None:
        """Take up the spool where it stopped, after the last cursor that may ever have been given."""
        torn = cut_tail(self._segments)
        memory = Memory.of(self._segments)
        strange = [] if memory.epoch else set_aside(self._segments)
        self.epoch, self.acknowledged = memory.epoch or secrets.token_hex(16), memory.acknowledged
        self.registers = Registers(memory.registers)
        self.registers.next = self._declared = memory.next_register
        self.newest = self.durable = max(memory.last, memory.acknowledged) + -(-torn // RECORD_HEADER)
        if torn:
            self._note(TORN, Severity.WARNING, octets=torn, after=memory.last)
        for path in strange:
            self._note(DAMAGED, Severity.FAULT, file=path.name)


def _owned(folder: Path) -> int:
    """Make the folder and lock it for this process."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        sync_folder(folder.parent)
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror}") from error
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(owner)
        raise StorageError(f"{folder}: another process has this spool open") from error
    return owner
