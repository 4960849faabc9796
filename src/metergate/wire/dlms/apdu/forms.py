"""The forms of all APDUs: leading octets, then the fields in the order of the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metergate.bits import Cursor
from metergate.errors import BadValue
from metergate.wire.dlms.apdu import general, named, short
from metergate.wire.dlms.apdu.fields import (
    BOOL,
    DATA,
    I8,
    OCTETS,
    U8,
    U16,
    U32,
    Field,
    at_end,
    choice,
    default,
    fixed,
    kind,
    many,
    optional,
    record,
)
from metergate.wire.dlms.apdu.items import Attribute, Method, Outcome, Selector
from metergate.wire.dlms.data import Data


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of APDU: its name, the octets that it begins with, what it becomes, its fields."""

    kind: str
    head: bytes
    make: type
    fields: dict[str, Field[Any]]

    def read(self, cursor: Cursor) -> Any:
        """The APDU whose head was taken. Truncated or BadValue."""
        return self.make(**{name: field.read(cursor) for name, field in self.fields.items()})

    def write(self, apdu: Any) -> bytes:
        """Its octets. OverflowError or ValueError if a field does not fit."""
        return self.head + b"".join([field.write(getattr(apdu, name)) for name, field in self.fields.items()])


Fields = dict[str, Field[Any]]

ATTRIBUTE = record(Attribute, class_id=U16, instance=fixed(6), index=I8)
METHOD = record(Method, class_id=U16, instance=fixed(6), index=I8)
SELECTOR = optional(record(Selector, selector=U8, parameter=DATA))
RESULT = choice("a result", {0: (kind(Data), DATA), 1: (kind(int), U8)})
BLOCK_RESULT = choice("a block", {0: (kind(bytes), OCTETS), 1: (kind(int), U8)})
OUTCOME = record(Outcome, result=U8, returned=optional(RESULT))


def _pair(first: Field[Any], second: Field[Any]) -> Field[tuple[Any, Any]]:
    return Field(
        lambda cursor: (first.read(cursor), second.read(cursor)),
        lambda both: first.write(both[0]) + second.write(both[1]),
    )


def _tagged(cursor: Cursor) -> bool:
    found = cursor.peek() == 0x09
    if found:
        cursor.byte()
    return found


def _short(cursor: Cursor) -> bool:
    at, head = cursor.offset, cursor.byte()
    if head != 0x5F:
        raise BadValue(f"conformance begins with 5FH, not {head:02X}H", at)
    found = cursor.peek() != 0x1F
    if not found:
        cursor.byte()
    return found


def _conformance(cursor: Cursor) -> int:
    at, head = cursor.offset, cursor.take(2)
    if head != b"\x04\x00":
        raise BadValue(f"conformance is a string of 24 bits: 0400, not {head.hex()}", at)
    return cursor.uint(3, "big")


TAGGED: Field[bool] = Field(_tagged, lambda value: b"\x09" if value else b"")
SHORT: Field[bool] = Field(_short, lambda value: b"\x5f" if value else b"\x5f\x1f")
CONFORMANCE: Field[int] = Field(_conformance, lambda value: b"\x04\x00" + value.to_bytes(3, "big"))
COUNTER: Field[int | None] = Field(
    lambda cursor: cursor.uint(4, "big") if cursor.left else None,
    lambda value: b"" if value is None else value.to_bytes(4, "big"),
)
TEXT: Field[str] = Field(
    lambda cursor: OCTETS.read(cursor).decode("latin-1"), lambda text: OCTETS.write(text.encode("latin-1"))
)

INVOKE: Fields = {"invoke": U8}
BLOCK: Fields = {"last": BOOL, "block": U32, "raw": OCTETS}
NEXT: Fields = {"invoke": U8, "block": U32}
ONE: Fields = {"invoke": U8, "attribute": ATTRIBUTE, "selector": SELECTOR}
ITEMS: Fields = {"invoke": U8, "items": many(_pair(ATTRIBUTE, SELECTOR))}
METHODS: Fields = {"invoke": U8, "methods": many(METHOD)}
CONTEXT: Fields = {"transaction": OCTETS, "originator": OCTETS, "recipient": OCTETS, "time": OCTETS, "other": OCTETS}

GET = (
    Form("get-request-normal", b"\xc0\x01", named.GetRequest, ONE),
    Form("get-request-next", b"\xc0\x02", named.GetRequestNext, NEXT),
    Form("get-request-with-list", b"\xc0\x03", named.GetRequestList, ITEMS),
    Form("get-response-normal", b"\xc4\x01", named.GetResponse, INVOKE | {"result": RESULT}),
    Form(
        "get-response-with-datablock",
        b"\xc4\x02",
        named.GetResponseBlock,
        INVOKE | {"last": BOOL, "block": U32, "result": BLOCK_RESULT},
    ),
    Form("get-response-with-list", b"\xc4\x03", named.GetResponseList, INVOKE | {"results": many(RESULT)}),
)
SET = (
    Form("set-request-normal", b"\xc1\x01", named.SetRequest, ONE | {"value": at_end(DATA)}),
    Form("set-request-with-first-datablock", b"\xc1\x02", named.SetRequestFirstBlock, ONE | BLOCK),
    Form("set-request-with-datablock", b"\xc1\x03", named.SetRequestBlock, INVOKE | BLOCK),
    Form("set-request-with-list", b"\xc1\x04", named.SetRequestList, ITEMS | {"values": many(DATA)}),
    Form("set-request-with-list-and-first-datablock", b"\xc1\x05", named.SetRequestListFirstBlock, ITEMS | BLOCK),
    Form("set-response-normal", b"\xc5\x01", named.SetResponse, INVOKE | {"result": U8}),
    Form("set-response-datablock", b"\xc5\x02", named.SetResponseBlock, NEXT),
    Form("set-response-last-datablock", b"\xc5\x03", named.SetResponseLastBlock, INVOKE | {"result": U8, "block": U32}),
    Form(
        "set-response-last-datablock-with-list",
        b"\xc5\x04",
        named.SetResponseLastBlockList,
        INVOKE | {"results": many(U8), "block": U32},
    ),
    Form("set-response-with-list", b"\xc5\x05", named.SetResponseList, INVOKE | {"results": many(U8)}),
)
ACTION = (
    Form(
        "action-request-normal",
        b"\xc3\x01",
        named.ActionRequest,
        INVOKE | {"method": METHOD, "parameter": optional(DATA)},
    ),
    Form("action-request-next-pblock", b"\xc3\x02", named.ActionRequestNext, NEXT),
    Form("action-request-with-list", b"\xc3\x03", named.ActionRequestList, METHODS | {"parameters": many(DATA)}),
    Form(
        "action-request-with-first-pblock",
        b"\xc3\x04",
        named.ActionRequestFirstBlock,
        INVOKE | {"method": METHOD} | BLOCK,
    ),
    Form("action-request-with-list-and-first-pblock", b"\xc3\x05", named.ActionRequestListFirstBlock, METHODS | BLOCK),
    Form("action-request-with-pblock", b"\xc3\x06", named.ActionRequestBlock, INVOKE | BLOCK),
    Form("action-response-normal", b"\xc7\x01", named.ActionResponse, INVOKE | {"outcome": OUTCOME}),
    Form("action-response-with-pblock", b"\xc7\x02", named.ActionResponseBlock, INVOKE | BLOCK),
    Form("action-response-with-list", b"\xc7\x03", named.ActionResponseList, INVOKE | {"outcomes": many(OUTCOME)}),
    Form("action-response-next-pblock", b"\xc7\x04", named.ActionResponseNext, NEXT),
)

VARIABLE = choice(
    "a variable",
    {
        2: (kind(short.Variable), record(short.Variable, name=U16)),
        4: (kind(short.Parameterised), record(short.Parameterised, name=U16, selector=U8, parameter=DATA)),
        5: (kind(short.BlockNumber), record(short.BlockNumber, block=U16)),
        6: (kind(short.BlockRead), record(short.BlockRead, last=BOOL, block=U16, raw=OCTETS)),
        7: (kind(short.BlockWrite), record(short.BlockWrite, last=BOOL, block=U16)),
    },
)
READ_RESULT = choice(
    "a read result",
    {
        0: (kind(Data), DATA),
        1: (kind(int), U8),
        2: (kind(short.BlockRead), record(short.BlockRead, last=BOOL, block=U16, raw=OCTETS)),
        3: (kind(short.BlockNumber), record(short.BlockNumber, block=U16)),
    },
)
WRITE_RESULT = choice(
    "a write result",
    {
        0: (lambda value: value == 0, Field(lambda cursor: 0, lambda value: b"")),
        1: (kind(int), U8),
        2: (kind(short.BlockNumber), record(short.BlockNumber, block=U16)),
    },
)
WRITTEN: Fields = {"variables": many(VARIABLE), "values": many(DATA)}
SHORT_NAMES = (
    Form("read-request", b"\x05", short.ReadRequest, {"variables": many(VARIABLE)}),
    Form("write-request", b"\x06", short.WriteRequest, WRITTEN),
    Form("read-response", b"\x0c", short.ReadResponse, {"results": many(READ_RESULT)}),
    Form("write-response", b"\x0d", short.WriteResponse, {"results": many(WRITE_RESULT)}),
    Form("unconfirmed-write-request", b"\x16", short.UnconfirmedWriteRequest, WRITTEN),
    Form("information-report-request", b"\x18", short.InformationReport, {"time": optional(TEXT), **WRITTEN}),
)

KEY_INFO = optional(
    choice(
        "key information",
        {
            0: (kind(general.IdentifiedKey), record(general.IdentifiedKey, key=U8)),
            1: (kind(general.WrappedKey), record(general.WrappedKey, kek=U8, wrapped=OCTETS)),
            2: (kind(general.AgreedKey), record(general.AgreedKey, parameters=OCTETS, data=OCTETS)),
        },
    )
)


def _access(number: int, target: Field[Any], selected: bool = False) -> tuple[Callable[[Any], bool], Field[Any]]:
    selector = record(Selector, selector=U8, parameter=DATA)

    def read(cursor: Cursor) -> general.Access:
        return general.Access(number, target.read(cursor), selector.read(cursor) if selected else None)

    def write(value: general.Access) -> bytes:
        return target.write(value.target) + (selector.write(value.selector) if selected and value.selector else b"")

    return lambda value: value.choice == number, Field(read, write)


ACCESS = many(
    choice(
        "an access",
        {
            1: _access(1, ATTRIBUTE),
            2: _access(2, ATTRIBUTE),
            3: _access(3, METHOD),
            4: _access(4, ATTRIBUTE, selected=True),
            5: _access(5, ATTRIBUTE, selected=True),
        },
    )
)

AGREED: Fields = {"quality": optional(U8), "version": U8}
KEYED: Fields = {"dedicated_key": optional(OCTETS), "response_allowed": default(BOOL, True)}
PROPOSAL: Fields = {"short": SHORT, "conformance": CONFORMANCE, "max_pdu": U16}
RESULTS = many(_pair(U8, U8))
TITLED: Fields = {"system_title": OCTETS, "content": OCTETS}
GENERAL = (
    Form(
        "initiate-request",
        b"\x01",
        general.InitiateRequest,
        {**KEYED, **AGREED, **PROPOSAL},
    ),
    Form(
        "initiate-response",
        b"\x08",
        general.InitiateResponse,
        {**AGREED, **PROPOSAL, "vaa": U16},
    ),
    Form("confirmed-service-error", b"\x0e", general.ConfirmedServiceError, {"service": U8, "kind": U8, "error": U8}),
    Form(
        "data-notification",
        b"\x0f",
        general.DataNotification,
        {"invoke": U32, "tagged": TAGGED, "time": OCTETS, "body": DATA},
    ),
    Form(
        "event-notification-request",
        b"\xc2",
        general.EventNotification,
        {"time": optional(OCTETS), "attribute": ATTRIBUTE, "value": DATA},
    ),
    Form("exception-response", b"\xd8", general.ExceptionResponse, {"state": U8, "error": U8, "counter": COUNTER}),
    Form(
        "access-request",
        b"\xd9",
        general.AccessRequest,
        {"invoke": U32, "time": OCTETS, "requests": ACCESS, "data": many(DATA)},
    ),
    Form(
        "access-response",
        b"\xda",
        general.AccessResponse,
        {
            "invoke": U32,
            "time": OCTETS,
            "requests": optional(ACCESS),
            "data": many(DATA),
            "results": many(_pair(U8, U8)),
        },
    ),
    Form("general-glo-ciphering", b"\xdb", general.GeneralGlobalCiphering, TITLED),
    Form(
        "general-ded-ciphering", b"\xdc", general.GeneralDedicatedCiphering, {"system_title": OCTETS, "content": OCTETS}
    ),
    Form(
        "general-block-transfer",
        b"\xe0",
        general.GeneralBlockTransfer,
        {"control": U8, "block": U16, "acknowledged": U16, "raw": OCTETS},
    ),
    Form("general-ciphering", b"\xdd", general.GeneralCiphering, CONTEXT | {"key": KEY_INFO, "content": OCTETS}),
    Form("general-signing", b"\xdf", general.GeneralSigning, CONTEXT | {"content": OCTETS, "signature": OCTETS}),
)


FORMS = (*GENERAL, *GET, *SET, *ACTION, *SHORT_NAMES)

__all__ = ["FORMS", "OCTETS", "Form"]
