"""A telegram taken apart for people: which byte is what, by document and paragraph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metergate.errors import DecodeError
from metergate.model import Reading
from metergate.wire.base import Keys, Span
from metergate.wire.mbus.names import MEDIA
from metergate.wire.wmbus import makers
from metergate.wire.wmbus.decode import split
from metergate.wire.wmbus.keys import Keyring
from metergate.wire.wmbus.layers import BARE, COMPACT, ELL, LONG, MAKER, TPL, Afl, Ell, Tpl
from metergate.wire.wmbus.link import CONTROLS, FIRST, SHORTEST, Format, Link, blocks, checks, size, strip
from metergate.wire.wmbus.peel import Context, Layers, peel

_LINK, _EXTENDED, _AUTHENTICATION, _TRANSPORT = "EN 13757-4", "EN 13757-4", "OMS volume 2", "EN 13757-7"
_OWN = "maker's own format"
AUTHENTICATED, CRC = 0x90, 2
"""CI field of the authentication layer; octets of a block's check."""
Part = tuple[int, str, str]
"""Bytes, name, value."""


def find(data: bytes) -> tuple[Format, bytes] | None:
    """The format of the frame at the front of `data`, and its telegram; None where it is cut off or none."""
    if len(data) < FIRST or data[0] < SHORTEST:
        return None
    for form in Format:
        frame = data[: size(data[0], form)]
        telegram = strip(frame, form) if len(frame) == size(data[0], form) else None
        if telegram is not None:
            return form, telegram
    return None


def guess(data: bytes) -> int:
    """100: right CRCs; 60: none, but the right length and a CI field that is known; 30: cut off, or the CRCs wrong."""
    if len(data) <= FIRST + CRC or data[1] not in CONTROLS or data[0] < SHORTEST:
        return 0
    found = find(data)
    if found and found[0] is not Format.NONE:
        return 100
    letters = Link.of(data[:FIRST]).address.manufacturer
    known = [octet in TPL or octet in ELL or octet == AUTHENTICATED for octet in (data[FIRST], data[FIRST + CRC])]
    if not (letters.isalpha() and letters.isupper() and any(known)):
        return 0
    return 60 if found and known[0] and data[0] + 1 == len(data) else 30


def explain(data: bytes, keys: Keys) -> list[Span]:
    """The spans of one telegram, as it is on the line; encrypted parts by their plaintext where `keys` has the key.

    What could not be made out is one span with the reason.
    """
    found = find(data)
    if found is None:
        return [Span(0, len(data), "no telegram", "too short, or cut off")]
    form, telegram = found
    places = _places(size(data[0], form), form)
    layers = Layers(Link.of(telegram))
    spans = list(_laid(_link(telegram), 0, 1, _LINK))
    problem = ""
    try:
        peel(telegram, layers, Context(Keyring(common=keys.get("key"))))
    except DecodeError as error:
        problem = f"{error.code}: {error.reason}"
    spans += _headers(telegram, layers, problem)
    return [_moved(span, places) for span in spans] + list(_crcs(data, form))


def _places(total: int, form: Format) -> list[int]:
    """Where each byte of the telegram stands in the frame."""
    if form is Format.NONE:
        return list(range(total))
    return [place for begin, end in blocks(total, form) for place in range(begin, end)]


def _moved(span: Span, places: list[int]) -> Span:
    start = places[span.start]
    last = places[min(span.start + max(span.length, 1), len(places)) - 1]
    return Span(start, last - start + 1, span.name, span.value, span.level, span.paragraph)


def _crcs(data: bytes, form: Format) -> Iterator[Span]:
    if form is not Format.NONE:
        for begin, end in blocks(size(data[0], form), form):
            right = "right" if checks(data, begin, end) else "wrong"
            yield Span(end, 2, "CRC", right, 1, "EN 13757-4")


def _laid(parts: Iterable[Part], at: int, level: int, paragraph: str) -> Iterator[Span]:
    """Parts that follow each other from `at` on."""
    for length, name, value in parts:
        if length:
            yield Span(at, length, name, value, level, paragraph)
            at += length


def _link(telegram: bytes) -> list[Part]:
    link = Link.of(telegram)
    address = link.address
    return [
        (1, "L", str(telegram[0])),
        (1, "C", CONTROLS.get(link.control, f"{link.control:02X}")),
        (2, "manufacturer", address.manufacturer),
        (4, "id", address.id),
        (1, "version", str(address.version)),
        (1, "device type", _device(address.device)),
    ]


def _device(code: int) -> str:
    found = MEDIA.get(code)
    return found.value if found else f"{code:02X}"


def _headers(telegram: bytes, layers: Layers, problem: str) -> Iterator[Span]:
    at = FIRST
    if layers.ell:
        yield from _laid(_ell(layers.ell), at, 1, _EXTENDED)
        at += len(layers.ell.octets)
    if layers.afl and not layers.afl.fragment:
        yield from _laid(_afl(layers.afl), at, 1, _AUTHENTICATION)
        at += len(layers.afl.octets)
    if layers.tpl:
        yield from _laid(_tpl(layers.tpl), at, 1, _TRANSPORT)
        at += len(layers.tpl.octets)
    if at < len(telegram):
        yield from _payload(at, len(telegram) - at, layers, problem)


def _ell(ell: Ell) -> list[Part]:
    session = "" if ell.session is None else f"{ell.session:08X}{', AES-CTR' if ell.encryption == 1 else ''}"
    return [
        (1, "CI extended link layer", f"{ell.ci:02X}"),
        (1, "communication control", f"{ell.control:02X}"),
        (1, "access number", str(ell.access)),
        (len(ell.receiver), "receiver", ell.receiver.hex().upper()),
        (4 if session else 0, "session number", session),
        (2 if session else 0, "payload CRC", f"{ell.crc:04X}"),
    ]


def _afl(afl: Afl) -> list[Part]:
    return [
        (1, "CI authentication layer", "90"),
        (1, "AFL length", str(len(afl.octets) - 2)),
        (2, "fragmentation control", f"{afl.flags:04X}"),
        (0 if afl.mcl is None else 1, "message control", f"{afl.mcl or 0:02X}"),
        (0 if afl.key_info is None else 2, "key information", f"{afl.key_info or 0:04X}"),
        (0 if afl.counter is None else 4, "message counter", str(afl.counter)),
        (len(afl.mac or b""), "MAC", (afl.mac or b"").hex().upper()),
        (0 if afl.length is None else 2, "message length", str(afl.length)),
    ]


def _tpl(tpl: Tpl) -> list[Part]:
    form = TPL[tpl.ci]
    address = tpl.address
    who = f"{address.manufacturer} {address.id} {_device(address.device)}" if address else ""
    header = 0 if form is BARE else 1
    return [
        (1, "CI", f"{tpl.ci:02X}, {form} header"),
        (8 if form is LONG else 0, "meter", who),
        (header, "access number", str(tpl.access)),
        (header, "status", f"{tpl.status or 0:02X}"),
        (2 * header, "configuration", f"{tpl.configuration:04X}, security mode {tpl.mode}"),
        (len(tpl.extension), "configuration extension", tpl.extension.hex().upper()),
    ]


def _payload(at: int, size: int, layers: Layers, problem: str) -> Iterator[Span]:
    if problem or layers.payload is None or layers.tpl is None:
        yield Span(at, size, "payload", problem or "a fragment", 1)
        return
    own = makers.payload(layers.address, layers.tpl.ci)
    if layers.tpl.ci in COMPACT or layers.tpl.ci in MAKER or own:
        kind = "compact frame" if layers.tpl.ci in COMPACT else _OWN
        yield Span(at, size, f"{_OWN}: {own.name}" if own else kind, layers.payload.hex(" "), 1)
        return
    try:
        found = split(layers.payload, layers)
    except DecodeError as error:
        yield Span(at, size, "records", f"{error.code}: {error.reason}", 1)
        return
    for raw, reading in zip(found.raw, found.readings, strict=True):
        name = reading.register.quantity or reading.register.address or "record"
        start = at + raw.offset - layers.base
        yield Span(start, len(raw.octets), name, _shown(reading), 2, "EN 13757-3")
    maker, end = found.manufacturer_data, at + len(layers.payload)
    tail = ((len(maker), _OWN, maker.hex(" ")), (at + size - end, "of no record", ""))
    yield from _laid(tail, end - len(maker), 2, "EN 13757-3")


def _shown(reading: Reading) -> str:
    if isinstance(reading.value, bytes):
        return reading.value.hex(" ")
    value = reading.reason if reading.value is None else reading.value
    return f"{value} {reading.unit.value}" if reading.unit else str(value)
