"""How verbs that talk to one meter are told which: the same parameters for all of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from metergate.cli.usage import SHOWN, Protocol, Usage
from metergate.errors import ConfigError

if TYPE_CHECKING:
    from metergate.meters.pollers import Target


@Parameter(name="*")
@dataclass(frozen=True)
class Reach:
    """Which meter, on which line."""

    protocol: Annotated[Protocol, Parameter(help=f"What the meter speaks; {SHOWN}.")]
    address: Annotated[
        str,
        Parameter(help="Its address on the line; of one that speaks by itself its number, or nothing for the first."),
    ] = ""
    key_file: Annotated[
        list[str],
        Parameter(help="A file with the meter's key in hex; `name=file` where there are several, given repeatedly."),
    ] = field(default_factory=list)
    map: Annotated[str, Parameter(help="Its map, where the protocol cannot do without (Modbus).")] = ""
    option: Annotated[
        list[str], Parameter(help="Of the protocol, as `utc_offset=60`; docs/reference/options.md lists them.")
    ] = field(default_factory=list)
    timeout: Annotated[float, Parameter(help="How long to wait, seconds.")] = 30.0

    def target(self, registers: tuple[str, ...] = ()) -> Target:
        """What a poller has to know. ConfigError for files that hold no key and names that are none."""
        from metergate.meters.pollers import Target

        key, keys = keys_of(self.key_file, self.protocol)
        return Target(self.address, self.address, key, registers, self.map, keys)

    def options(self) -> dict[str, Any]:
        """The protocol's options. ConfigError."""
        return options_of(self.option, self.protocol)


def keys_of(words: Iterable[str], protocol: str) -> tuple[bytes | None, dict[str, bytes]]:
    """The key, and further ones by name, from `file` and `name=file`. ConfigError."""
    from metergate.meters.options import check_key, check_key_name
    from metergate.meters.pollers import read_key

    key, keys = None, {}
    for word in words:
        name, equals, path = word.partition("=")
        if equals and "/" not in name and not Path(word).exists():
            check_key_name(protocol, name)
            keys[name] = found = read_key(Path(path))
        else:
            name, path, key = "", word, (found := read_key(Path(word)))
        try:
            check_key(protocol, name, found)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    return key, keys


def options_of(words: Iterable[str], protocol: str) -> dict[str, Any]:
    """Options from `name=value`; a value is a number, true, false or text. ConfigError."""
    from metergate.meters.options import check_option

    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise Usage(f"--option {word}: write name=value")
        found[name] = _value(text)
        check_option(protocol, name, found[name])
    return found


def _value(text: str) -> object:
    try:
        value = tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, int | Decimal | bool | str) else text
