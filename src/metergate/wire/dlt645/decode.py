"""From frames to readings: the header fields of every control code, items and blocks by their identifiers.

Both editions; the control code tells which one a frame belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from metergate.bits import le
from metergate.errors import BadValue, DecodeError, Truncated, Unsupported
from metergate.model import Function, Quality, Reading, Register, TimeQuality
from metergate.wire.dlt645 import items, items97, load
from metergate.wire.dlt645.frame import FAILED, FOLLOWS, Frame
from metergate.wire.dlt645.items import Item
from metergate.wire.dlt645.values import NULL, SECRET, Format

BAUD_RATES = {0x01: 300, 0x02: 600, 0x04: 1200, 0x08: 2400, 0x10: 4800, 0x20: 9600, 0x40: 19200}
"""Bit of the rate word -> baud (DL/T 645-2007); the two lowest are of 1997."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What differs between the editions: identifiers and function codes."""

    name: str
    di_size: int
    members: Callable[[int], Iterator[tuple[int, Item]]]
    read: int
    follow: int
    write: int
    """Function codes; a reply has 80H more."""


E2007 = Edition("dlt645", 4, items.members, 0x11, 0x12, 0x14)
E1997 = Edition("dlt645-1997", 2, items97.members, 0x01, 0x02, 0x04)


def edition(frame: Frame) -> Edition:
    """Functions 01-10 without 08 are of 1997, the rest of 2007."""
    return E1997 if frame.function <= 0x10 and frame.function != 0x08 else E2007


def split(frame: Frame) -> tuple[int, bytes] | None:
    """`(identifier, payload)` of a frame that carries an identifier, None for others and for refusals."""
    kind = edition(frame)
    if frame.function not in (kind.read, kind.follow, kind.write, 0x03) or frame.control & FAILED:
        return None
    if len(frame.data) < kind.di_size:
        return None
    payload = frame.data[kind.di_size :]
    return le(frame.data[: kind.di_size]), payload[:-1] if frame.function == 0x12 and frame.from_meter else payload


def header(frame: Frame) -> dict[str, object]:
    """The fields of the decode contract: address, control, data, and what the control code adds."""
    found: dict[str, object] = {"address": frame.address, "control": f"{frame.control:02x}", "data": frame.data.hex()}
    if frame.error is not None:
        return found | {"error": f"{frame.error:02x}"}
    if parts := split(frame):
        found["di"] = f"{parts[0]:0{2 * edition(frame).di_size}x}"
    if frame.from_meter and frame.control & FOLLOWS:
        found["more"] = True
    special = _SPECIAL.get(frame.function)
    return found | special(frame) if special else found


def _follow(frame: Frame) -> dict[str, object]:
    return {"seq": frame.data[-1]} if len(frame.data) > 4 else {}


def _clock(frame: Frame) -> dict[str, object]:
    text = _moment("YYMMDDhhmmss", frame.data[:6]) if len(frame.data) == 6 else None
    return {"time": text} if text else {}


def _address(frame: Frame) -> dict[str, object]:
    return {"new_address": frame.data[::-1].hex()} if len(frame.data) == 6 else {}


def _freeze(frame: Frame) -> dict[str, object]:
    return {"freeze": frame.data[::-1].hex()} if len(frame.data) == 4 else {}


def _baud(frame: Frame) -> dict[str, object]:
    return {"baud": BAUD_RATES.get(frame.data[0])} if len(frame.data) == 1 else {}


def _write(frame: Frame) -> dict[str, object]:
    return {"operator": frame.data[8:12].hex()} if len(frame.data) >= 12 and not frame.from_meter else {}


def _control(frame: Frame) -> dict[str, object]:
    """DL/T 645-2007: PA P0-2, C0-3, N1, N2, ss mm hh DD MM YY."""
    data = frame.data
    if frame.from_meter or len(data) != 16:
        return {}
    until = _moment("YYMMDDhhmmss", data[10:])
    return {"operator": data[4:8].hex(), "n1": f"{data[8]:02x}", "n2": f"{data[9]:02x}", "valid_until": until}


def _moment(form: str, octets: bytes) -> str | None:
    value = Format.parse(form).decode(octets)[0]
    return value if isinstance(value, str) else None


_SPECIAL: dict[int, Callable[[Frame], dict[str, object]]] = {
    0x08: _clock,
    0x0A: _address,
    0x0C: _baud,
    0x12: _follow,
    0x13: _address,
    0x14: _write,
    0x15: _address,
    0x16: _freeze,
    0x17: _baud,
    0x1C: _control,
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A field's place in the payload of one identifier."""

    at: int
    layout: Format
    register: Register


def slots(kind: Edition, meter: str, di: int, size: int) -> tuple[list[Slot], int]:
    """Where the fields of `di` lie in a payload of `size` octets, and how many octets they leave over.

    Unsupported for an identifier without a rule, Truncated if a field is cut off, BadValue if octets are left over
    (one octet after the items of 1997 is the meter's status).
    """
    found: list[Slot] = []
    at, number, last = 0, 0, -1
    for code, fields in kind.members(di):
        if last >= 0 and at == size:
            break
        number, last = number if code == last else 0, code
        for field in fields:
            layout = field.layout
            length = layout.size or size - at
            if at + length > size:
                left = f"{field.quantity} wants {length} octets, {size - at} are left"
                raise Truncated(f"{di:0{2 * kind.di_size}x}: {left}")
            address = f"{code:0{2 * kind.di_size}x}" + (f".{number}" if number else "")
            found.append(Slot(at, layout, _register(meter, field, layout, address)))
            at, number = at + length, number + 1
    if last < 0:
        raise Unsupported(f"identifier {di:0{2 * kind.di_size}x} has no rule")
    if (
        len(found) == 1 and di >> 24 == 2 and size - at == 1 and not found[0].layout.signed
    ):  # some makers send a voltage in three octets
        found[0] = replace(found[0], layout=replace(found[0].layout, size=size))
        at = size
    if size - at > (1 if kind is E1997 else 0):
        raise BadValue(f"{di:0{2 * kind.di_size}x}: {size - at} octets more than the item has")
    return found, size - at


def _register(meter: str, field: items.Field, layout: Format, address: str) -> Register:
    return Register(
        meter,
        field.obis,
        field.quantity,
        field.unit,
        -layout.decimals,
        field.storage,
        field.tariff,
        field.subunit,
        field.function,
        address,
    )


def readings(
    kind: Edition,
    meter: str,
    di: int,
    payload: bytes,
    received: datetime | None = None,
    utc_offset: int | None = None,
) -> tuple[Reading, ...]:
    """The readings of the whole payload of `di`; `utc_offset` (minutes) is that of the meter's clock, if known.

    Raises what `slots` raises.
    """
    if kind is E2007 and di >> 24 == 0x06:
        return tuple(load.readings(meter, payload, received))
    places, over = slots(kind, meter, di, len(payload))
    status = payload[-1] if over else None
    found: list[Reading] = []
    for slot in places:
        octets = payload[slot.at : slot.at + slot.layout.size] if slot.layout.size else payload[slot.at :]
        value, raw, reason = slot.layout.decode(octets)
        quality = Quality.GOOD if reason is None else Quality.ABSENT if reason in (NULL, SECRET) else Quality.BAD
        reading = Reading(slot.register, value, raw, None, received, status, quality, reason=reason)
        if slot.register.quantity == "time_point" and found and utc_offset is not None and isinstance(value, str):
            found[-1] = _at(found[-1], value, utc_offset)
        found.append(reading)
    return tuple(found)


def _at(reading: Reading, text: str, utc_offset: int) -> Reading:
    """The reading with the instant that the meter's own clock showed."""
    local = datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(minutes=utc_offset)))
    if reading.register.function is not Function.MAXIMUM:
        return reading
    return replace(reading, meter_time=local.astimezone(UTC), time_quality=TimeQuality.UNCHECKED)


def payload_of(frame: Frame) -> tuple[int, bytes]:
    """As `split`, but BadValue where there is no identifier."""
    if parts := split(frame):
        return parts
    raise BadValue(f"control {frame.control:02x} carries no identifier")


class Assembler:
    """Joins a reply and its follow-up frames (control B1, B2 ...).

    Follow-ups of 1997 carry no sequence number, so whether one was lost only the reader knows who asked for each:
    `in_order` says so; else they are Unsupported.
    """

    LIMIT = 64 << 10
    """Most octets of one joined payload: 255 frames of 255 octets."""

    def __init__(self, in_order: bool = False) -> None:
        self._in_order = in_order
        self._address = ""
        self._di = -1
        self._seq = 0
        self._parts = b""

    def add(self, frame: Frame) -> tuple[int, bytes] | None:
        """`(identifier, payload)` once the last part is there, None before. DecodeError if a part is missing."""
        di, payload = payload_of(frame)
        kind = edition(frame)
        if kind is E1997 and not self._in_order and (frame.function == kind.follow or frame.control & FOLLOWS):
            raise Unsupported("frames of 1997 in several parts, which carry no number, were only overheard")
        if frame.function == kind.follow:
            payload = self._joined(frame, di, payload)
        self._parts = b""
        if not frame.control & FOLLOWS:
            self._di = -1
            return di, payload
        self._address, self._di, self._parts = frame.address, di, payload[: self.LIMIT]
        self._seq = self._seq + 1 if frame.function == kind.follow else 1
        return None

    def reset(self) -> None:
        """Forget what was begun."""
        self._di, self._parts = -1, b""

    def _joined(self, frame: Frame, di: int, payload: bytes) -> bytes:
        seq = frame.data[-1] if frame.function == 0x12 else self._seq
        if (self._address, self._di, self._seq & 0xFF) != (frame.address, di, seq):
            self._di = -1
            raise Truncated(f"{di:x}: a follow-up frame without the frames before it")
        return self._parts + payload


def whole(kind: Edition, frame: Frame, assembler: Assembler) -> tuple[int, bytes] | DecodeError | None:
    """The payload that `frame` completes, None if it is no read reply or more is to come, or what is wrong with it."""
    if not frame.from_meter or frame.function not in (kind.read, kind.follow, 0x03) or frame.control & FAILED:
        return None
    try:
        return assembler.add(frame)
    except DecodeError as error:
        return error
