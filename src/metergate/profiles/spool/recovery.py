"""What a spool's segments say after a restart, and what has to go because it is torn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from metergate.model import Register
from metergate.profiles.spool.files import Segment
from metergate.profiles.spool.segment import Damage, Kind, Record


@dataclass(slots=True)
class Memory:
    """What the records tell: the spool's identity ("" if no head is readable), its last cursor and the rest."""

    epoch: str = ""
    last: int = 0
    acknowledged: int = 0
    registers: dict[int, Register] = field(default_factory=dict)

    @classmethod
    def of(cls, segments: list[Segment]) -> Memory:
        """From the last readable head on; earlier segments add nothing."""
        found: list[Record] = []
        for segment in reversed(segments):
            records = [record for record in segment.walk() if isinstance(record, Record)]
            found = records + found
            if records and records[0].kind == Kind.HEAD:
                return cls()._learn(found)
        return cls()

    def _learn(self, records: Iterable[Record]) -> Memory:
        for record in records:
            self.last = max(self.last, record.cursor)
            if record.kind == Kind.HEAD:
                head = record.head()
                self.epoch, self.acknowledged = head.epoch, max(self.acknowledged, head.acknowledged)
                self.registers.update(head.registers)
            elif record.kind == Kind.ACKNOWLEDGED:
                self.acknowledged = max(self.acknowledged, record.acknowledged())
            elif record.kind == Kind.REGISTERS:
                self.registers.update(record.registers())
        return self


def cut_tail(segments: list[Segment]) -> int:
    """Discard what is torn at the end of the last segment, maybe all of it; returns the octets."""
    if not segments:
        return 0
    last = segments[-1]
    found = list(last.walk())
    if not found:
        segments.pop().remove()
        return 0
    tail = found[-1]
    if not isinstance(tail, Damage):
        return 0
    if tail.offset:
        last.cut(tail.offset)
    else:
        segments.pop().remove()
    return tail.end - tail.offset


def set_aside(segments: list[Segment]) -> None:
    """Segments of which no head can be read belong to no spool: keep the files under another name."""
    for segment in segments:
        segment.path.rename(segment.path.with_suffix(".damaged"))
    segments.clear()
