"""Radio sticks on a serial port: `stick://im871a/dev/ttyUSB0?mode=T1`. What they say is for the receiver to know."""

from __future__ import annotations

from dataclasses import replace

from metergate.errors import ConfigError
from metergate.links.address import Address, nearest
from metergate.links.descriptor import DescriptorLink
from metergate.links.serial import open_serial
from metergate.links.transport import TransportLink

BAUDS = {"im871a": "57600", "amb8465": "9600", "cul": "38400"}
"""The usual speed of each stick, 8N1."""
SETTINGS = ("baud", "format", "gather", "mode")
TEXT = ("pipe", "stdin")
"""Schemes of programs, which write telegrams as text."""


async def open_stick(address: Address) -> DescriptorLink | TransportLink:
    """The serial port with the stick's usual speed, where the address gives none."""
    address.needs(host=True, path=True, example="stick://im871a/dev/ttyUSB0")
    if address.host not in BAUDS:
        raise ConfigError(f"{address.name}: unknown stick {address.host!r}; {nearest(address.host, BAUDS)}")
    settings = {name: value for name, value in address.settings.items() if name != "mode"}
    return await open_serial(replace(address, settings={"baud": BAUDS[address.host]} | settings))


def is_stick(url: str) -> bool:
    """Whether nothing but a radio stick is at this address."""
    return Address.parse(url).scheme == "stick"


def stick_options(url: str) -> dict[str, object]:
    """What a radio receiver has to know of the line behind an address: `stick` and `stick_mode`, where it has any."""
    address = Address.parse(url)
    if address.scheme == "stick":
        return {"stick": address.host, "stick_mode": address.settings.get("mode", "T1")}
    return {"stick": "lines"} if address.scheme in TEXT else {}
