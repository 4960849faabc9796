"""APDUs of DL/T 698.45 as a table: first octet and second one -> service and what follows (DL/T 698.45).

`Apdu(service, fields)`: `service` by the names of the decode contract; `fields` by the names of the table. `piid` is
the octet PIID or PIID-ACD. A result is `(0, dar)` or `(1, Data)` or, of a table, `(1, rows)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from metergate.bits import Cursor
from metergate.errors import BadValue, Unsupported
from metergate.wire.dlt698.layout import Choice, Codec, Fixed, Many, Octets, Optional, Row, Seq, Text, Uint, seq, trace
from metergate.wire.dlt698.values import (
    COMDCB_CODEC,
    CSD_CODEC,
    OAD_CODEC,
    RCSD_CODEC,
    RSD_CODEC,
    SID_CODEC,
    TI_CODEC,
    VALUE,
    Data,
    Moment,
)

PIID = ("piid", Uint(1))
DAR = Uint(1)
TIME_TAG = ("time_tag", Optional(seq(("sent", Moment(7)), ("allowed", TI_CODEC))))
"""Sent at, and how long it may take."""
RESULT = Choice("result", {0: DAR, 1: VALUE})
ATTRIBUTE = Row((OAD_CODEC, RESULT))


class Rows:
    """The rows of a table: as many values in each as the columns that stand before them."""

    def __init__(self, width: int) -> None:
        self._width = width

    def read(self, cursor: Cursor, depth: int = 0) -> tuple[tuple[Data, ...], ...]:
        """See `layout.Codec`."""
        return tuple(Many(Row((VALUE,) * self._width)).read(cursor, depth)) if self._width else ()

    def write(self, value: Any) -> bytes:
        """See `layout.Codec`."""
        return Many(Row((VALUE,) * self._width)).write(value)


class Table:
    """A table of records: `(oad, columns, result)`; the result is `(0, dar)` or `(1, rows)`."""

    def read(self, cursor: Cursor, depth: int = 0) -> tuple[Any, ...]:
        """See `layout.Codec`."""
        oad, columns = OAD_CODEC.read(cursor), RCSD_CODEC.read(cursor, depth)
        which = cursor.byte()
        if which > 1 or (which and not columns):
            raise BadValue(f"result {which:02x} of {len(columns)} columns", cursor.offset - 1)
        return oad, columns, (which, Rows(len(columns)).read(cursor, depth) if which else DAR.read(cursor))

    def write(self, value: Any) -> bytes:
        """See `layout.Codec`."""
        oad, columns, (which, found) = value
        head = OAD_CODEC.write(oad) + RCSD_CODEC.write(columns) + bytes((which,))
        return head + (Rows(len(columns)).write(found) if which else DAR.write(found))


TABLE: Codec = Table()
RESULTS: dict[int, Codec] = {1: Many(ATTRIBUTE, "result"), 2: Many(TABLE, "table")}
FOLLOW = ("follow_report", Optional(Choice("report", RESULTS)))
"""What the meter adds of its own accord."""
TAIL = (FOLLOW, TIME_TAG)
QUERY = seq(("oad", OAD_CODEC), ("rows", RSD_CODEC), ("columns", RCSD_CODEC))
"""A question for records: table, which rows, which columns."""
OADS = Many(OAD_CODEC, "oad")
SETTING = Row((OAD_CODEC, VALUE))
DONE = Row((OAD_CODEC, DAR))
CALLED = Row((OAD_CODEC, DAR, Optional(VALUE)))
_LIMITS = (
    ("version", Uint(2)),
    ("protocol", Fixed(8)),
    ("functions", Fixed(16)),
    ("send_frame", Uint(2)),
    ("receive_frame", Uint(2)),
    ("window", Uint(1)),
    ("apdu_size", Uint(2)),
    ("timeout_s", Uint(4)),
)
SIGNED = Row((Octets(), Octets()))
MECHANISM = Choice("security", {0: Fixed(0), 1: Text(), 2: SIGNED, 3: SIGNED})
_TO_MANY = Many(Row((Octets(), Uint(2), OADS)), "meter")
_GOT = Many(Row((Octets(), Many(ATTRIBUTE))), "meter")
_ACT, _ACTED = Many(Row((Octets(), Uint(2), Many(SETTING)))), Many(Row((Octets(), Many(DONE))))
_ACTIONS_DONE = Many(Row((Octets(), Many(CALLED))))
_TRANSPARENT = (
    ("port", OAD_CODEC),
    ("line", COMDCB_CODEC),
    ("answer_s", Uint(2)),
    ("octet_ms", Uint(2)),
    ("forward", Octets()),
)
_WAIT = ("wait_s", Uint(2))
_TAGGED = (TIME_TAG,)
_MAC = Choice("proof", {0: Row((SID_CODEC, Octets())), 1: Octets(), 2: Row((Octets(), Octets())), 3: SID_CODEC})
SECURED = Choice("protection", {0: Octets(), 1: Octets(), 2: DAR})


def _service(*parts: tuple[str, Codec]) -> Seq:
    return Seq((PIID, *parts))


SERVICES: dict[str, tuple[bytes, Seq]] = {
    "link-request": (b"\x01", _service(("pdu", Uint(1)), ("heartbeat_s", Uint(2)), ("sent", Moment(10)))),
    "link-response": (
        b"\x81",
        _service(("result", Uint(1)), ("sent", Moment(10)), ("received", Moment(10)), ("answered", Moment(10))),
    ),
    "connect-request": (b"\x02", _service(*_LIMITS, ("mechanism", MECHANISM), *_TAGGED)),
    "connect-response": (
        b"\x82",
        _service(("maker", Fixed(32)), *_LIMITS, ("result", Uint(1)), ("proof", Optional(SIGNED)), *TAIL),
    ),
    "release-request": (b"\x03", _service(*_TAGGED)),
    "release-response": (b"\x83", _service(("result", Uint(1)), *TAIL)),
    "release-notification": (b"\x84", _service(("made", Moment(7)), ("ended", Moment(7)), *TAIL)),
    "get-request-normal": (b"\x05\x01", _service(("oad", OAD_CODEC), *_TAGGED)),
    "get-request-list": (b"\x05\x02", _service(("oads", OADS), *_TAGGED)),
    "get-request-record": (b"\x05\x03", _service(("query", QUERY), *_TAGGED)),
    "get-request-record-list": (b"\x05\x04", _service(("queries", Many(QUERY, "query")), *_TAGGED)),
    "get-request-next": (b"\x05\x05", _service(("block", Uint(2)), *_TAGGED)),
    "get-request-md5": (b"\x05\x06", _service(("oad", OAD_CODEC), *_TAGGED)),
    "get-response-normal": (b"\x85\x01", _service(("attribute", ATTRIBUTE), *TAIL)),
    "get-response-list": (b"\x85\x02", _service(("attributes", Many(ATTRIBUTE, "result")), *TAIL)),
    "get-response-record": (b"\x85\x03", _service(("table", TABLE), *TAIL)),
    "get-response-record-list": (b"\x85\x04", _service(("tables", Many(TABLE, "table")), *TAIL)),
    "get-response-next": (
        b"\x85\x05",
        _service(("last", Uint(1)), ("block", Uint(2)), ("part", Choice("part", {0: DAR, **RESULTS})), *TAIL),
    ),
    "get-response-md5": (
        b"\x85\x06",
        _service(("oad", OAD_CODEC), ("digest", Choice("result", {0: DAR, 1: Octets()})), *TAIL),
    ),
    "set-request-normal": (b"\x06\x01", _service(("setting", SETTING), *_TAGGED)),
    "set-request-list": (b"\x06\x02", _service(("settings", Many(SETTING, "setting")), *_TAGGED)),
    "set-response-normal": (b"\x86\x01", _service(("done", DONE), *TAIL)),
    "set-response-list": (b"\x86\x02", _service(("all_done", Many(DONE, "result")), *TAIL)),
    "action-request-normal": (b"\x07\x01", _service(("setting", SETTING), *_TAGGED)),
    "action-request-list": (b"\x07\x02", _service(("settings", Many(SETTING, "action")), *_TAGGED)),
    "action-response-normal": (b"\x87\x01", _service(("called", CALLED), *TAIL)),
    "action-response-list": (b"\x87\x02", _service(("all_called", Many(CALLED, "result")), *TAIL)),
    "report-notification-list": (b"\x88\x01", _service(("attributes", Many(ATTRIBUTE, "result")), *TAIL)),
    "report-notification-record-list": (b"\x88\x02", _service(("tables", Many(TABLE, "table")), *TAIL)),
    "report-notification-transparent": (b"\x88\x03", _service(("port", OAD_CODEC), ("forward", Octets()), *TAIL)),
    "report-response-list": (b"\x08\x01", _service(("oads", OADS), *_TAGGED)),
    "report-response-record-list": (b"\x08\x02", _service(("oads", OADS), *_TAGGED)),
    "report-response-transparent": (b"\x08\x03", _service(*_TAGGED)),
    "proxy-request-get-list": (b"\x09\x01", _service(_WAIT, ("meters", _TO_MANY), *_TAGGED)),
    "proxy-request-set-list": (b"\x09\x03", _service(_WAIT, ("meters", _ACT), *_TAGGED)),
    "proxy-request-action-list": (b"\x09\x05", _service(_WAIT, ("meters", _ACT), *_TAGGED)),
    "proxy-request-transparent": (b"\x09\x07", _service(*_TRANSPARENT, *_TAGGED)),
    "proxy-response-get-list": (b"\x89\x01", _service(("meters", _GOT), *TAIL)),
    "proxy-response-set-list": (b"\x89\x03", _service(("meters", _ACTED), *TAIL)),
    "proxy-response-action-list": (b"\x89\x05", _service(("meters", _ACTIONS_DONE), *TAIL)),
    "proxy-response-transparent": (
        b"\x89\x07",
        _service(("port", OAD_CODEC), ("answer", Choice("result", {0: DAR, 1: Octets()})), *TAIL),
    ),
    "security-request": (b"\x10", seq(("body", Choice("protection", {0: Octets(), 1: Octets()})), ("proof", _MAC))),
    "security-response": (b"\x90", seq(("body", SECURED), ("proof", Optional(Choice("proof", {0: Octets()}))))),
    "error-response": (b"\xee", _service(("error", Uint(1)), *TAIL)),
}
"""Service -> the octets that begin it and its fields."""
_LONG_HEADS = {head[0] for head, _ in SERVICES.values() if len(head) == 2}
_BY_HEAD = {head: (name, layout) for name, (head, layout) in SERVICES.items()}
CSD = CSD_CODEC


@dataclass(frozen=True, slots=True)
class Apdu:
    """One APDU."""

    service: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def piid(self) -> int:
        """The octet PIID (or PIID-ACD); the low six bits number the question."""
        return int(self.fields.get("piid", 0))

    def encode(self) -> bytes:
        """The octets. BadValue if a field does not fit."""
        head, layout = SERVICES[self.service]
        try:
            return head + layout.write(self.fields)
        except (TypeError, AttributeError, ValueError) as error:
            raise BadValue(f"{self.service}: {error}") from None

    @classmethod
    def decode(cls, octets: bytes, strict: bool = False) -> Apdu:
        """From the octets. DecodeError; Unsupported for a service that is none of the table.

        Without `strict` a missing tail (follow-up report, time tag) is taken for absent, as some programs leave it out.
        """
        name, layout, size = service_of(octets)
        cursor = Cursor(octets, size)
        fields: dict[str, Any] = {}
        for part, codec in layout.parts:
            if not cursor.left and not strict and part in ("time_tag", "follow_report"):
                fields[part] = None
                continue
            fields[part] = codec.read(cursor, 1)
        if cursor.left:
            raise BadValue(f"{name}: {cursor.left} octets more than it has", cursor.at)
        return cls(name, fields)


@lru_cache(128)
def _found(head: bytes) -> tuple[str, Seq] | None:
    return _BY_HEAD.get(head)


def service_of(octets: bytes) -> tuple[str, Seq, int]:
    """`(service, its fields, octets that name it)`. BadValue for no octets, Unsupported for an unknown service."""
    if not octets:
        raise BadValue("no APDU at all")
    size = 2 if octets[0] in _LONG_HEADS else 1
    found = _found(octets[:size])
    if found is None:
        raise Unsupported(f"APDU {octets[:size].hex()} is not decoded")
    return *found, size


def parts(octets: bytes) -> list[tuple[int, str, int, int, Any]]:
    """The named parts of an APDU: `(depth, name, begin, end, value)`."""
    name, layout, size = service_of(octets)
    inner = trace(layout, octets[size:])
    return [
        (0, "service", 0, size, name),
        *((depth, part, begin + size, end + size, value) for depth, part, begin, end, value in inner),
    ]
