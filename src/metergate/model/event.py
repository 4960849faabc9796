"""Something that happened and that somebody may have to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum


class Severity(IntEnum):
    """How much it matters."""

    INFO = 0
    NOTICE = 1
    WARNING = 2
    FAULT = 3
    ALARM = 4


@dataclass(frozen=True, slots=True)
class Event:
    """`code` is a stable upper-case name (BUFFER_OVERRUN, METER_SILENT, CLOCK_SET ...), `source` who it is about."""

    time: datetime
    code: str
    source: str
    severity: Severity = Severity.NOTICE
    args: Mapping[str, object] = field(default_factory=dict)
    received: datetime | None = None
