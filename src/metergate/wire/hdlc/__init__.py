"""HDLC as DLMS meters use it: frame format type 3, connections, windows, segments (IEC 62056-46).

Both roles: `client.Link` asks, `server.Station` answers; neither knows what an APDU means.
"""

from __future__ import annotations

from metergate.wire.hdlc.address import Address
from metergate.wire.hdlc.frame import Frame, Kind
from metergate.wire.hdlc.framer import Framer
from metergate.wire.hdlc.parameters import Parameters

__all__ = ["Address", "Frame", "Framer", "Kind", "Parameters"]
