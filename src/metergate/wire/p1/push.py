"""The meter's side: telegrams as meters of each version and country push them.

A `Style` says what a kind of meter sends and how; the pattern of a value gives its digits: `000000.000*kWh`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metergate.errors import BadValue
from metergate.wire.p1.frame import Frame, Line
from metergate.wire.p1.moments import CENTRAL_EUROPE, stamp


@dataclass(frozen=True, slots=True)
class Style:
    """How a kind of meter writes. `version`: code and value of the version object; `serial`: code of the equipment id;
    `stamped`: tells the time; `rows`: patterns by code, in order; `gas`: code of an M-Bus device's value; `winter`:
    minutes east of Greenwich; `every` seconds; `device_every` seconds between values of M-Bus devices."""

    identification: str
    rows: Mapping[str, str]
    version: tuple[str, str] | None = None
    serial: str | None = "0-0:96.1.1"
    stamped: bool = True
    checked: bool = True
    gas: str | None = "24.2.1"
    sealed: bool = False
    winter: int = CENTRAL_EUROPE
    every: int = 10
    device_every: int = 3600


@dataclass(frozen=True, slots=True)
class Device:
    """An M-Bus device at the meter: channel, type (3 gas, 4 heat, 7 water), id, and its last value."""

    channel: int
    kind: int
    id: str
    value: Decimal
    time: datetime
    unit: str = "m3"


def _energy(pattern: str, *codes: str) -> dict[str, str]:
    return {f"1-0:{code}": pattern for code in codes}


_TARIFFS = ("1.8.1", "1.8.2", "2.8.1", "2.8.2")
_TOTALS = ("1.8.0", "2.8.0")
_KWH6, _KWH8, _KW2, _KW4 = "000000.000*kWh", "00000000.000*kWh", "00.000*kW", "0000.000*kW"
_TARIFF = {"0-0:96.14.0": "0000"}
_FAILURES = {"0-0:96.7.21": "00000", "0-0:96.7.9": "00000"}
_L1 = {**_energy(_KW2, "21.7.0", "22.7.0")}
_V2 = {**_energy("00000.000*kWh", *_TARIFFS), **_TARIFF, **_energy("0000.00*kW", "1.7.0", "2.7.0")}
_V2 |= {"0-0:17.0.0": "000*A", "0-0:96.3.10": "0"}
_V4 = {**_energy(_KWH6, *_TARIFFS), **_TARIFF, **_energy(_KW2, "1.7.0", "2.7.0"), **_FAILURES}
_V4_PHASE = {"1-0:31.7.0": "000*A", **_L1}
_V5 = _V4 | {"1-0:32.7.0": "000.0*V", **_V4_PHASE}
_SE = {**_energy(_KWH8, *_TOTALS), **_energy(_KW4, "1.7.0", "2.7.0", "21.7.0", "22.7.0")}
_SE |= {"1-0:32.7.0": "000.0*V", "1-0:31.7.0": "000.0*A"}
_BE = {**_energy(_KWH6, *_TARIFFS), **_TARIFF, **_energy(_KW2, "1.7.0", "2.7.0", "21.7.0", "22.7.0")}
_BE |= {"1-0:32.7.0": "000.0*V", "1-0:31.7.0": "000.00*A", "0-0:96.3.10": "0", "0-0:17.0.0": "000.0*kW"}
_LU = {**_energy(_KWH6, *_TOTALS), **_energy(_KW2, "1.7.0", "2.7.0"), "0-0:17.0.0": "000.0*kVA", "0-0:96.3.10": "0"}
_LU |= {"1-0:32.7.0": "000.0*V", "1-0:31.7.0": "000*A", **_L1}
_HU = {**_TARIFF, "0-0:96.3.10": "0", "0-0:17.0.0": "00.000*kW"}
_HU |= {**_energy(_KWH6, "1.8.0", "1.8.1", "1.8.2", "2.8.0", "2.8.1", "2.8.2"), "1-0:32.7.0": "000.0*V"}
_HU |= {"1-0:31.7.0": "000*A", "1-0:14.7.0": "00.00*Hz", **_energy(_KW2, "1.7.0", "2.7.0")}
_AT = _energy("000000000*Wh", "1.8.0", "1.8.1", "1.8.2") | _energy("000000000*W", "1.7.0")
_AT |= _energy("000000000*Wh", "2.8.0", "2.8.1", "2.8.2") | _energy("000000000*W", "2.7.0")
_IE = {**_energy(_KWH6, *_TARIFFS), **_TARIFF, **_energy(_KW2, "1.7.0", "2.7.0", "21.7.0", "22.7.0")}
_IE |= {"1-0:32.7.0": "000.0*V", "1-0:31.7.0": "000*A", "0-0:96.3.10": "0"}
_Q3D = {"1-0:1.8.0*255": "00000000.0000*kWh", "1-0:21.7.0*255": "000000.00*W", "1-0:1.7.0*255": "000000.00*W"}
_DSMR = ("1-3:0.2.8", "50")

STYLES: dict[str, Style] = {
    "2.2": Style("MGT5\\2P1-22", _V2, stamped=False, checked=False, gas="24.3.0"),
    "3": Style("MGT5\\2P1-30", _V2, stamped=False, checked=False, gas="24.3.0"),
    "4": Style("MGT5\\2P1-42", _V4 | _V4_PHASE, ("1-3:0.2.8", "42")),
    "5": Style("MGT5\\2P1-50", _V5, _DSMR, every=1, device_every=300),
    "belgium": Style("FLU5\\2MGT-P1", _BE, ("0-0:96.1.4", "50217"), gas="24.2.3", every=1, device_every=300),
    "luxembourg": Style("Lux5\\2MGT-P1", _LU, ("1-3:0.2.8", "42"), sealed=True),
    "sweden": Style("MGT5\\2P1-SE", _SE, serial=None, gas=None),
    "hungary": Style("MGT5P1-HU", _HU, serial="0-0:96.1.0", gas=None),
    "austria": Style("EST5\\2MGT-P1", _AT, _DSMR, serial=None, gas=None, sealed=True),
    "easymeter": Style("MGT5Q3D V1.0", _Q3D, serial="0-0:96.1.255*255", stamped=False, checked=False, gas=None),
    "ireland": Style("MGT5\\2P1-IE", _IE, gas=None, winter=0),
}
"""Styles by version of the Netherlands, or by country; 2.2 and 3 are alike in what is sent."""


def written(pattern: str, value: Decimal) -> str:
    """A value in the digits of a pattern, cut and not rounded, as a counter shows it. BadValue if it does not fit."""
    digits, star, unit = pattern.partition("*")
    places = len(digits.partition(".")[2])
    whole = int(value.scaleb(places))
    text = f"{abs(whole) if places else whole:0{len(digits) - bool(places)}d}"
    text = f"{text[:-places]}.{text[-places:]}" if places else text
    if len(text) > len(digits) or value < 0:
        raise BadValue(f"{value} does not fit the pattern {pattern}")
    return f"{text}{star}{unit}"


def telegram(
    style: Style, values: Mapping[str, Decimal], now: datetime, serial: str = "", devices: Iterable[Device] = ()
) -> Frame:
    """The telegram of a meter with the printed number `serial` at the instant `now`.

    `values` by code; what the style does not send is left out, and what is missing in `values` too.
    """
    lines = [Line(style.version[0], (style.version[1],))] if style.version else []
    if style.stamped:
        lines.append(Line("0-0:1.0.0", (stamp(now, style.winter),)))
    if style.serial:
        hexed = style.serial != "0-0:96.1.255*255"
        lines.append(Line(style.serial, (serial.encode("ascii", "replace").hex().upper() if hexed else serial,)))
    for code, pattern in style.rows.items():
        if (value := values.get(code.partition("*")[0])) is not None:
            lines.append(Line(code, (written(pattern, value),)))
    lines += [line for device in devices if style.gas for line in _device(style, device)]
    return Frame(style.identification, tuple(lines), style.checked)


def _device(style: Style, device: Device) -> list[Line]:
    old, place = style.gas == "24.3.0", f"0-{device.channel}"
    id_code = f"{place}:96.1.{int(style.gas == '24.2.3')}"
    lines = [
        Line(f"{place}:24.1.0", (f"{device.kind:03d}",)),
        Line(id_code, (device.id.encode("ascii", "replace").hex().upper(),)),
    ]
    when = stamp(device.time, style.winter, letter=not old)
    amount = written("00000.000", device.value)
    if old:
        head = (when, "00", "60", "1", f"{place}:24.2.1", device.unit)
        return [*lines, Line(f"{place}:24.3.0", head), Line("", (amount,))]
    code = "24.2.1" if device.kind != 3 else style.gas
    return [*lines, Line(f"{place}:{code}", (when, f"{amount}*{device.unit}"))]


def spoilt(octets: bytes) -> bytes:
    """A telegram whose check sum is wrong; one without stays as it is."""
    at = octets.rfind(b"!") + 1
    digits = octets[at : at + 4]
    return octets[:at] + b"%04X" % (int(digits, 16) ^ 0x1021) + octets[at + 4 :] if len(digits.strip()) == 4 else octets
