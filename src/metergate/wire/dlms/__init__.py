"""DLMS/COSEM (IEC 62056-5-3, -6-1, -6-2, -46, -47)."""

from __future__ import annotations

from metergate.wire.base import ProtocolEntry
from metergate.wire.dlms.contract import ApduReceiver
from metergate.wire.dlms.explain import (
    explain_apdu,
    explain_hdlc,
    explain_push,
    explain_wrapper,
    guess_apdu,
    guess_push,
)
from metergate.wire.dlms.push import PushReceiver
from metergate.wire.dlms.wrapper import receiver as wrapper
from metergate.wire.hdlc import receiver as hdlc

FRAMING = "type, length"
PROTOCOLS = (
    ProtocolEntry("dlms-push", "DLMS pushes", "IEC 62056-5-3", PushReceiver, explain_push, guess_push, FRAMING),
    ProtocolEntry("dlms-apdu", "DLMS APDU", "IEC 62056-5-3", ApduReceiver, explain_apdu, guess_apdu, FRAMING),
    ProtocolEntry("dlms-hdlc", "DLMS over HDLC", "IEC 62056-46", hdlc.Receiver, explain_hdlc, hdlc.guess, FRAMING),
    ProtocolEntry(
        "dlms-wrapper", "DLMS wrapper", "IEC 62056-47", wrapper.Receiver, explain_wrapper, wrapper.guess, FRAMING
    ),
)
