"""What a spool's segments say after a restart, and what has to go because it is torn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

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
    next_register: int = 0

    @classmethod
    def of(cls, segments: list[Segment]) -> Memory:
        """From the last readable head on; earlier segments add nothing."""
        found: list[Record] = []
        damaged = False
        for segment in reversed(segments):
            everything = list(segment.walk())
            records = [record for record in everything if isinstance(record, Record)]
            damaged = damaged or len(records) < len(everything)
            found = records + found
            if records and records[0].kind == Kind.HEAD:
                memory = cls()._learn(found)
                return memory._beware(found) if damaged else memory
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
        self.next_register = max(self.registers, default=-1) + 1
        return self

    def _beware(self, records: Iterable[Record]) -> Memory:
        """Descriptions may be lost: no number that readings bear may be given again."""
        for record in records:
            if record.kind == Kind.DATA:
                body = record.body()
                used = [*body.columns.register.tolist(), *(text.r for text in body.texts)]
                self.next_register = max([self.next_register, *(number + 1 for number in used)])
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


def set_aside(segments: list[Segment]) -> list[Path]:
    """Segments of which no head can be read belong to no spool: keep the files under another name."""
    paths = [segment.path.rename(segment.path.with_suffix(".damaged")) for segment in segments]
    segments.clear()
    return paths
