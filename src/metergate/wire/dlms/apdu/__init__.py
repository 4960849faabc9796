"""APDUs of DLMS (IEC 62056-5-3): octets <-> frozen dataclasses, one for every form of every service.

`decode` and `encode` know all; `kind` names one as people do ("get-request-normal"). Associations (AARQ, AARE, RLRQ,
RLRE) are ACSE's: `wire.dlms.acse`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from metergate.bits import Cursor
from metergate.errors import BadValue, Truncated, Unsupported
from metergate.wire.dlms.apdu.forms import FORMS, OCTETS, Form
from metergate.wire.dlms.apdu.general import (
    Access,
    AccessRequest,
    AccessResponse,
    AgreedKey,
    Ciphered,
    ConfirmedServiceError,
    Conformance,
    DataNotification,
    EventNotification,
    ExceptionResponse,
    GeneralBlockTransfer,
    GeneralCiphering,
    GeneralDedicatedCiphering,
    GeneralGlobalCiphering,
    GeneralSigning,
    IdentifiedKey,
    InitiateRequest,
    InitiateResponse,
    KeyInfo,
    WrappedKey,
)
from metergate.wire.dlms.apdu.items import (
    AccessResult,
    ActionResult,
    Attribute,
    Method,
    Outcome,
    Result,
    Selected,
    Selector,
    with_id,
)
from metergate.wire.dlms.apdu.named import (
    ActionRequest,
    ActionRequestBlock,
    ActionRequestFirstBlock,
    ActionRequestList,
    ActionRequestListFirstBlock,
    ActionRequestNext,
    ActionResponse,
    ActionResponseBlock,
    ActionResponseList,
    ActionResponseNext,
    GetRequest,
    GetRequestList,
    GetRequestNext,
    GetResponse,
    GetResponseBlock,
    GetResponseList,
    SetRequest,
    SetRequestBlock,
    SetRequestFirstBlock,
    SetRequestList,
    SetRequestListFirstBlock,
    SetResponse,
    SetResponseBlock,
    SetResponseLastBlock,
    SetResponseLastBlockList,
    SetResponseList,
)
from metergate.wire.dlms.apdu.short import (
    BlockNumber,
    BlockRead,
    BlockWrite,
    InformationReport,
    Parameterised,
    ReadRequest,
    ReadResponse,
    ReadResult,
    UnconfirmedWriteRequest,
    Variable,
    VariableAccess,
    WriteRequest,
    WriteResponse,
    WriteResult,
)

Apdu = Any
"""One of the dataclasses of this package or of `wire.dlms.acse`."""

CIPHERED = {
    0x21: "glo-initiate-request",
    0x25: "glo-read-request",
    0x26: "glo-write-request",
    0x28: "glo-initiate-response",
    0x2C: "glo-read-response",
    0x2D: "glo-write-response",
    0xC8: "glo-get-request",
    0xC9: "glo-set-request",
    0xCA: "glo-event-notification-request",
    0xCB: "glo-action-request",
    0xCC: "glo-get-response",
    0xCD: "glo-set-response",
    0xCF: "glo-action-response",
    0xD0: "ded-get-request",
    0xD1: "ded-set-request",
    0xD2: "ded-event-notification-request",
    0xD3: "ded-action-request",
    0xD4: "ded-get-response",
    0xD5: "ded-set-response",
    0xD7: "ded-action-response",
}
"""The ciphered services by their tag."""
ACSE_KINDS = {0x60: "aarq", 0x61: "aare", 0x62: "rlrq", 0x63: "rlre"}
_BY_HEAD = {form.head: form for form in FORMS}
_BY_TYPE = {form.make: form for form in FORMS}
_SHORT_HEADS = frozenset(form.head[0] for form in FORMS if len(form.head) == 1)
_TAGS = frozenset(form.head[0] for form in FORMS)


def _form(octets: bytes) -> Form:
    form = _BY_HEAD.get(octets[:1] if octets[0] in _SHORT_HEADS else octets[:2])
    if form is not None:
        return form
    if octets[0] not in _TAGS:
        raise Unsupported(f"{octets[0]:02X}H is no APDU that is known")
    if len(octets) < 2:
        raise Truncated("the APDU ends after its tag", 1)
    raise BadValue(f"service {octets[0]:02X}H has no form {octets[1]}", 1)


def kind(octets: bytes) -> str:
    """What the octets are, by their first one or two. Truncated, Unsupported or BadValue."""
    if not octets:
        raise Truncated("no octets")
    tag = octets[0]
    return ACSE_KINDS.get(tag) or CIPHERED.get(tag) or _form(octets).kind


def decode_front(octets: bytes) -> tuple[Apdu, int]:
    """The xDLMS APDU (none of ACSE's) that the octets begin with, and its length. Errors as `decode`."""
    if not octets:
        raise Truncated("no octets")
    if octets[0] in CIPHERED:
        cursor = Cursor(octets, 1)
        return Ciphered(octets[0], OCTETS.read(cursor)), cursor.at
    form = _form(octets)
    cursor = Cursor(octets, len(form.head))
    return form.read(cursor), cursor.at


def decode(octets: bytes) -> Apdu:
    """The APDU that the octets are. Truncated, Unsupported or BadValue; octets that follow it are BadValue too."""
    if octets and octets[0] in ACSE_KINDS:
        return _acse().decode(octets)
    apdu, end = decode_front(octets)
    if end != len(octets):
        raise BadValue(f"{len(octets) - end} octets after the APDU", end)
    return apdu


def encode(apdu: Apdu) -> bytes:
    """The octets of an APDU. OverflowError or ValueError if a field does not fit."""
    if isinstance(apdu, Ciphered):
        return bytes((apdu.tag,)) + OCTETS.write(apdu.content)
    form = _BY_TYPE.get(type(apdu))
    octets: bytes = form.write(apdu) if form else apdu.encode()
    return octets


def _acse() -> Any:
    return import_module("metergate.wire.dlms.acse")


__all__ = [
    "ACSE_KINDS",
    "CIPHERED",
    "Access",
    "AccessRequest",
    "AccessResponse",
    "AccessResult",
    "ActionRequest",
    "ActionRequestBlock",
    "ActionRequestFirstBlock",
    "ActionRequestList",
    "ActionRequestListFirstBlock",
    "ActionRequestNext",
    "ActionResponse",
    "ActionResponseBlock",
    "ActionResponseList",
    "ActionResponseNext",
    "ActionResult",
    "AgreedKey",
    "Apdu",
    "Attribute",
    "BlockNumber",
    "BlockRead",
    "BlockWrite",
    "Ciphered",
    "ConfirmedServiceError",
    "Conformance",
    "DataNotification",
    "EventNotification",
    "ExceptionResponse",
    "GeneralBlockTransfer",
    "GeneralCiphering",
    "GeneralDedicatedCiphering",
    "GeneralGlobalCiphering",
    "GeneralSigning",
    "GetRequest",
    "GetRequestList",
    "GetRequestNext",
    "GetResponse",
    "GetResponseBlock",
    "GetResponseList",
    "IdentifiedKey",
    "InformationReport",
    "InitiateRequest",
    "InitiateResponse",
    "KeyInfo",
    "Method",
    "Outcome",
    "Parameterised",
    "ReadRequest",
    "ReadResponse",
    "ReadResult",
    "Result",
    "Selected",
    "Selector",
    "SetRequest",
    "SetRequestBlock",
    "SetRequestFirstBlock",
    "SetRequestList",
    "SetRequestListFirstBlock",
    "SetResponse",
    "SetResponseBlock",
    "SetResponseLastBlock",
    "SetResponseLastBlockList",
    "SetResponseList",
    "UnconfirmedWriteRequest",
    "Variable",
    "VariableAccess",
    "WrappedKey",
    "WriteRequest",
    "WriteResponse",
    "WriteResult",
    "decode",
    "decode_front",
    "encode",
    "kind",
    "with_id",
]
