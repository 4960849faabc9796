"""Simulated meters with a P1 port: every version and country of `wire.p1.STYLES`.

Of a `MeterSpec`, `kind` names the style: the Dutch version (2, 3, 4, 5; 0 is 5) or a country by its telephone code (49:
EasyMeter). `key` encrypts; `mode` n spoils the check sum of every n-th telegram.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from metergate.errors import ConfigError
from metergate.model import Obis
from metergate.sim.meters.base import Frames, installed, source
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.p1.push import STYLES, Device, Style, spoilt, telegram
from metergate.wire.p1.sealed import seal_telegram

KINDS = {
    0: "5",
    2: "2.2",
    3: "3",
    4: "4",
    5: "5",
    32: "belgium",
    36: "hungary",
    43: "austria",
    46: "sweden",
    49: "easymeter",
    352: "luxembourg",
    353: "ireland",
}
"""Style by `MeterSpec.kind`."""
TITLE = b"MGT\x00\x00\x00\x00\x01"
"""System title of encrypted telegrams."""
GAS = 3
_SHOWN = ("1.7.0", "2.7.0", "32.7.0", "31.7.0", "14.7.0")
_PER_UNIT = {"austria": 1000, "easymeter": 1000}
"""Some write watts: what kilowatts are multiplied with."""


def pusher(spec: MeterSpec, bank: Bank) -> Frames:
    """The meter as it pushes by itself."""
    if spec.kind not in KINDS:
        raise ConfigError(f"meter {spec.id}: kind {spec.kind} of p1: there are {', '.join(map(str, KINDS))}")
    name = KINDS[spec.kind]
    style, show, since, number = STYLES[name], source(spec, bank), installed(bank), count(1)
    key = bytes.fromhex(spec.key) if spec.key else b""

    def frames(now: datetime) -> list[bytes]:
        octets = telegram(style, values(name, show, now), now, spec.id, devices(spec.id, style, show, now)).encode()
        turn = next(number)
        octets = spoilt(octets) if spec.mode and turn % spec.mode == 0 else octets
        counter = max(int((now - since).total_seconds()), 0) + turn
        return [seal_telegram(octets, key, TITLE, counter) if key else octets]

    return frames


def values(name: str, show: HouseholdSource, now: datetime) -> dict[str, Decimal]:
    """What the meter of a style shows, by code: kWh and kW, or Wh and W where it writes those."""
    found = {f"1-0:{code}": show(Obis.parse(f"1-0:{code}"), now) for code in _SHOWN}
    for code in ("1.8", "2.8"):
        found |= _tariffs(code, show(Obis.parse(f"1-0:{code}.0"), now))
    found["1-0:21.7.0"], found["1-0:22.7.0"] = found["1-0:1.7.0"], found["1-0:2.7.0"]
    factor = _PER_UNIT.get(name, 1)
    watts = {code for code in found if ".8." in code or (code.endswith(("1.7.0", "2.7.0")) and code[4:5] in "12")}
    shown = {code: value * factor if code in watts else value for code, value in found.items() if value is not None}
    if name == "easymeter":
        shown["1-0:1.8.0"] /= factor
    more = {"0-0:96.14.0": _tariff(now), "0-0:96.7.21": 3, "0-0:96.7.9": 1, "0-0:96.3.10": 1, "0-0:17.0.0": 25}
    return shown | {code: Decimal(value) for code, value in more.items()}


def _tariff(now: datetime) -> int:
    return 1 if now.hour >= 22 or now.hour < 6 else 2


def _tariffs(code: str, total: Decimal | None) -> dict[str, Decimal | None]:
    """A total and its two tariff registers, in thousandths: they add up, and neither ever falls."""
    if total is None:
        return {}
    whole = int(total * 1000)
    first = whole * 2 // 5
    parts = {f"1-0:{code}.0": whole, f"1-0:{code}.1": first, f"1-0:{code}.2": whole - first}
    return {name: Decimal(part).scaleb(-3) for name, part in parts.items()}


def devices(meter: str, style: Style, show: HouseholdSource, now: datetime) -> list[Device]:
    """The gas meter on channel 1, whose value is read by the hour, or every 5 minutes."""
    step = style.device_every
    read = now - timedelta(seconds=now.timestamp() % step)
    gas = show(Obis.parse("7-0:3.0.0"), read)
    return [Device(1, GAS, f"G{meter}", gas, read)] if gas is not None else []
