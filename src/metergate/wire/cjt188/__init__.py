"""CJ/T 188-2004: water, heat and gas meters with a wire, and their valves.

Both roles: `Receiver` and `dialogue` read, `Meter` answers. The order of an identifier's octets is not settled among
makers: replies are understood in both, requests follow a setting or try both.
"""

from __future__ import annotations

from metergate.wire.base import ProtocolEntry
from metergate.wire.cjt188 import dialogue
from metergate.wire.cjt188.frame import Frame
from metergate.wire.cjt188.meter import Meter, Valve
from metergate.wire.cjt188.receiver import Receiver, explain, guess
from metergate.wire.cjt188.values import STATUS, VALVE_C0, StatusMap

PROTOCOLS = (ProtocolEntry("cjt188", "CJ/T 188", "CJ/T 188-2004", Receiver, explain, guess),)

__all__ = [
    "PROTOCOLS",
    "STATUS",
    "VALVE_C0",
    "Frame",
    "Meter",
    "Receiver",
    "StatusMap",
    "Valve",
    "dialogue",
    "explain",
    "guess",
]
