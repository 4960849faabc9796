"""The wrapper that carries APDUs over TCP and UDP (IEC 62056-47). Both roles: `client.Link` and `server.Station`."""

from __future__ import annotations

from metergate.wire.dlms.wrapper.frame import PORT, Wpdu, framer

__all__ = ["PORT", "Wpdu", "framer"]
