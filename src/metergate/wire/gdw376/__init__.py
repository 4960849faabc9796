"""Q/GDW 376.1: concentrators and terminals that log in to their station.

Both roles: `Receiver` and `master` are the station's, `terminal.Terminal` answers.
"""

from __future__ import annotations

from metergate.wire.base import ProtocolEntry
from metergate.wire.gdw376.frame import Frame
from metergate.wire.gdw376.receiver import Receiver, explain, guess

PROTOCOLS = (ProtocolEntry("gdw376", "Q/GDW 376.1", "Q/GDW 376.1", Receiver, explain, guess),)

__all__ = ["PROTOCOLS", "Frame", "Receiver", "explain", "guess"]
