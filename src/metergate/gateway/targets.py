"""A line's meters as those want them who talk to them: targets to be asked, keys to be listened with."""

from __future__ import annotations

from metergate.gateway.settings import Line, Meter
from metergate.meters.pollers import Target, read_key

UNNAMED = "key"
"""Name of the key of a line's only meter."""


def target(meter: Meter) -> Target:
    """What a poller has to know of a meter. ConfigError for a file that holds no key."""
    key = read_key(meter.key_file) if meter.key_file else None
    keys = {name: read_key(path) for name, path in meter.key_files.items()}
    return Target(meter.id, meter.address or meter.id, key, meter.registers, meter.map, keys)


def listening_keys(line: Line) -> dict[str, bytes]:
    """Keys by meter id for a line that is listened to; `key` for an unnamed meter.

    Of several meters, encryption and authentication key stand one behind the other; those of a line's only meter go by
    their own names. ConfigError.
    """
    keys = {meter.id or UNNAMED: read_key(meter.key_file) for meter in line.meter if meter.key_file}
    for meter in line.meter:
        named = {name: read_key(path) for name, path in meter.key_files.items()}
        if len(line.meter) == 1:
            keys |= named
        elif "encryption" in named:
            keys[meter.id] = named["encryption"] + named.get("authentication", b"")
    return keys
