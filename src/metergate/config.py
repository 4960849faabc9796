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
from metergate.gateway.settings import Mqtt, Settings
from metergate.links import check_address
from metergate.links.mqtt import BrokerAddress
from metergate.meters.map import load_maps
from metergate.meters.options import BROADCAST, EVENTS, check_key, check_key_name, check_option
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
    yield ("log",), partial(_known, settings.log, lambda: LEVELS, "level of the log")
    if settings.mqtt:
        mqtt = settings.mqtt
        yield ("mqtt", "url"), partial(_reachable, mqtt)
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
            yield (*where, "key_file"), partial(_key, line.protocol, "", meter.key_file)
            for name, path in meter.key_files.items():
                yield (*where, "key_files", name), partial(check_key_name, line.protocol, name)
                yield (*where, "key_files", name), partial(_key, line.protocol, name, path)
            if line.protocol in MAPPED and not line.options.get("map"):
                yield where, partial(_mapped, meter.id, meter.map)
            if meter.map:
                yield (*where, "map"), partial(_map, meter.map, line.protocol)


def _able(protocol: str, name: str, able: Iterable[str]) -> None:
    if protocol not in able:
        raise ConfigError(f"{name}: {protocol} has no such thing; it is for {', '.join(able)}")


LEVELS = ("debug", "info", "warning", "error")
"""How much the log tells."""
MAPPED = ("modbus", "modbus-tcp")
"""Protocols whose meters tell nothing of their values, so that each needs a map."""


def _mapped(meter: str, name: str) -> None:
    if not name:
        raise ConfigError(f"meter {meter}: which model is it? Give map = as `metergate meters list` shows")


def _protocol(name: str) -> None:
    if protocol(name) is None:
        _known(name, protocols, "protocol")


def _map(name: str, protocol: str) -> None:
    maps = load_maps()
    if name not in maps:
        fitting = [each for each, one in maps.items() if one.protocol.partition("-")[0] == protocol.partition("-")[0]]
        _known(name, lambda: fitting or maps, "map")
    elif protocol in MAPPED and maps[name].protocol not in MAPPED:
        raise ConfigError(f"map {name!r} is of a meter that speaks {maps[name].protocol}")


def _reachable(mqtt: Mqtt) -> None:
    address = BrokerAddress.parse(mqtt.url)
    if not (address.tls or address.local or mqtt.plain):
        raise ConfigError(f"{address} is another machine: use mqtts://, or allow it unencrypted with plain = true")


def _known(name: str, names: Callable[[], Iterable[str]], what: str) -> None:
    there = list(names())
    if name not in there:
        near = get_close_matches(name, there, 1) or get_close_matches(name.lower(), there, 1)
        more = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(there)}"
        raise ConfigError(f"unknown {what} {name!r}; {more}")


def _zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"timezone {name!r} is not known: write one as Europe/Berlin") from None


def _key(protocol: str, name: str, path: Path | None) -> None:
    """A file with a key that can be one; what is in there is never told."""
    if path is None:
        return
    _file(path)
    try:
        key = bytes.fromhex("".join(path.read_text("utf-8").split()))
    except ValueError:
        raise ConfigError(f"{path}: no key: the file has to hold its hex digits and nothing else") from None
    try:
        check_key(protocol, name, key)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def notes(settings: Settings) -> Iterator[str]:
    """What is right as a setting, but probably not what somebody wanted."""
    from metergate.meters.pollers import POLLERS

    if not settings.line:
        yield "no [[line]]: nothing is read"
    if not settings.mqtt:
        yield "no [mqtt]: nothing is published"
    seen: dict[str, str] = {}
    for line in settings.line:
        port = Path(line.url.partition("?")[0])
        if line.url.startswith("/dev/") and not port.exists():
            yield f"{line.url}: there is no such port at the moment"
        if line.protocol in POLLERS and not line.meter:
            yield f"{line.url}: meters of {line.protocol} have to be asked: list them as [[line.meter]]"
        for meter in line.meter:
            if meter.id and seen.setdefault(meter.id, line.url) != line.url:
                yield f"meter {meter.id} is listed on {seen[meter.id]} and on {line.url}: both count as one meter"


def _file(path: Path | None) -> None:
    if path is None:
        return
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
