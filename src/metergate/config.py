"""Configuration files: read, checked as far as that can be done without opening anything, and compared.

A household with one meter that talks by itself is five lines:

    [mqtt]
    url = "mqtt://127.0.0.1"
    [[line]]
    url = "/dev/ttyUSB0"
    protocol = "sml"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from metergate.errors import ConfigError
from metergate.gateway.settings import Settings
from metergate.links import check_address
from metergate.links.mqtt import BrokerAddress
from metergate.meters.map import load_maps
from metergate.meters.options import BROADCAST, EVENTS, check_key_name, check_option
from metergate.toml import Keys, line_of, load
from metergate.wire import protocol, protocols

DEFAULT = Path("/etc/metergate/gateway.toml")


def load_gateway(path: Path = DEFAULT) -> Settings:
    """A gateway's settings. ConfigError with file and line: unknown keys, wrong values, protocols, addresses, maps,
    files of secrets that are not there."""
    settings = load(path, Settings)
    text = path.read_text("utf-8")
    for keys, check in _checks(settings):
        try:
            check()
        except ConfigError as error:
            raise ConfigError(f"{path}:{line_of(text, keys)}: {error}") from None
    return settings


def _checks(settings: Settings) -> Iterator[tuple[Keys, Callable[[], object]]]:
    """What to check, and on which key the blame falls."""
    yield ("timezone",), partial(_zone, settings.timezone)
    if settings.mqtt:
        mqtt = settings.mqtt
        yield ("mqtt", "url"), partial(BrokerAddress.parse, mqtt.url)
        for name in ("password_file", "ca", "cert", "key"):
            yield ("mqtt", name), partial(_file, getattr(mqtt, name))
    if settings.station:
        yield ("station", "key_file"), partial(_file, settings.station.key_file)
    for at, line in enumerate(settings.line):
        yield ("line", at, "protocol"), partial(_protocol, line.protocol)
        yield ("line", at, "url"), partial(check_address, line.url)
        for name, value in line.options.items():
            yield ("line", at, "options", name), partial(check_option, line.protocol, name, value)
        for name, able in (("events", EVENTS), ("broadcast_clock", BROADCAST)):
            if getattr(line, name):
                yield ("line", at, name), partial(_able, line.protocol, name, able)
        for number, meter in enumerate(line.meter):
            where = ("line", at, "meter", number)
            yield (*where, "key_file"), partial(_file, meter.key_file)
            for name, path in meter.key_files.items():
                yield (*where, "key_files", name), partial(check_key_name, line.protocol, name)
                yield (*where, "key_files", name), partial(_file, path)
            if line.protocol in MAPPED and not line.options.get("map"):
                yield where, partial(_mapped, meter.id, meter.map)
            if meter.map:
                yield (*where, "map"), partial(_known, meter.map, load_maps, "map")


def _able(protocol: str, name: str, able: Iterable[str]) -> None:
    if protocol not in able:
        raise ConfigError(f"{name}: {protocol} has no such thing; it is for {', '.join(able)}")


MAPPED = ("modbus", "modbus-tcp")
"""Protocols whose meters tell nothing of their values, so that each needs a map."""


def _mapped(meter: str, name: str) -> None:
    if not name:
        raise ConfigError(f"meter {meter}: which model is it? Give map = as `metergate meters list` shows")


def _protocol(name: str) -> None:
    if protocol(name) is None:
        _known(name, protocols, "protocol")


def _known(name: str, names: Callable[[], Iterable[str]], what: str) -> None:
    there = list(names())
    if name not in there:
        near = get_close_matches(name, there, 1)
        more = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(there)}"
        raise ConfigError(f"unknown {what} {name!r}; {more}")


def _zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"timezone {name!r} is not known: write one as Europe/Berlin") from None


def _file(path: Path | None) -> None:
    if path is None:
        return
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
