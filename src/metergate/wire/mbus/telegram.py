"""The application layer of a wired M-Bus frame: header, records, errors, alarms (EN 13757-3), bytes to telegrams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache

from metergate.errors import ApplicationError, DecodeError, Truncated, Unsupported
from metergate.model import MeterIdentity, Reading, Register
from metergate.model.reading import Value
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.mbus.fixed import Fixed
from metergate.wire.mbus.frame import ACD, DFC, Frame, Framer, is_long, parse
from metergate.wire.mbus.keys import Cipher, Keyring
from metergate.wire.mbus.layout import Layouts
from metergate.wire.mbus.names import (
    MEDIA,
    MEDIUM_CODES,
    identification,
    identification_octets,
    manufacturer,
    manufacturer_code,
)
from metergate.wire.mbus.quick import quick_telegram
from metergate.wire.mbus.records import readings, split_records
from metergate.wire.mbus.security import mode, opened

PROTOCOL = "mbus"
LONG, SHORT, BARE, SWAPPED = 0x72, 0x7A, 0x78, 0x76
"""CI of answers with long, short and no header, and with everything high byte first (mode 2)."""
FIXED, FIXED_SWAPPED = 0x73, 0x77
DATA_SEND, SELECT, RESET, ERROR, ALARM = 0x51, 0x52, 0x50, 0x70, 0x71
BAUD = {0xB8: 300, 0xB9: 600, 0xBA: 1200, 0xBB: 2400, 0xBC: 4800, 0xBD: 9600, 0xBE: 19200, 0xBF: 38400}
"""CI of "set baud rate to ..."."""
ERRORS = {
    0x00: "unspecified error",
    0x01: "CI field not implemented",
    0x02: "buffer too long, truncated",
    0x03: "too many records",
    0x04: "premature end of record",
    0x05: "more than 10 DIFEs",
    0x06: "more than 10 VIFEs",
    0x08: "application busy",
    0x09: "too many readouts",
}
"""What a slave reports with CI 70."""
BUSY = 0x08
_HEADER, _SHORT_HEADER, _CI_AT = 12, 4, 7
_METERS = 8192
"""Meters whose key is remembered."""


@dataclass(frozen=True, slots=True)
class LongHeader:
    """The header of CI 72: who the meter is, and how it does. `medium` is the device type's code."""

    id: str
    manufacturer: str
    version: int
    medium: int
    access: int = 0
    status: int = 0
    signature: int = 0

    @classmethod
    def parse(cls, data: bytes, base: int = 0, swapped: bool = False) -> LongHeader:
        """From the bytes behind the CI field. Truncated if there are fewer than twelve."""
        if len(data) < _HEADER:
            raise Truncated(f"the header has {_HEADER} bytes, {len(data)} came", base + len(data))
        step = -1 if swapped else 1
        letters = manufacturer(int.from_bytes(data[4:6][::step], "little"))
        signature = int.from_bytes(data[10:12][::step], "little")
        number = identification(data[:4][::step])
        return cls(number, letters, data[6], data[7], data[8], data[9], signature)

    @property
    def octets(self) -> bytes:
        """The twelve bytes. BadValue if id or manufacturer cannot be said."""
        maker = manufacturer_code(self.manufacturer).to_bytes(2, "little")
        head = identification_octets(self.id) + maker + bytes((self.version, self.medium, self.access, self.status))
        return head + self.signature.to_bytes(2, "little")

    @property
    def identity(self) -> MeterIdentity:
        """The same as the rest of the world knows it."""
        return MeterIdentity(self.id, self.manufacturer, MEDIA.get(self.medium), self.version)

    @classmethod
    def of(cls, meter: MeterIdentity, access: int = 0, status: int = 0) -> LongHeader:
        """The header of a meter; what its identity leaves open is zero."""
        medium = MEDIUM_CODES.get(meter.medium, 0x0F) if meter.medium else 0x0F
        return cls(meter.id, meter.manufacturer or "@@@", meter.version or 0, medium, access, status)


@lru_cache(8192)
def _identity(octets: bytes) -> MeterIdentity:
    return LongHeader.parse(octets + bytes(4)).identity


@dataclass(slots=True)
class _Content:
    """What a frame turned out to hold."""

    fields: dict[str, object] = field(default_factory=dict)
    meter: MeterIdentity | None = None
    readings: tuple[Reading, ...] = ()


class Decoder:
    """Frames to telegrams. Keeps the record layouts that it learnt.

    `accept_clear`: telegrams in clear are welcome although their meter has a key.
    """

    def __init__(
        self, layouts: Layouts | None = None, keys: Keyring | None = None, *, accept_clear: bool = True
    ) -> None:
        self.layouts = layouts or Layouts()
        self.keys = Keyring() if keys is None else keys
        self.accept_clear = accept_clear
        self._ciphers: dict[bytes, Cipher | None] = {}  # by header
        self._changes = self.keys.changes
        self._heard: dict[int, bytes] = {}  # by primary address: who answered there with a long header

    def telegram(self, octets: bytes, offset: int = 0, at: datetime | None = None) -> Telegram:
        """The telegram in one frame whose check sum is right. What cannot be decoded is among its `problems`."""
        if len(octets) > 20 and octets[6] == LONG and not octets[4] & 0x40:
            return self._answer(octets, offset, at)
        frame = parse(octets)
        content = _Content(_link_fields(frame))
        problems: tuple[Problem, ...] = ()
        try:
            self._content(frame, content, offset + _CI_AT, at)
        except DecodeError as error:
            problems = (Problem.of(error),)
            content.readings = ()
        return Telegram(
            PROTOCOL,
            offset,
            len(octets),
            True,
            octets,
            content.meter,
            content.fields,
            content.readings,
            problems,
        )

    def values(self, octets: bytes) -> tuple[tuple[Register, ...], Sequence[Value]] | None:
        """Registers and values of one frame, its check sum included, if the meter's layout is known; else None."""
        if len(octets) < 22 or octets[6] != LONG or octets[4] & 0x40 or not is_long(octets):
            return None
        who, data = octets[7:15], octets[19:-2]
        if octets[18] & 31 or not self.accept_clear:
            try:
                word = octets[17] | octets[18] << 8
                data, _ = opened(word, who, octets[15], data, self._key(who), self.accept_clear, 0)
            except DecodeError:
                return None
        return self.layouts.values(data, _identity(who).id)

    def _key(self, who: bytes) -> Cipher | None:
        """The key of the meter that a long header names, remembered as long as no key changes."""
        if self._changes != self.keys.changes:
            self._ciphers.clear()
            self._changes = self.keys.changes
        if who not in self._ciphers:
            if len(self._ciphers) >= _METERS:
                self._ciphers.clear()
            self._ciphers[who] = self.keys.of(LongHeader.parse(who + bytes(4)))
        return self._ciphers[who]

    def _answer(self, octets: bytes, offset: int, at: datetime | None) -> Telegram:
        """The common telegram: CI 72 from a slave."""
        meter = _identity(octets[7:15])
        status = octets[16]
        fields: dict[str, object] = {
            "kind": "long",
            "control": octets[4],
            "address": octets[5],
            "ci": LONG,
            "access_number": octets[15],
            "status": status,
            "signature": f"{octets[18]:02x}{octets[17]:02x}",
        }
        if octets[4] & (ACD | DFC):
            fields |= _flags(octets[4])
        try:
            data = self._opened(octets[5], octets[7:15], octets[15:19], octets[19:-2], offset + 19, fields)
            found = self.layouts.decode(data, meter.id, base=offset + 19, at=at, status=status)
        except DecodeError as error:
            wrong = (Problem.of(error),)
            return Telegram(PROTOCOL, offset, len(octets), True, octets, meter, fields, (), wrong)
        _record_fields(fields, found.manufacturer_data, found.more)
        return quick_telegram(PROTOCOL, offset, octets, meter, fields, found.readings)

    def _opened(self, address: int, who: bytes, state: bytes, data: bytes, at: int, fields: dict[str, object]) -> bytes:
        """The data behind a header in clear; `who` is empty where the header does not say, then memory helps."""
        word = state[2] | state[3] << 8
        if who:
            self._heard[address] = who
        who = who or self._heard.get(address, b"")
        if self.accept_clear and not mode(word):
            return data
        key = self._key(who) if who else self.keys.of()
        plain, protected = opened(word, who or None, state[0], data, key, self.accept_clear, at)
        fields["protected"] = protected
        return plain

    def _content(self, frame: Frame, content: _Content, base: int, at: datetime | None) -> None:
        if frame.ci is None:
            return
        if frame.from_master:
            _master(frame, content)
            return
        known: Mapping[int, Callable[[Frame, _Content, int, datetime | None], None]] = {
            LONG: self._long,
            SWAPPED: self._long,
            SHORT: self._short,
            BARE: self._short,
            FIXED: _fixed,
            FIXED_SWAPPED: _fixed,
            ERROR: _error,
            ALARM: _alarm,
        }
        if frame.ci not in known:
            raise Unsupported(f"CI {frame.ci:02X}H is not decoded", base - 1)
        known[frame.ci](frame, content, base, at)

    def _long(self, frame: Frame, content: _Content, base: int, at: datetime | None) -> None:
        swapped = frame.ci == SWAPPED
        head = LongHeader.parse(frame.data, base, swapped)
        content.meter = head.identity
        content.fields |= {
            "access_number": head.access,
            "status": head.status,
            "signature": f"{head.signature:04x}",
        }
        raw, maker, more = split_records(frame.data[_HEADER:], base + _HEADER)
        if swapped:
            raw = tuple(replace(record, data=record.data[::-1]) for record in raw)
        content.readings = readings(raw, head.id, at, head.status)
        _record_fields(content.fields, maker, more)

    def _short(self, frame: Frame, content: _Content, base: int, at: datetime | None) -> None:
        """CI 7A and 78: the frame does not say who the meter is, so its readings go by the primary address."""
        status, start = None, 0
        if frame.ci == SHORT:
            if len(frame.data) < _SHORT_HEADER:
                raise Truncated(f"the short header has 4 bytes, {len(frame.data)} came", base + len(frame.data))
            access, status = frame.data[0], frame.data[1]
            word = int.from_bytes(frame.data[2:4], "little")
            content.fields |= {"access_number": access, "status": status, "signature": f"{word:04x}"}
            start = _SHORT_HEADER
        name, data = f"mbus:{frame.address}", frame.data[start:]
        if start:
            data = self._opened(frame.address, b"", frame.data[:start], data, base + start, content.fields)
        found = self.layouts.decode(data, name, base=base + start, at=at, status=status)
        content.readings = found.readings
        _record_fields(content.fields, found.manufacturer_data, found.more)


def _link_fields(frame: Frame) -> dict[str, object]:
    if frame.control is None:
        return {"kind": frame.kind}
    fields: dict[str, object] = {"kind": frame.kind, "control": frame.control, "address": frame.address}
    if frame.ci is not None:
        fields["ci"] = frame.ci
    if not frame.from_master:
        fields |= _flags(frame.control)
    return fields


def _flags(control: int) -> dict[str, object]:
    bits = {"access_demand": control & ACD, "data_flow_control": control & DFC}
    return {name: True for name, bit in bits.items() if bit}


def _record_fields(fields: dict[str, object], maker: bytes, more: bool) -> None:
    if maker:
        fields["manufacturer_data"] = maker
    if more:
        fields["more"] = True


def _master(frame: Frame, content: _Content) -> None:
    """What a master sends is an order, never a reading."""
    if frame.ci in BAUD:
        content.fields["baud_rate"] = BAUD[frame.ci]
    elif frame.ci == SELECT:
        content.fields["selection"] = frame.data
    elif frame.data:
        content.fields["data"] = frame.data


def _fixed(frame: Frame, content: _Content, base: int, at: datetime | None) -> None:
    found = Fixed.parse(frame.data, base, frame.ci == FIXED_SWAPPED)
    content.meter = MeterIdentity(found.id, medium=found.medium)
    content.fields |= {"access_number": found.access, "status": found.status}
    content.readings = found.readings(at)


def _error(frame: Frame, content: _Content, base: int, at: datetime | None) -> None:
    code = frame.data[0] if frame.data else 0
    content.fields["error"] = code
    raise ApplicationError(ERRORS.get(code, f"error {code:02X}H"), base)


def _alarm(frame: Frame, content: _Content, base: int, at: datetime | None) -> None:
    content.fields["alarm"] = frame.data


class Receiver:
    """The listening end of an M-Bus: every frame on the line, from meters and from masters, is a telegram."""

    def __init__(self, decoder: Decoder | None = None) -> None:
        self._framer = Framer()
        self._decoder = decoder or Decoder()
        self.position = 0
        """How many bytes were received so far."""

    @property
    def noise(self) -> int:
        """How many of them belonged to no frame."""
        return self._framer.noise

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """Take in bytes that arrived at `at`; yield the telegrams and problems that they complete."""
        self.position += len(data)
        offset = self._framer.whole(data)
        if offset is None:
            return self._found(self._framer.feed(data), at)
        return iter((self._decoder.telegram(data, offset, at),))

    def silence(self) -> Iterator[Found]:
        """The line went quiet: give up a frame that was begun."""
        return self._found(self._framer.silence(), None)

    def _found(self, catches: Iterator[tuple[int, bytes] | Problem], at: datetime | None) -> Iterator[Found]:
        for catch in catches:
            yield catch if isinstance(catch, Problem) else self._decoder.telegram(catch[1], catch[0], at)
