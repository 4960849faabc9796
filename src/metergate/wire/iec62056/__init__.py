"""IEC 62056-21 (formerly IEC 1107, "D0"): optical heads, current loops and buses of electricity, heat and gas meters.

Modes A, B, C with their baud switch, the pushing mode D, programming mode, and the sign-on of mode E that hands the
line over to HDLC. Both roles: `Receiver` listens, `reader` asks, `Meter` answers.
"""

from __future__ import annotations

from metergate.wire.base import ProtocolEntry
from metergate.wire.iec62056 import reader
from metergate.wire.iec62056.explain import explain
from metergate.wire.iec62056.frame import Identification
from metergate.wire.iec62056.meter import Access, Meter, Setup
from metergate.wire.iec62056.receiver import NAME, Receiver, guess

PROTOCOLS = (
    ProtocolEntry(NAME, "IEC 62056-21 (D0)", "IEC 62056-21", Receiver, explain, guess),
    ProtocolEntry("iec62056-d", "IEC 62056-21 mode D, pushed", "IEC 62056-21", Receiver, explain, guess),
)

__all__ = ["PROTOCOLS", "Access", "Identification", "Meter", "Receiver", "Setup", "explain", "guess", "reader"]
