"""DL/T 698.45: object-oriented electricity meters and terminals of the Chinese grid.

Both roles: `Receiver` and `dialogue` read, `Meter` answers, `session.Terminal` logs in to its station.
"""

from __future__ import annotations

from metergate.wire.base import ProtocolEntry
from metergate.wire.dlt698.apdu import Apdu
from metergate.wire.dlt698.explain import explain, guess
from metergate.wire.dlt698.frame import Address, Frame
from metergate.wire.dlt698.receiver import Receiver
from metergate.wire.dlt698.values import Data

PROTOCOLS = (ProtocolEntry("dlt698", "DL/T 698.45", "DL/T 698.45", Receiver, explain, guess),)

__all__ = ["PROTOCOLS", "Address", "Apdu", "Data", "Frame", "Receiver", "explain", "guess"]
