"""A telegram taken apart for people, and how much bytes look like one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from metergate.errors import DecodeError
from metergate.model import Obis
from metergate.wire.base import Keys, Problem, Span
from metergate.wire.p1.frame import HEAD, Frame, Line, check, sent, split
from metergate.wire.p1.framer import Framer
from metergate.wire.p1.moments import STAMP, moment
from metergate.wire.p1.objects import unhexed
from metergate.wire.p1.sealed import GENERAL_GLO, TITLE, Keyring, decode_sealed

_FORM, _OBJECTS, _SEALED = "DSMR P1 §6.2", "DSMR P1 §6.12", "Luxembourg P1 §3.2.5"
_OWN = re.compile(rb"\n0-\d:(?:24\.[1-4]\.|96\.1[34]\.)")
"""Objects that readouts of IEC 62056-21 do not have."""
_NAMES = {
    "0-0:1.0.0": "time",
    "1-3:0.2.8": "version",
    "0-0:96.1.4": "version, Belgium",
    "0-0:96.1.1": "equipment id",
    "0-0:96.14.0": "tariff",
    "0-0:96.3.10": "breaker",
    "0-0:17.0.0": "limiter",
    "0-0:96.7.21": "power failures",
    "0-0:96.7.9": "long power failures",
    "1-0:99.97.0": "log of power failures",
    "0-0:98.1.0": "history",
    "0-0:96.13.0": "text",
    "0-0:96.13.1": "text code",
    "1-0:1.4.0": "demand",
    "1-0:1.6.0": "greatest demand of the month",
}
_ELECTRIC = {
    (1, 8): "energy from the grid",
    (2, 8): "energy into the grid",
    (3, 8): "reactive energy +",
    (4, 8): "reactive energy -",
    (1, 7): "power from the grid",
    (2, 7): "power into the grid",
    (3, 7): "reactive power +",
    (4, 7): "reactive power -",
    (21, 7): "power from the grid, L{}",
    (22, 7): "power into the grid, L{}",
    (31, 7): "current, L{}",
    (32, 7): "voltage, L{}",
    (32, 32): "voltage sags, L{}",
    (32, 36): "voltage swells, L{}",
    (14, 7): "frequency",
}
_DEVICE = {(24, 1): "type", (96, 1): "id", (24, 2): "value", (24, 3): "values", (24, 4): "valve or switch"}


def explain(data: bytes, keys: Keys) -> list[Span]:
    """The fields of one telegram, clear or encrypted. What cannot be read is named so; nothing is raised."""
    framer = Framer(strict=False)
    for catch in [*framer.feed(data), *framer.silence()]:
        if not isinstance(catch, Problem):
            at, frame = catch
            before = [Span(0, at, "noise")] if at else []
            return before + list(_sealed(frame, at, keys) if frame[0] == GENERAL_GLO else _clear(frame, at))
    return [Span(0, len(data), "no telegram", data[:32].hex())]


def _clear(frame: bytes, base: int) -> Iterator[Span]:
    text = split(frame)
    head = HEAD.match(frame)
    end = frame.rfind(b"!")
    yield Span(base, head.end() if head else 0, "identification", f"/{text.identification}", 0, _FORM)
    yield from _who(text, base)
    for line in text.lines:
        yield from _line(line, base)
    yield Span(base + end, 1, "end", "!", 0, _FORM)
    digits, wrong = sent(frame), check(frame)
    told = "none is sent" if not digits and wrong is None else wrong.reason if wrong else f"{digits.decode()}, right"
    yield Span(base + end + 1, len(digits), "check sum", told, 0, _FORM)


def _who(frame: Frame, base: int) -> Iterator[Span]:
    yield Span(base + 1, 3, "maker", frame.manufacturer, 1, _FORM)
    size = len(frame.identification)
    yield Span(base + 4, size - 3, "baud rate and model", frame.identification[3:], 1, _FORM)


def _line(line: Line, base: int) -> Iterator[Span]:
    start = base + line.at - (len(line.code) if line.groups else 0)
    yield Span(start, len(line.text), title(line.code) if line.groups else "not readable", line.text, 0, _OBJECTS)
    at = base + line.at + 1
    for group in line.groups if len(line.groups) > 1 or STAMP.fullmatch(line.groups[0]) else ():
        yield Span(at, len(group), "time" if STAMP.fullmatch(group) else "value", _told(group), 1, _OBJECTS)
        at += len(group) + 2


def _told(group: str) -> str:
    if STAMP.fullmatch(group):
        instant = moment(group)
        return f"{group}: {instant.isoformat() if instant else 'no date'}"
    return unhexed(group) or group


def title(code: str) -> str:
    """What an object is called."""
    try:
        obis = Obis.parse(code)
    except DecodeError:
        return code or "continued"
    if code in _NAMES:
        return _NAMES[code]
    if obis.a == 0 and obis.b:
        return f"M-Bus device {obis.b}: {_DEVICE.get((obis.c, obis.d), code)}"
    phase = (obis.c - 20) // 20 + 1 if obis.c > 20 else 0
    name = _ELECTRIC.get((obis.c - 20 * max(phase - 1, 0), obis.d), code)
    return name.format(phase) + (f", tariff {obis.e}" if obis.d == 8 and obis.e else "")


def _sealed(frame: bytes, base: int, keys: Keys) -> Iterator[Span]:
    sealed = decode_sealed(frame)
    body = len(frame) - len(sealed.body)
    yield Span(base, 1, "general-glo-ciphering", "DB", 0, _SEALED)
    yield Span(base + 1, TITLE + 1, "system title", sealed.title.hex().upper(), 0, _SEALED)
    yield Span(base + 10, body - 15, "length", str(len(frame) - body + 5), 0, _SEALED)
    yield Span(base + body - 5, 1, "security", f"{sealed.security:02X}", 0, _SEALED)
    yield Span(base + body - 4, 4, "invocation counter", str(sealed.counter), 0, _SEALED)
    try:
        plain = Keyring(keys).open(sealed)
    except DecodeError as error:
        yield Span(base + body, len(sealed.body) - 12, "ciphertext", error.reason, 0, _SEALED)
        yield Span(base + len(frame) - 12, 12, "tag", frame[-12:].hex(), 0, _SEALED)
        return
    yield Span(base + body, len(plain), "ciphertext", "the telegram below", 0, _SEALED)
    if plain[:1] == b"/" and b"!" in plain and b"\n" in plain:
        yield from (replace(span, level=span.level + 1) for span in _clear(plain, base + body))
    yield Span(base + len(frame) - 12, 12, "tag", f"{frame[-12:].hex()}, right", 0, _SEALED)


LONG = 200
"""Octets that an encrypted telegram has at least; shorter ones are mostly APDUs of DLMS."""


def guess(data: bytes) -> int:
    """100: a telegram with a right check sum; 95: one without that has P1's own objects; 65: an encrypted one; 55:
    another readout; 20: it begins like one; else 0."""
    framer = Framer()
    best = 0
    for catch in [*framer.feed(data), *framer.silence()]:
        if isinstance(catch, Problem):
            continue
        frame = catch[1]
        if frame[0] == GENERAL_GLO:
            best = max(best, 65 if len(frame) > LONG else 55)
        elif sent(frame):
            return 100
        elif any(line.groups and line.code.count("-") for line in split(frame).lines):
            best = max(best, 95 if _OWN.search(frame) else 55)
    return best or (20 if (found := HEAD.search(data)) and data[found.end() : found.end() + 2] == b"\r\n" else 0)
