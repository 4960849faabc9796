"""What a full spool had to drop before the station had it: ranges of cursors, instants and counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from metergate.model import Event
from metergate.profiles.spool.segment import Record
from metergate.wire.batch import Body

OVERRUN = "BUFFER_OVERRUN"


@dataclass(frozen=True, slots=True)
class Overrun:
    """Cursors `first` to `last` are gone, with readings measured from `begin` to `end` (ms; None: there were none)."""

    first: int
    last: int
    begin: int | None
    end: int | None
    readings: int
    events: int

    @classmethod
    def of(cls, records: Iterable[Record]) -> list[Overrun]:
        """The overrun of dropped DATA records, and those that dropped events named; neighbours are joined."""
        found: list[Overrun] = []
        for record in records:
            body = record.body()
            found += [cls.named(event) for event in body.events if event.code == OVERRUN]
            found.append(cls._of_body(record.cursor, body))
        joined: list[Overrun] = []
        for overrun in sorted(found, key=lambda overrun: overrun.first):
            if joined and joined[-1].last + 1 == overrun.first:
                joined[-1] = joined[-1]._and(overrun)
            else:
                joined.append(overrun)
        return joined

    @classmethod
    def named(cls, event: Event) -> Overrun:
        """What a BUFFER_OVERRUN event says."""
        args = event.args
        begin, end = args["begin"], args["end"]
        return cls(
            int(str(args["first"])),
            int(str(args["last"])),
            None if begin is None else int(str(begin)),
            None if end is None else int(str(end)),
            int(str(args["readings"])),
            int(str(args["events"])),
        )

    def args(self) -> dict[str, object]:
        """As arguments of an event."""
        return {name: getattr(self, name) for name in ("first", "last", "begin", "end", "readings", "events")}

    @classmethod
    def _of_body(cls, cursor: int, body: Body) -> Overrun:
        lost_events = sum(event.code != OVERRUN for event in body.events)
        times = body.columns.instants.tolist() + [text.m or text.a for text in body.texts if text.m or text.a]
        readings = len(body.columns) + len(body.texts)
        return cls(cursor, cursor, min(times, default=None), max(times, default=None), readings, lost_events)

    def _and(self, other: Overrun) -> Overrun:
        begins = [begin for begin in (self.begin, other.begin) if begin is not None]
        ends = [end for end in (self.end, other.end) if end is not None]
        return Overrun(
            self.first,
            other.last,
            min(begins, default=None),
            max(ends, default=None),
            self.readings + other.readings,
            self.events + other.events,
        )
