"""Zigbee Smart Energy attributes as the older Glow cloud message carries them: JSON over MQTT, values as hex strings.

`elecMtr|gasMtr` -> cluster -> attribute set -> attribute (Zigbee Smart Energy 1.4, metering cluster 0702). One message
tells of both meters. `decode` makes readings of it, `encode` a message as a display sends it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import Any

from metergate.errors import BadValue
from metergate.model import Function, Medium, MeterIdentity, Obis, Quality, Reading, Register, TimeQuality, Unit

LIMIT = 16 * 1024
"""Bytes of the longest message."""
EPOCHS = {"unix": datetime(1970, 1, 1, tzinfo=UTC), "zigbee": datetime(2000, 1, 1, tzinfo=UTC)}
"""What `time` counts from: Unix in the messages that were seen, 2000 in Zigbee itself."""
METERS = {"elecMtr": Medium.ELECTRICITY, "gasMtr": Medium.GAS}
_UNITS = {0: Unit.KWH, 1: Unit.M3}
_POWERS = {Unit.KWH: Unit.KW, Unit.M3: Unit.M3_PER_H}
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
_PERIODS = {"01": "day", "30": "week", "40": "month"}
SUPPLY = {0: "off", 1: "armed", 2: "on"}
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute that is a value: set and number, OBIS code by medium, what it counts, and its width in hex digits.

    `energy`: in the meter's own unit; else in kWh (gas in its alternative unit) or, of a demand, the unit per hour.
    """

    group: str
    number: str
    quantity: str
    electricity: str | None = None
    gas: str | None = None
    digits: int = 12
    kind: str = "volume"


ATTRIBUTES = (
    Attribute("00", "00", "import", "1-0:1.8.0", "7-0:3.0.0"),
    Attribute("00", "01", "export", "1-0:2.8.0"),
    Attribute("00", "02", "maximum_demand", "1-0:1.6.0", kind="demand"),
    Attribute("04", "00", "demand", "1-0:16.7.0", None, 8, "demand"),
    *(Attribute("04", number, f"import_{period}", digits=6) for number, period in _PERIODS.items()),
    *(Attribute("0C", number, f"energy_{period}", digits=6, kind="alternative") for number, period in _PERIODS.items()),
)
"""What cluster 0702 tells, in the order in which it is given."""


def decode(payload: bytes | str, epoch: str = "unix", at: datetime | None = None) -> tuple[Reading, ...]:
    """The readings of a message, heard at `at`. Values are exact: hex x multiplier / divisor.

    A meter whose set 03 is missing, or whose divisor is 0, is absent; all bits set, or the least signed number, mean
    that the meter has no such value. BadValue where the message is none.
    """
    message = _message(payload)
    time, quality = _time(message, epoch, at)
    found = (reading for name in METERS for reading in _meter(name, message.get(name)))
    return tuple(replace(reading, meter_time=time, time_quality=quality, received=at) for reading in found)


def _message(payload: bytes | str) -> Json:
    if len(payload) > LIMIT:
        raise BadValue(f"{len(payload)} bytes are more than {LIMIT} in one message")
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        raise BadValue("the message is no JSON") from None
    if not isinstance(message, dict):
        raise BadValue("the message is no JSON object")
    if not any(isinstance(message.get(name), dict) for name in METERS):
        raise BadValue(f"the message tells of no meter: neither {' nor '.join(METERS)}")
    return message


def _time(message: Json, epoch: str, at: datetime | None) -> tuple[datetime | None, TimeQuality]:
    if epoch not in EPOCHS:
        raise BadValue(f"epoch {epoch!r}: there are {', '.join(EPOCHS)}")
    seconds = _number(message.get("time"), 8)
    if seconds is None:
        return None, TimeQuality.NONE
    time = EPOCHS[epoch] + timedelta(seconds=seconds)
    doubtful = time.year < 2015 or (at is not None and time > at + timedelta(seconds=60))
    return time, TimeQuality.DOUBTFUL if doubtful else TimeQuality.UNCHECKED


def _number(text: object, digits: int, signed: bool = False) -> int | None:
    """A hex attribute; None where it is missing, no hexadecimal, or the value that means there is none."""
    if not isinstance(text, str) or not 0 < len(text) <= 16 or not all(sign in _HEX for sign in text):
        return None
    value, bits = int(text, 16), 4 * len(text)
    if not signed:
        return None if len(text) >= digits and value == (1 << bits) - 1 else value
    if value >> (bits - 1):
        value -= 1 << bits
    return None if value == -1 << (bits - 1) else value


_HEX = frozenset("0123456789abcdefABCDEF")


def _set(meter: object, cluster: str, group: str) -> Json:
    """An attribute set; empty where it is missing."""
    for name in (cluster, group):
        meter = meter.get(name) if isinstance(meter, dict) else None
    return meter if isinstance(meter, dict) else {}


@dataclass(frozen=True, slots=True)
class Scale:
    """Set 03: how a meter counts, and who it is."""

    unit: Unit
    multiplier: int
    divisor: int
    identity: MeterIdentity

    @property
    def places(self) -> int | None:
        """Digits behind the point, where the divisor is a power of ten."""
        text = str(self.divisor)
        return len(text) - 1 if text.strip("0") == "1" and self.multiplier == 1 else None

    def value(self, raw: int) -> Decimal | None:
        """raw x multiplier / divisor; None where that has no end in decimals."""
        if self.places is not None:
            return Decimal(raw).scaleb(-self.places, _EXACT)
        try:
            return _EXACT.divide(Decimal(raw * self.multiplier), Decimal(self.divisor))
        except DecimalException:
            return None


def scale_of(name: str, meter: object) -> Scale | None:
    """The scale of a meter; None where it is absent."""
    form = _set(meter, "0702", "03")
    unit, multiplier, divisor = (_number(form.get(number), 8) for number in ("00", "01", "02"))
    if unit not in _UNITS or multiplier is None or not divisor:
        return None
    place, serial = form.get("07"), form.get("08")
    number = next((text for text in (place, serial) if isinstance(text, str) and text.strip()), name)
    return Scale(_UNITS[unit], multiplier, divisor, MeterIdentity(number.strip(), None, METERS[name]))


def _meter(name: str, meter: object) -> list[Reading]:
    scale = scale_of(name, meter)
    if scale is None:
        return []
    found = [_reading(one, scale, text) for one in ATTRIBUTES if (text := _text(meter, one)) is not None]
    return found + _texts(scale.identity.id, meter)


def _text(meter: object, one: Attribute) -> str | None:
    text = _set(meter, "0702", one.group).get(one.number)
    return text if isinstance(text, str) and text else None


def _reading(one: Attribute, scale: Scale, text: str) -> Reading:
    code = one.electricity if scale.identity.medium is Medium.ELECTRICITY else one.gas
    unit = {"volume": scale.unit, "demand": _POWERS[scale.unit], "alternative": Unit.KWH}[one.kind]
    function = Function.MAXIMUM if one.quantity == "maximum_demand" else Function.INSTANTANEOUS
    obis = Obis.parse(code) if code else None
    place = Register(
        scale.identity.id, obis, one.quantity, unit, -(scale.places or 0), function=function, address=_address(one)
    )
    raw = _number(text, one.digits, signed=one.quantity == "demand")
    if raw is None:
        return Reading(place, None, reason="not available")
    value = scale.value(raw)
    if value is None:
        return Reading(place, None, raw, quality=Quality.BAD, reason="no exact decimal")
    return Reading(place, value, raw)


def _address(one: Attribute) -> str:
    return f"0702.{one.group}.{one.number}"


def _texts(meter: str, tree: object) -> list[Reading]:
    """Supply state, status bitmap, credit and supplier's name, as far as they are told."""
    found: list[Reading] = []

    def tell(address: str, quantity: str, value: Decimal | str | None, status: int | None = None) -> None:
        if value is not None:
            found.append(Reading(Register(meter, None, quantity, address=address), value, status=status))

    supply = _number(_set(tree, "0702", "00").get("14"), 3)
    tell("0702.00.14", "supply", None if supply is None else SUPPLY.get(supply, str(supply)))
    status = _number(_set(tree, "0702", "02").get("00"), 3)
    tell("0702.02.00", "status", None if status is None else f"{status:02X}", status)
    payment = _set(tree, "0705", "00")
    credit = _number(payment.get("01"), 9, signed=True)
    tell("0705.00.01", "credit", None if credit is None else Decimal(credit))
    supplier = _set(tree, "0708", "01").get("01")
    tell("0708.01.01", "supplier", supplier.strip() or None if isinstance(supplier, str) else None)
    return found


# --- the display's side ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Shown:
    """What a display tells of one meter: its number, and values by `Attribute.quantity`; None: there is none."""

    number: str
    values: Mapping[str, Decimal | None]
    unit: Unit = Unit.KWH
    divisor: int = 1000
    supplier: str = ""
    supply: int = 2


def encode(
    meters: Mapping[str, Shown], time: datetime, gateway: str = "0123456789ABCDEF", epoch: str = "unix"
) -> bytes:
    """The message of a display; `meters` by `elecMtr` and `gasMtr`. BadValue for a value that has no exact hex form."""
    seconds = int((time - EPOCHS[epoch]).total_seconds())
    message: dict[str, Any] = {name: _tree(name, shown) for name, shown in meters.items()}
    message |= {"ts": f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}", "time": f"{seconds:08X}"}
    message |= {"gmtime": int(time.timestamp()), "gid": gateway, "smetsVer": "SMETS2"}
    return json.dumps(message, separators=(",", ":")).encode()


def _tree(name: str, shown: Shown) -> dict[str, Any]:
    unit = next(code for code, unit in _UNITS.items() if unit is shown.unit)
    form = {"00": f"{unit:02X}", "01": f"{1:08X}", "02": f"{shown.divisor:08X}", "03": "2B", "04": "00"}
    form |= {"06": "00" if name == "elecMtr" else "80", "07": shown.number, "08": ""}
    sets: dict[str, dict[str, str]] = {"03": form, "00": {"14": f"{shown.supply:02X}"}, "02": {"00": "00"}}
    for one in ATTRIBUTES:
        if one.quantity in shown.values:
            sets.setdefault(one.group, {})[one.number] = _hex(one, shown.values[one.quantity], shown.divisor)
    return {"0702": sets, "0705": {"00": {"00": "0000"}}, "0708": {"01": {"01": shown.supplier}}}


def _hex(one: Attribute, value: Decimal | None, divisor: int) -> str:
    signed, bits = one.quantity == "demand", 4 * one.digits
    if value is None:
        return f"{1 << (bits - 1):X}" if signed else "F" * one.digits
    raw = value * divisor
    low, high = (-(1 << (bits - 1)) + 1, (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 2)
    if raw != int(raw) or not low <= raw <= high:
        raise BadValue(f"{one.quantity}: {value} cannot be written in {one.digits} hex digits of 1/{divisor}")
    return f"{int(raw) & (1 << bits) - 1:0{one.digits}X}"
