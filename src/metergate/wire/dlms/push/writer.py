"""The meter's end: lists as makers write them, notifications, and the HDLC frames that carry them.

A list is made of readings: OBIS, value, unit and scaler of each register; the wire's integer is value / 10^scaler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from metergate.errors import BadValue
from metergate.model import Obis, Reading, Unit
from metergate.model.unit import DLMS_CODES
from metergate.wire.dlms import apdu
from metergate.wire.dlms import data as cosem
from metergate.wire.dlms.apdu import DataNotification, GeneralBlockTransfer
from metergate.wire.dlms.data import Data
from metergate.wire.dlms.push.lists import CLOCK, METER, MODEL, POSITIONS, position_scale
from metergate.wire.dlms.push.readings import KAMSTRUP_SCALERS
from metergate.wire.hdlc.address import Address
from metergate.wire.hdlc.frame import RESPONSE, Frame

UI_FINAL = 0x13
INVOKE = 0x40000000
_RANGES = (
    (cosem.u16, 0, 1 << 16, (Unit.V, Unit.HZ)),
    (cosem.i16, -(1 << 15), 1 << 15, (Unit.A,)),
    (cosem.u32, 0, 1 << 32, ()),
    (cosem.i32, -(1 << 31), 1 << 31, ()),
    (cosem.i64, -(1 << 63), 1 << 63, ()),
)
"""Types of numbers, their ranges, and the units that ask for them; without units any may use them."""


def raw(value: Decimal, scaler: int) -> int:
    """The wire's integer of a value. BadValue if it is no whole multiple of 10^scaler."""
    scaled = value.scaleb(-scaler)
    if scaled != scaled.to_integral_value():
        raise BadValue(f"{value} is no multiple of 10^{scaler}")
    return int(scaled)


def number(value: int, unit: Unit | None) -> Data:
    """A number in the type that meters use for its unit, as far as it fits. BadValue past 64 bits."""
    for make, least, end, units in _RANGES:
        if least <= value < end and (not units or unit in units):
            return make(value)
    raise BadValue(f"{value} does not fit 64 bits")


def _value(reading: Reading, scaler: int) -> Data:
    value = reading.value
    if isinstance(value, str):
        return cosem.visible(value)
    if isinstance(value, bytes):
        return cosem.octets(value)
    return cosem.NULL if value is None else number(raw(value, scaler), reading.unit)


def _obis(reading: Reading) -> Data:
    if reading.obis is None:
        raise BadValue("a list holds values with an OBIS code")
    return cosem.octets(reading.obis.octets)


def _scaler_unit(reading: Reading) -> tuple[Data, ...]:
    """Scaler and unit behind a number; nothing behind texts and times."""
    if not isinstance(reading.value, Decimal):
        return ()
    unit = DLMS_CODES[reading.unit] if reading.unit else 255
    return (cosem.structure(cosem.i8(reading.register.scaler), cosem.enum(unit)),)


def self_describing(readings: Iterable[Reading]) -> Data:
    """An array with one structure a value: OBIS, value, scaler and unit (as Aidon writes it)."""
    items = [
        cosem.structure(_obis(reading), _value(reading, reading.register.scaler), *_scaler_unit(reading))
        for reading in readings
    ]
    return cosem.array(*items)


def pairs(name: str, readings: Iterable[Reading]) -> Data:
    """A structure of the list's name and then OBIS and value in turn, without scalers (as Kamstrup writes it)."""
    items = [cosem.visible(name)]
    for reading in readings:
        scaler = KAMSTRUP_SCALERS.get(reading.unit, 0) if reading.unit else 0
        items += [_obis(reading), _value(reading, scaler)]
    return cosem.structure(*items)


def positional(values: Mapping[Obis, Decimal | str | bytes]) -> Data:
    """A structure whose positions tell what stands there (as Kaifa writes it); the texts are octet strings.

    BadValue unless the values are those of one of the known forms (`lists.POSITIONS`).
    """
    codes = POSITIONS.get(len(values), ())
    if {code.octets for code in values} != set(codes):
        raise BadValue(f"no form has these {len(values)} values")
    return cosem.structure(*(_position(code, values[Obis.of(code)]) for code in codes))


def _position(code: bytes, value: Decimal | str | bytes) -> Data:
    if isinstance(value, str):
        return cosem.octets(value.encode())
    if isinstance(value, bytes):
        return cosem.octets(value)
    scaler, _ = position_scale(code) or (0, 0)
    return cosem.u32(raw(value, scaler))


def push_object_list(objects: Sequence[tuple[int, bytes]], values: Sequence[Data]) -> Data:
    """A structure of the list of objects (class and OBIS; attribute 2) and their values in the same order.

    The list's own object comes first in it: class 40, push setup 0.0.25.9.0.255.
    """
    named = [(40, bytes((0, 0, 25, 9, 0, 255))), *objects]
    entries = [cosem.structure(cosem.u16(kind), cosem.octets(obis), cosem.i8(2), cosem.u16(0)) for kind, obis in named]
    return cosem.structure(cosem.array(*entries), *values)


def notification(body: Data, time: bytes = b"", invoke: int = INVOKE, tagged: bool = False) -> bytes:
    """The data-notification of a list; `time`: 12 octets or none, `tagged` as `apdu.DataNotification`."""
    return apdu.encode(DataNotification(invoke, time, body, tagged))


def hdlc_frames(
    octets: bytes, destination: Address | None = None, source: Address | None = None, size: int = 1024
) -> list[bytes]:
    """The UI frames of an APDU behind its LLC header, in segments of at most `size` bytes."""
    to, by = destination or Address(103), source or Address(1, 1)
    held = RESPONSE + octets
    parts = [held[at : at + size] for at in range(0, len(held), size)]
    return [Frame(to, by, UI_FINAL, part, part is not parts[-1]).octets for part in parts]


def mbus_frames(octets: bytes, size: int = 241) -> list[bytes]:
    """The wired M-Bus frames of an APDU, in segments of at most `size` bytes; BadValue for more than 16."""
    parts = [octets[at : at + size] for at in range(0, len(octets), size)]
    if len(parts) > 16:
        raise BadValue(f"{len(parts)} segments of {size} bytes are more than 16")
    return [_mbus_frame(number | (0x10 if part is parts[-1] else 0), part) for number, part in enumerate(parts)]


def _mbus_frame(segment: int, part: bytes) -> bytes:
    held = bytes((0x53, 0xFF, segment, 0x01, 0x67)) + part
    return bytes((0x68, len(held), len(held), 0x68)) + held + bytes((sum(held) & 0xFF, 0x16))


def blocks(octets: bytes, size: int) -> list[bytes]:
    """An APDU as blocks of general block transfer that nobody acknowledges (as Landis+Gyr pushes)."""
    parts = [octets[at : at + size] for at in range(0, len(octets), size)]
    return [
        apdu.encode(GeneralBlockTransfer(0xC0 if part is parts[-1] else 0x40, place, 0, part))
        for place, part in enumerate(parts, 1)
    ]


__all__ = [
    "CLOCK",
    "METER",
    "MODEL",
    "blocks",
    "hdlc_frames",
    "mbus_frames",
    "notification",
    "number",
    "pairs",
    "positional",
    "push_object_list",
    "raw",
    "self_describing",
]
