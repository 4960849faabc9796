"""MGC/1: the protocol between a station and its collectors on RS-485, defined by this project.

Both roles: `Master` asks, `Collector` answers out of a `Backend`.
"""

from __future__ import annotations

from metergate.wire.base import ProtocolEntry
from metergate.wire.mgc1.collector import Backend, Collector, Declined
from metergate.wire.mgc1.frame import Frame, Function, Status
from metergate.wire.mgc1.master import Master, broadcast_time
from metergate.wire.mgc1.receiver import Receiver, explain, guess
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
from metergate.wire.mgc1.registers import CODES, REGISTERS

PROTOCOLS = (ProtocolEntry("mgc1", "MGC/1", "MGC/1", Receiver, explain, guess),)

__all__ = [
    "CODES",
    "PROTOCOLS",
    "REGISTERS",
    "Backend",
    "Collector",
    "CollectorStatus",
    "Declined",
    "EventCode",
    "EventRecord",
    "Flag",
    "Frame",
    "Function",
    "Ident",
    "Master",
    "Receiver",
    "Record",
    "Status",
    "StatusFlag",
    "ValvePosition",
    "ValveState",
    "broadcast_time",
    "explain",
    "guess",
]
