"""DLMS/COSEM (IEC 62056-5-3, -6-1, -6-2, -46, -47)."""

from __future__ import annotations

from metergate.wire.base import ProtocolEntry
from metergate.wire.dlms.contract import ApduReceiver
from metergate.wire.dlms.explain import explain_apdu, explain_push, guess_apdu, guess_push
from metergate.wire.dlms.push import PushReceiver
from metergate.wire.dlms.wrapper import receiver as wrapper
from metergate.wire.hdlc import receiver as hdlc

PROTOCOLS = (
    ProtocolEntry("dlms-push", "DLMS pushes", "IEC 62056-5-3", PushReceiver, explain_push, guess_push),
    ProtocolEntry("dlms-apdu", "DLMS APDU", "IEC 62056-5-3", ApduReceiver, explain_apdu, guess_apdu),
    ProtocolEntry("dlms-hdlc", "DLMS over HDLC", "IEC 62056-46", hdlc.Receiver, hdlc.explain, hdlc.guess),
    ProtocolEntry("dlms-wrapper", "DLMS wrapper", "IEC 62056-47", wrapper.Receiver, wrapper.explain, wrapper.guess),
)
