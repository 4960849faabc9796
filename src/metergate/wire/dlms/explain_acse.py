"""The APDUs that open and close associations, element by element (BER; IEC 62056-5-3, ISO/IEC 8650-1)."""

from __future__ import annotations

from collections.abc import Iterator

from metergate.bits import Cursor
from metergate.errors import DecodeError
from metergate.wire.base import Span
from metergate.wire.dlms.acse import AARE, AARQ, Context, Mechanism
from metergate.wire.dlms.lengths import length_of

DOCUMENT = "IEC 62056-5-3"
_SHARED = {0x80: "protocol version", 0xA1: "application context", 0xBE: "user information"}
_NAMES = {
    AARQ: _SHARED
    | {
        0xA2: "called title",
        0xA6: "calling title",
        0xA7: "calling qualifier",
        0xA9: "calling invocation",
        0x8A: "requirements",
        0x8B: "mechanism",
        0xAC: "authentication value",
    },
    AARE: _SHARED
    | {
        0xA2: "result",
        0xA3: "result source",
        0xA4: "responding title",
        0xA5: "responding qualifier",
        0x88: "requirements",
        0x89: "mechanism",
        0xAA: "authentication value",
    },
}
"""Elements by APDU and tag."""
_HIDDEN = "authentication value"
_OID_END = 7


def elements(data: bytes, at: int, level: int) -> Iterator[Span]:
    """The spans of what is inside the APDU at `at`; what is torn is one span with the reason."""
    names = _NAMES.get(data[at], {0x80: "reason", 0xBE: "user information"})
    cursor = Cursor(data, at + 1)
    try:
        length = length_of(cursor)
        yield Span(at, cursor.at - at, "tag, length", f"{data[at]:02x}, {length} bytes", level, DOCUMENT)
        while cursor.left:
            begin = cursor.at
            tag = cursor.byte()
            content = cursor.take(length_of(cursor))
            name = names.get(tag, f"element {tag:02x}")
            yield Span(begin, cursor.at - begin, name, _shown(name, content), level, DOCUMENT)
    except DecodeError as error:
        yield Span(cursor.at, max(len(data) - cursor.at, 0), "cannot be read", error.reason, level, DOCUMENT)


def _shown(name: str, content: bytes) -> str:
    """A secret is not spelled out."""
    if name == _HIDDEN:
        return "(...)"
    number = content[-1] if content else -1
    if name == "application context" and number in set(Context):
        return f"{Context(number).name.lower().replace('_', ' ')} ({number})"
    if name == "mechanism" and len(content) == _OID_END and number in set(Mechanism):
        return f"{Mechanism(number).name.lower()} ({number})"
    return content.hex()
