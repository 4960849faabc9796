"""A notification in clear: where its time and its body stand, and what it says."""

from __future__ import annotations

from typing import NamedTuple

from metergate.errors import BadValue, DecodeError, Unsupported
from metergate.wire.dlms import apdu
from metergate.wire.dlms import data as cosem
from metergate.wire.dlms.apdu import DataNotification, EventNotification
from metergate.wire.dlms.data import Data
from metergate.wire.dlms.lengths import prefixed

NOTIFICATION, EVENT = 0x0F, 0xC2
_TEXT = b"/"


class Notice(NamedTuple):
    """A push in clear. `time`: 12 octets or none; `body`: what it says; `octets`: the body as it came."""

    kind: str
    invoke: int | None
    time: bytes
    body: Data
    octets: bytes


def notice(octets: bytes) -> Notice:
    """A data-notification or event-notification. Unsupported for other APDUs, and what decoding raises."""
    if octets[:1] == _TEXT:
        raise Unsupported("a text telegram is inside: this line is read as p1")
    if octets[:1] not in (b"\x0f", b"\xc2"):
        raise Unsupported(f"{_kind(octets)} is no push")
    found = apdu.decode(octets)
    if isinstance(found, DataNotification):
        begin = 5 + found.tagged + len(prefixed(found.time))
        return Notice("data-notification", found.invoke, found.time, found.body, octets[begin:])
    if isinstance(found, EventNotification):
        name = Data(cosem.Tag.OCTET_STRING, found.attribute.instance)
        body = cosem.structure(name, found.value)
        return Notice("event-notification-request", None, found.time or b"", body, cosem.encode(body))
    raise BadValue("no notification")


def body_alone(octets: bytes) -> Notice:
    """The body of a notification without anything around. Truncated or BadValue."""
    return Notice("notification-body", None, b"", cosem.decode_all(octets), octets)


def _kind(octets: bytes) -> str:
    try:
        return apdu.kind(octets)
    except DecodeError:
        return f"an APDU that begins with {octets[:1].hex().upper()}H"
