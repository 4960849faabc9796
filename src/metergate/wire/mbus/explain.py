"""A frame taken apart byte by byte, for people."""

from __future__ import annotations

from collections.abc import Iterator

from metergate.errors import DecodeError
from metergate.wire.base import Keys, Span
from metergate.wire.mbus.dib import FILLER, MANUFACTURER, MORE
from metergate.wire.mbus.fixed import SIZE, Fixed
from metergate.wire.mbus.frame import DFC, FCB, PRM, Frame, Framer, parse
from metergate.wire.mbus.keys import Keyring
from metergate.wire.mbus.names import status_text
from metergate.wire.mbus.records import RawRecord, header, readings, split_records
from metergate.wire.mbus.security import opened
from metergate.wire.mbus.telegram import (
    ALARM,
    BARE,
    BAUD,
    DATA_SEND,
    ERROR,
    ERRORS,
    FIXED,
    FIXED_SWAPPED,
    LONG,
    RESET,
    SELECT,
    SHORT,
    SWAPPED,
    LongHeader,
)

_SHORT_SIZE = 4
LINK, TRANSPORT, RECORD = "EN 13757-2 §5", "EN 13757-3 §5", "EN 13757-3 §6"
_CONTROLS = {0x40: "SND_NKE", 0x53: "SND_UD", 0x5A: "REQ_UD1", 0x5B: "REQ_UD2", 0x08: "RSP_UD"}
_CI = {
    DATA_SEND: "data to the slave",
    SELECT: "selection",
    RESET: "application reset",
    LONG: "answer with long header",
    SWAPPED: "answer with long header, high byte first",
    SHORT: "answer with short header",
    BARE: "answer without header",
    FIXED: "fixed data structure",
    FIXED_SWAPPED: "fixed data structure, high byte first",
    ERROR: "application error",
    ALARM: "alarm status",
} | {code: f"set baud rate {rate}" for code, rate in BAUD.items()}


def explain(data: bytes, keys: Keys | None = None) -> list[Span]:
    """The byte ranges of the first frame in `data`, outermost first; what is none is called noise.

    With its key (see `keys.Keyring.given`) an encrypted telegram is shown in clear.
    """
    framer = Framer()
    caught = [*framer.feed(data), *framer.silence()]
    found = next((catch for catch in caught if isinstance(catch, tuple)), None)
    if found is None:
        wrong = next((catch.message for catch in caught if not isinstance(catch, tuple)), "nothing")
        return [Span(0, len(data), "no frame", wrong)]
    at, octets = found
    noise = [Span(0, at, "noise")] if at else []
    rest = len(data) - at - len(octets)
    after = [Span(len(data) - rest, rest, "after the frame")] if rest else []
    return noise + list(_frame(octets, at, Keyring.given(keys or {}))) + after


def _frame(octets: bytes, at: int, keys: Keyring) -> Iterator[Span]:
    frame = parse(octets)
    yield Span(at, len(octets), "frame", frame.kind, 0, LINK)
    if frame.control is None:
        yield Span(at, 1, "single character", "acknowledged", 1, LINK)
        return
    head = 1 if frame.ci is None else 4
    yield Span(at, head, "start", "" if head == 1 else f"length {octets[1]}", 1, LINK)
    yield Span(at + head, 1, "control", _control(frame), 1, LINK)
    yield Span(at + head + 1, 1, "address", _address(frame.address), 1, LINK)
    if frame.ci is not None:
        yield Span(at + 6, 1, "control information", _CI.get(frame.ci, f"{frame.ci:02X}H"), 1, TRANSPORT)
        yield from _content(frame, at + 7, keys)
    yield Span(at + len(octets) - 2, 1, "check sum", f"{octets[-2]:02X}H, right", 1, LINK)
    yield Span(at + len(octets) - 1, 1, "stop", "", 1, LINK)


def _control(frame: Frame) -> str:
    control = frame.control or 0
    name = _CONTROLS.get(control & ~FCB if control & PRM else control & 0x0F, f"{control:02X}H")
    if control & PRM:
        return f"{name}, frame count bit set" if control & FCB else name
    return f"{name}, cannot take more" if control & DFC else name


def _address(address: int) -> str:
    special = {0: "unconfigured", 0xFD: "the selected slave", 0xFE: "all, for tests", 0xFF: "all, no answer"}
    return special.get(address, str(address))


def _content(frame: Frame, at: int, keys: Keyring) -> Iterator[Span]:
    """What is behind the CI field; where that cannot be decoded, the error stands in place of the rest."""
    try:
        if frame.from_master or frame.ci not in (LONG, SHORT, BARE, FIXED):
            yield from _plain(frame, at)
        elif frame.ci == FIXED:
            yield from _fixed(frame.data, at)
        else:
            size = {LONG: 12, SHORT: 4, BARE: 0}[frame.ci]
            yield from _header(frame, at)
            yield from _records(_clear(frame, size, at + size, keys), at + size)
    except DecodeError as error:
        yield Span(at, len(frame.data), "broken", f"{error.code}: {error.reason}", 1, RECORD)


def _clear(frame: Frame, size: int, at: int, keys: Keyring) -> bytes:
    """The data behind the header of `size` bytes, decrypted where there is a key."""
    head, data = frame.data[:size], frame.data[size:]
    if size < _SHORT_SIZE or len(head) < size:
        return data
    who = head[:-4] or None
    key = keys.of(LongHeader.parse(head)) if who else keys.of()
    return opened(int.from_bytes(head[-2:], "little"), who, head[-4], data, key, True, at)[0]


def _plain(frame: Frame, at: int) -> Iterator[Span]:
    if frame.ci == ERROR:
        code = frame.data[0] if frame.data else 0
        yield Span(at, len(frame.data), "error", ERRORS.get(code, f"{code:02X}H"), 1, TRANSPORT)
    elif frame.data:
        yield Span(at, len(frame.data), "data", frame.data.hex(" "), 1, TRANSPORT)


def _header(frame: Frame, at: int) -> Iterator[Span]:
    data = frame.data
    if frame.ci == LONG:
        head = LongHeader.parse(data, at)
        medium = head.identity.medium
        yield Span(at, 4, "identification", head.id, 1, TRANSPORT)
        yield Span(at + 4, 2, "manufacturer", head.manufacturer, 1, TRANSPORT)
        yield Span(at + 6, 1, "version", str(head.version), 1, TRANSPORT)
        yield Span(at + 7, 1, "medium", medium.value if medium else f"{head.medium:02X}H", 1, TRANSPORT)
        at, data = at + 8, data[8:]
    if frame.ci != BARE and len(data) >= 4:
        yield Span(at, 1, "access number", str(data[0]), 1, TRANSPORT)
        yield Span(at + 1, 1, "status", ", ".join(status_text(data[1])) or "no error", 1, TRANSPORT)
        yield Span(at + 2, 2, "configuration", f"{data[3]:02X}{data[2]:02X}H", 1, TRANSPORT)


def _fixed(data: bytes, at: int) -> Iterator[Span]:
    found = Fixed.parse(data, at)
    yield Span(at, SIZE, "fixed data structure", found.id, 1, TRANSPORT)
    for start, length, name in ((0, 4, "identification"), (4, 1, "access number"), (5, 1, "status"), (6, 2, "units")):
        yield Span(at + start, length, name, data[start : start + length].hex(" "), 2, TRANSPORT)
    for place, reading in zip((8, 12), found.readings(), strict=True):
        unit = reading.unit.value if reading.unit else ""
        yield Span(at + place, 4, "counter", f"{reading.value!s} {unit}".strip(), 2, TRANSPORT)


def _records(data: bytes, at: int) -> Iterator[Span]:
    raw, maker, _ = split_records(data, at)
    place = at
    for record in raw:
        if record.offset > place:
            yield Span(place, record.offset - place, "filler", "", 1, RECORD)
        yield from _record(record)
        place = record.offset + len(record.octets)
    yield from _tail(data, at, place, len(maker))


def _tail(data: bytes, at: int, place: int, maker: int) -> Iterator[Span]:
    """Fillers behind the last record, and the DIF that begins the maker's own data."""
    end = at + len(data)
    if place == end:
        return
    mark = end - maker - 1
    last = data[mark - at]
    if last == FILLER:
        yield Span(place, end - place, "filler", "", 1, RECORD)
        return
    if mark > place:
        yield Span(place, mark - place, "filler", "", 1, RECORD)
    name = {MANUFACTURER: "manufacturer's data", MORE: "manufacturer's data, more telegrams follow"}[last]
    yield Span(mark, 1 + maker, name, data[len(data) - maker :].hex(" "), 1, RECORD)


def _record(record: RawRecord) -> Iterator[Span]:
    reading = readings([record], "")[0]
    register = reading.register
    name = register.quantity or register.address or "value"
    value = reading.value
    shown = reading.reason if value is None else value.hex() if isinstance(value, bytes) else str(value)
    unit = register.unit.value if register.unit else ""
    yield Span(record.offset, len(record.octets), f"record: {name}", f"{shown} {unit}".strip(), 1, RECORD)
    dib = header(record.dif, record.vif).dib
    where = f"{dib.coding}, {dib.function.value}, storage {dib.storage}, tariff {dib.tariff}, subunit {dib.subunit}"
    yield Span(record.offset, len(record.dif), "DIF", where, 2, f"{RECORD}.3")
    place = record.offset + len(record.dif)
    what = register.address if register.address and register.quantity else name
    yield Span(place, len(record.vif), "VIF", f"{what} {unit}".strip(), 2, f"{RECORD}.4")
    place += len(record.vif)
    if record.lvar is not None:
        yield Span(place, 1, "length", f"{record.lvar:02X}H", 2, f"{RECORD}.3")
        place += 1
    yield Span(place, len(record.data), "data", record.data.hex(" "), 2, RECORD)
