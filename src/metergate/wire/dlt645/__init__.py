"""DL/T 645-1997 and DL/T 645-2007: electricity meters on RS-485, infrared or carrier, in China and where its meters go.

Both roles: `Receiver` and `dialogue` read, `Meter` answers.
"""

from __future__ import annotations

from metergate.wire.base import ProtocolEntry
from metergate.wire.dlt645 import dialogue
from metergate.wire.dlt645.explain import explain, guess, guess_1997
from metergate.wire.dlt645.frame import Frame
from metergate.wire.dlt645.meter import Meter, RegisterSource
from metergate.wire.dlt645.receiver import Receiver

PROTOCOLS = (
    ProtocolEntry("dlt645", "DL/T 645-2007", "DL/T 645-2007", Receiver, explain, guess),
    ProtocolEntry("dlt645-1997", "DL/T 645-1997", "DL/T 645-1997", Receiver, explain, guess_1997),
)

__all__ = ["PROTOCOLS", "Frame", "Meter", "Receiver", "RegisterSource", "dialogue", "explain", "guess"]
