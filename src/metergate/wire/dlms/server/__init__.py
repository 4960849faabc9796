"""The meter's end of DLMS/COSEM: associations and their services on the objects of a device.

`Server.on_apdu` takes APDUs of any transport; `over_hdlc` and `over_wrapper` make `wire.base.Responder`s of it.
"""

from __future__ import annotations

from metergate.wire.dlms.server.admission import BY_NAME, BY_SHORT_NAME, Admission, Identity
from metergate.wire.dlms.server.server import Server, over_hdlc, over_wrapper

__all__ = ["BY_NAME", "BY_SHORT_NAME", "Admission", "Identity", "Server", "over_hdlc", "over_wrapper"]
