"""The three messages of a Glow display, letter by letter as its firmware dialects write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from metergate.errors import ConfigError
from metergate.publish.base import number, stamp

UNKNOWN_POWER = Decimal("-8388.608")
"""0x800000 W: the device's way to say that power is not known."""
NO_SUPPLIER = "---"
_MILLI = Decimal("0.001")
_WORDS = ("STATE", "electricitymeter", "gasmeter")


@dataclass(frozen=True, slots=True)
class Dialect:
    """A firmware's way of writing: its name in STATE, the keys of STATE in order, and whether gas has volumes."""

    software: str
    hardware: str
    state: tuple[str, ...]
    volumes: bool


_NEW_STATE = ("timestamp", "software", "hardware", "wifistamac", "smetsversion", "eui", "zigbee", "han")
DIALECTS: Mapping[str, Dialect] = {
    "v2.0": Dialect("v2.0.2", "GLOW-IHD-02-1v4-SMETS2", _NEW_STATE, True),
    "v1.8.13": Dialect(
        "v1.8.13",
        "GLOW-IHD-01-1v4-SMETS2",
        ("software", "timestamp", "hardware", "ethmac", "wifistamac", "smetsversion", "eui", "zigbee", "han"),
        True,
    ),
    "v1.8.12": Dialect(
        "v1.8.12",
        "GLOW-IHD-01-1v4-SMETS2",
        ("software", "timestamp", "hardware", "ethmac", "smetsversion", "eui", "zigbee", "han"),
        False,
    ),
}


@dataclass(frozen=True, slots=True)
class Supply:
    """Who supplies a meter point, and at which price per kWh and per day."""

    mpxn: str
    unit_rate: Decimal
    standing_charge: Decimal
    supplier: str = NO_SUPPLIER


@dataclass(frozen=True, slots=True)
class Consumption:
    """kWh imported: the register, and since the meter's day, week and month began."""

    time: datetime
    cumulative: Decimal
    day: Decimal
    week: Decimal
    month: Decimal


def check_prefix(prefix: str) -> str:
    """A topic prefix that clients of the display can live with; ConfigError with the reason."""
    return _check_level("prefix", prefix)


def check_device(device: str) -> str:
    """The display's id: twelve upper-case hex digits. ConfigError if it is none."""
    if len(device) != 12 or not set(device) <= set("0123456789ABCDEF"):
        raise ConfigError(f"glow id {device!r}: twelve digits of 0-9 and A-F, the MAC without colons")
    return _check_level("id", device)


def _check_level(what: str, text: str) -> str:
    if not text or any(sign in text for sign in "+#\0") or any(word in text for word in _WORDS):
        raise ConfigError(f"glow {what} {text!r}: not empty, no + # or NUL, and none of {', '.join(_WORDS)}")
    return text


def state(dialect: Dialect, device: str, now: datetime, rssi: int, lqi: int) -> bytes:
    """`<prefix>/<id>/STATE`: the display's health."""
    halves = device[:6], device[6:]
    eui = "FFFE".join(halves)
    fields = {
        "timestamp": stamp(now),
        "software": dialect.software,
        "hardware": dialect.hardware,
        "ethmac": device,
        "wifistamac": device,
        "smetsversion": "SMETS2",
        "eui": ":".join(eui[at : at + 2] for at in range(0, 16, 2)),
        "zigbee": "1.2.5",
        "han": {"rssi": rssi, "status": "joined", "lqi": lqi},
    }
    return json.dumps({key: fields[key] for key in dialect.state}, separators=(",", ":")).encode()


def electricity(use: Consumption, export: Decimal, power: Decimal | None, supply: Supply) -> bytes:
    """`.../SENSOR/electricitymeter`. kWh and kW with three decimals; unknown power is the device's own sign for it."""
    return (
        f'{{"electricitymeter":{{"timestamp":"{stamp(use.time)}","energy":{{{_export(export)},'
        f'"import":{{{_amounts(use)},"mpan":{json.dumps(supply.mpxn)},{_price(supply)}}}}},'
        f"{_power(UNKNOWN_POWER if power is None else power)}}}}}"
    ).encode()


def gas(dialect: Dialect, use: Consumption, volume: Decimal | None, supply: Supply) -> bytes:
    """`.../SENSOR/gasmeter`. Day, week and month "volumes" are kWh, as the device has it; only the register is m3."""
    if not dialect.volumes:
        return (
            f'{{"gasmeter":{{"timestamp":"{stamp(use.time)}","energy":{{{_export(Decimal(0))},'
            f'"import":{{{_amounts(use)},"mprn":{json.dumps(supply.mpxn)},{_price(supply)}}}}},{_power(UNKNOWN_POWER)}}}}}'
        ).encode()
    assert volume is not None
    volumes = (
        f'"cumulativevol":{_three(volume)},"cumulativevolunits":"m3","dayvol":{_three(use.day)},'
        f'"weekvol":{_three(use.week)},"monthvol":{_three(use.month)},"dayweekmonthvolunits":"kWh"'
    )
    return (
        f'{{"gasmeter":{{"timestamp":"{stamp(use.time)}","energy":{{"import":{{{_amounts(use)},{volumes},'
        f'"mprn":{json.dumps(supply.mpxn)},{_price(supply)}}}}}}}}}'
    ).encode()


def _amounts(use: Consumption) -> str:
    return (
        f'"cumulative":{_three(use.cumulative)},"day":{_three(use.day)},"week":{_three(use.week)},'
        f'"month":{_three(use.month)},"units":"kWh"'
    )


def _export(export: Decimal) -> str:
    return f'"export":{{"cumulative":{_three(export)},"units":"kWh"}}'


def _price(supply: Supply) -> str:
    return (
        f'"supplier":{json.dumps(supply.supplier)},"price":{{"unitrate":{number(supply.unit_rate)},'
        f'"standingcharge":{number(supply.standing_charge)}}}'
    )


def _power(power: Decimal) -> str:
    return f'"power":{{"value":{_three(power)},"units":"kW"}}'


def _three(value: Decimal) -> str:
    return f"{value.quantize(_MILLI):f}"
