"""APDUs and pushes taken apart for people: every octet with its field and value; a guess whether bytes are any.

What is encrypted is shown in clear at the place of its ciphertext, octet for octet, where the key is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metergate.bits import Cursor
from metergate.errors import DecodeError
from metergate.model import Obis
from metergate.wire.base import Keys, Problem, Span, received
from metergate.wire.dlms import apdu, explain_acse
from metergate.wire.dlms.apdu.forms import FORMS
from metergate.wire.dlms.data import Data, DateTime, Tag, decode
from metergate.wire.dlms.kinds import LISTS
from metergate.wire.dlms.lengths import length_of
from metergate.wire.dlms.opening import Opener, Sealed, is_sealed, sealed
from metergate.wire.dlms.push.assembly import LLC, Message
from metergate.wire.dlms.push.carriers import carrier_of
from metergate.wire.dlms.push.lists import text
from metergate.wire.dlms.push.receiver import PushReceiver
from metergate.wire.dlms.wrapper import receiver as wrapper
from metergate.wire.hdlc import receiver as hdlc
from metergate.wire.hdlc.frame import Frame
from metergate.wire.hdlc.framer import Framer

SERVICES, DATA, CIPHERING = "IEC 62056-5-3", "IEC 62056-6-2", "IEC 62056-5-3"
_KINDS = {form.head: form for form in FORMS}
_LATE = "cannot be read"
CERTAIN = 100
FLAG, MBUS = b"\x7e", b"\x68"
SENT = (b"\xdb", b"\xdd", b"\xe6", b"\x0f")
"""First octets of APDUs that are pushed by themselves, and of the LLC header."""
UI, POLL = 0x03, 0x10
SERVICE_TAGS = range(0xC0, 0xC8)
"""Get, set, event, action: request and response, in clear."""


def explain_apdu(data: bytes, keys: Keys | None = None) -> list[Span]:
    """The APDU that `data` is, LLC header allowed before it. With keys also what is inside of a ciphered one."""
    begin = 3 if data[:3] in LLC else 0
    spans = [Span(0, 3, "LLC header", data[:3].hex(), 0, "IEC 62056-46")] if begin else []
    return spans + list(_apdu(data, begin, Opener(keys or {}), 0))


def explain_push(data: bytes, keys: Keys | None = None) -> list[Span]:
    """A push with all that carries it: HDLC frames one by one, then the APDU where one frame holds all of it."""
    carrier = carrier_of("")
    found = [item for item in (*carrier.feed(data), *carrier.silence()) if isinstance(item, Message)]
    spans: list[Span] = []
    for message in found:
        if message.data[:1] == b"\x7e":
            spans += _frames(message, keys)
        place = data.find(message.apdu, message.offset, message.end)
        opener = Opener(keys or {})
        if data[max(place - 3, 0) : place] in LLC and not message.data.startswith(b"\x7e"):
            spans.append(Span(place - 3, 3, "LLC header", data[place - 3 : place].hex(), 0, "IEC 62056-46"))
        if place >= 0:
            spans += _apdu_or_body(data[: message.end], place, opener, 3 if message.data[:1] == b"\x7e" else 0)
        else:
            spans.append(_joined(message, opener))
    return spans


def explain_hdlc(data: bytes, keys: Keys | None = None) -> list[Span]:
    """The first frame in `data`, with the APDU in it where it holds all of one."""
    return [*_carried(data, hdlc.explain(data, keys), "information", keys)]


def explain_wrapper(data: bytes, keys: Keys | None = None) -> list[Span]:
    """The first wrapper in `data`, with the APDU in it."""
    return [*_carried(data, wrapper.explain(data, keys), "APDU", keys)]


def _carried(data: bytes, spans: list[Span], place: str, keys: Keys | None) -> Iterator[Span]:
    for span in spans:
        yield span
        begin, end = span.start, span.start + span.length
        if span.name != place or (place == "information" and data[begin : begin + 3] not in LLC):
            continue
        if place == "information":
            yield Span(begin, 3, "LLC header", data[begin : begin + 3].hex(), span.level + 1, "IEC 62056-46")
            begin += 3
        if begin < end:
            yield from _apdu(data[:end], begin, Opener(keys or {}), span.level + 1)


def _frames(message: Message, keys: Keys | None) -> Iterator[Span]:
    at = message.offset
    rest = message.data
    while rest[:1] == b"\x7e":
        spans = hdlc.explain(rest, keys)
        if not spans:
            return
        yield from (
            Span(span.start + at, span.length, span.name, span.value, span.level, span.paragraph) for span in spans
        )
        size = spans[0].start + spans[0].length
        at, rest = at + size, rest[size:]


def _joined(message: Message, opener: Opener) -> Span:
    """A message that stands in pieces: what it is, in one line."""
    what = f"{len(message.apdu)} bytes joined from the frames above"
    try:
        what = f"{apdu.kind(message.apdu)}, {what}"
    except DecodeError as error:
        what = f"{error.reason}, {what}"
    return Span(message.offset, message.end - message.offset, "message", what, 0, SERVICES)


def _apdu_or_body(data: bytes, at: int, opener: Opener, level: int) -> Iterator[Span]:
    if data[at] in (Tag.ARRAY, Tag.STRUCTURE):
        yield from _guarded(data, at, level)
    else:
        yield from _apdu(data, at, opener, level)


def _guarded(data: bytes, at: int, level: int) -> Iterator[Span]:
    cursor = Cursor(data, at)
    try:
        yield from _data(cursor, level)
    except DecodeError as error:
        yield Span(cursor.at, max(len(data) - cursor.at, 0), _LATE, error.reason, level, DATA)


# ---- APDUs -----------------------------------------------------------------------------------------------------------
def _apdu(data: bytes, at: int, opener: Opener, level: int) -> Iterator[Span]:
    octets = data[at:]
    try:
        kind = apdu.kind(octets)
    except DecodeError as error:
        yield Span(at, len(octets), "APDU", error.reason, level, SERVICES)
        return
    yield Span(at, len(octets), "APDU", kind, level, SERVICES)
    if is_sealed(octets):
        yield from _sealed(data, at, opener, level + 1)
    elif octets[0] in apdu.ACSE_KINDS:
        yield from explain_acse.elements(data, at, level + 1)
    else:
        yield from _form(data, at, level + 1)


def _form(data: bytes, at: int, level: int) -> Iterator[Span]:
    form = _KINDS.get(data[at : at + 1]) or _KINDS[data[at : at + 2]]
    yield Span(at, len(form.head), "service", f"{form.head.hex()} {form.kind}", level, SERVICES)
    cursor = Cursor(data, at + len(form.head))
    for name, field in form.fields.items():
        begin = cursor.at
        try:
            value: Any = field.read(cursor)
        except DecodeError as error:
            yield Span(begin, max(len(data) - begin, 0), name, f"{_LATE}: {error.reason}", level, SERVICES)
            return
        if cursor.at > begin:
            yield Span(begin, cursor.at - begin, name, _shown(value), level, SERVICES)
        if isinstance(value, Data):
            yield from _data(Cursor(data, cursor.at - _size(data, begin, cursor.at, value)), level + 1)
    if cursor.left:
        yield Span(cursor.at, cursor.left, "more", "octets after the APDU", level, SERVICES)


def _size(data: bytes, begin: int, end: int, value: Data) -> int:
    """Octets of the value that ends at `end`; an octet or two may say before it that it is there."""
    for at in range(begin, end):
        try:
            found, stop = decode(data, at)
        except DecodeError:
            continue
        if stop == end and found == value:
            return end - at
    return 0


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return _time(value) or value.hex()
    if isinstance(value, Data):
        return value.tag.name.lower().replace("_", "-")
    return str(value)


def _time(octets: bytes) -> str | None:
    return str(DateTime.parse(octets)) if len(octets) == 12 else None


def _sealed(data: bytes, at: int, opener: Opener, level: int) -> Iterator[Span]:
    try:
        found = sealed(data[at:])
    except DecodeError as error:
        yield Span(at, len(data) - at, "ciphered", f"{_LATE}: {error.reason}", level, CIPHERING)
        return
    end = len(data)
    body = end - len(found.payload)
    if found.title and found.general is None:
        yield Span(at + 2, len(found.title), "system title", found.title.hex(), level, CIPHERING)
    yield Span(body - 5, 1, "security control", _control(found.control), level, CIPHERING)
    counter = str(int.from_bytes(found.counter, "big"))
    yield Span(body - 4, 4, "invocation counter", counter, level, CIPHERING)
    tag = 12 if found.control & 0x10 else 0
    yield Span(body, end - body - tag, "ciphertext" if found.control & 0x20 else "APDU in clear", "", level, CIPHERING)
    yield from _inside(data, body, found, opener, level + 1)
    if tag:
        yield Span(end - tag, tag, "authentication tag", data[end - tag :].hex(), level, CIPHERING)


def _inside(data: bytes, body: int, found: Sealed, opener: Opener, level: int) -> Iterator[Span]:
    try:
        plain, checked = opener.open(found)
    except DecodeError as error:
        yield Span(body, 0, "not opened", error.reason, level, CIPHERING)
        return
    if not checked:
        yield Span(body, 0, "note", "nothing proves whose it is", level, CIPHERING)
    yield from _apdu(data[:body] + plain, body, opener, level)


def _control(octet: int) -> str:
    parts = [f"{octet:02X}H, suite {octet & 15}"]
    parts += [name for bit, name in _BITS.items() if octet & bit]
    return ", ".join(parts)


_BITS = {0x10: "authenticated", 0x20: "encrypted", 0x40: "broadcast key", 0x80: "compressed"}


# ---- data ------------------------------------------------------------------------------------------------------------
def _data(cursor: Cursor, level: int) -> Iterator[Span]:
    begin = cursor.at
    value, end = decode(cursor.data, begin)
    name = value.tag.name.lower().replace("_", "-")
    if value.tag not in LISTS:
        yield Span(begin, end - begin, name, _value(value), level, DATA)
        cursor.at = end
        return
    yield Span(begin, end - begin, name, f"{len(value.items)} elements", level, DATA)
    cursor.byte()
    length_of(cursor)
    for _ in value.items:
        yield from _data(cursor, level + 1)


def _value(value: Data) -> str:
    held = value.value
    if isinstance(held, bytes):
        if len(held) == 6 and held[0] < 16:
            return f"{held.hex()} {Obis.of(held).full}"
        shown = _time(held) or text(value)
        return f"{held.hex()} {shown}" if shown else held.hex()
    if isinstance(held, tuple):
        return f"{len(held)} elements"
    return "" if held is None else str(held)


# ---- guesses ---------------------------------------------------------------------------------------------------------
def guess_push(data: bytes) -> int:
    """100: a notification that is read to its end, or anything in UI frames; 50: an encrypted APDU; 0: none."""
    best = _unasked(data)
    for item in received(PushReceiver(), data) if best < CERTAIN else ():
        if isinstance(item, Problem):
            continue
        if item.readings:
            return CERTAIN
        hidden = any(problem.code == "key_missing" for problem in item.problems)
        best = max(best, 0 if not hidden else CERTAIN if item.data[:1] == MBUS else 50 if item.data[:1] in SENT else 0)
    return best


def _unasked(data: bytes) -> int:
    """100, or 90 among other octets, where HDLC brings information that nobody asked for (UI frames)."""
    if data[:1] != FLAG:
        return 0
    framer = Framer()
    catches = [*framer.feed(data), *framer.silence()]
    frames = [Frame.of(catch[1]) for catch in catches if not isinstance(catch, Problem)]
    if not any(frame.control & ~POLL == UI and frame.information for frame in frames):
        return 0
    return CERTAIN if len(frames) == len(catches) else 90


def guess_apdu(data: bytes) -> int:
    """60: the bytes are one APDU to their end; they carry no check, so it is not sure. 20: they begin like one."""
    octets = data[3:] if data[:3] in LLC else data
    begun = 0
    try:
        if is_sealed(octets):
            sealed(octets)
        else:
            begun = 20 if apdu.kind(octets) and octets[0] in SERVICE_TAGS else 0
            apdu.decode(octets)
    except DecodeError:
        return begun
    return 60 if len(octets) > 4 else 20
