"""TOML files read strictly into frozen dataclasses: every mistake is named with file, line and the likely right word.

A dataclass field is a key; its type says what the value may be: str, int, bool, Decimal, `Seconds`, Path, an Enum (by
value), a class with `parse(text)`, another dataclass (a table), `tuple[X, ...]` (an array) or `dict[str, X]`. Keys are
written with `-` or `_`.
"""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from metergate.errors import ConfigError, DecodeError

T = TypeVar("T")
Keys = tuple[str | int, ...]

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)?\s*")
_FACTORS = {None: 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class Seconds(float):
    """A duration; in a file a number of seconds or text with its unit: `90`, `"15 min"`, `"1 h"`, `"200 ms"`."""

    @staticmethod
    def parse(value: object) -> Seconds:
        """From a number or text; ValueError if it is no duration."""
        found = _DURATION.fullmatch(str(value))
        if found is None or isinstance(value, bool):
            raise ValueError(f"{value!r} is no duration: write seconds, or text as '15 min'")
        return Seconds(float(found[1]) * _FACTORS[found[2]])


class _Mistake(Exception):
    def __init__(self, keys: Keys, text: str) -> None:
        super().__init__(text)
        self.keys = keys


def load(path: Path, kind: type[T]) -> T:
    """The file as `kind`. ConfigError: file missing, not TOML, key unknown or missing, value of the wrong kind."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return loads(text, kind, str(path))


def loads(text: str, kind: type[T], name: str = "<text>") -> T:
    """As `load`, of a text."""
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = found[1] if found else len(text.splitlines())
        raise ConfigError(f"{name}:{line}: no TOML: {str(error).split(' (at')[0]}{_hint(text, int(line))}") from None
    try:
        return _table(table, kind, ())  # type: ignore[no-any-return]
    except _Mistake as error:
        raise ConfigError(f"{name}:{line_of(text, error.keys)}: {error}") from None


def line_of(text: str, keys: Keys) -> int:
    """The line on which `keys` (names and array positions) stand, or the nearest table around them; from 1."""
    lines = _lines(text)
    while keys and keys not in lines:
        keys = keys[:-1]
    return lines.get(keys, 1)


def _hint(text: str, line: int) -> str:
    """What is mostly wrong with a line that is no TOML."""
    wrong = (text.splitlines() or [""])[min(line, len(text.splitlines())) - 1 if text else 0].strip()
    if re.match(r"[\w.-]+\s*=\s*[^\s\"'\[{\d+-]", wrong) or wrong.count('"') % 2:
        return '; text stands in straight quotes, as url = "/dev/ttyUSB0"'
    return "; write key = value" if re.match(r"[\w.-]+\s*:", wrong) else ""


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\-\"']+)\s*=")


def _lines(text: str) -> dict[Keys, int]:
    found: dict[Keys, int] = {(): 1}
    counts: dict[Keys, int] = {}
    table: Keys = ()
    quoted = False
    for number, line in enumerate(text.splitlines(), 1):
        inside, quoted = quoted, quoted ^ bool((line.count('"""') + line.count("'''")) % 2)
        if inside:
            continue
        if header := _HEADER.fullmatch(line):
            table = _enter(header[1] == "[[", _dotted(header[2]), counts)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            for depth in range(1, len(_dotted(key[1])) + 1):
                found.setdefault((*table, *_dotted(key[1])[:depth]), number)
    return found


def _enter(array: bool, names: tuple[str, ...], counts: dict[Keys, int]) -> Keys:
    """Where a `[header]` leads: positions are put in for the arrays of tables on the way."""
    where: Keys = ()
    for name in names[:-1]:
        where = (*where, name)
        where = (*where, counts[where]) if where in counts else where
    where = (*where, names[-1])
    if not array:
        return where
    counts[where] = counts.get(where, -1) + 1
    return (*where, counts[where])


def _dotted(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _table(value: object, kind: Any, keys: Keys) -> Any:
    if not isinstance(value, dict):
        raise _Mistake(keys, f"{_name(keys)} is a table, not {value!r}")
    names = {field.name: field for field in fields(kind) if field.init}
    given = {}
    for key, item in value.items():
        name = key.replace("-", "_")
        if name not in names:
            raise _Mistake((*keys, key), f"unknown key {key!r}{_near(key, names)}")
        given[name] = _value(item, _hints(kind)[name], (*keys, key))
    for name, field in names.items():
        if name not in given and field.default is MISSING and field.default_factory is MISSING:
            raise _Mistake(keys, f"{_name(keys)}: key {name!r} is missing")
    return _built(kind, given, keys)


def _built(kind: Any, given: Mapping[str, object], keys: Keys) -> Any:
    try:
        return kind(**given)
    except (ValueError, DecodeError) as error:
        raise _Mistake(keys, f"{_name(keys)}: {error}") from None


def _name(keys: Keys) -> str:
    return ".".join(str(key) if isinstance(key, str) else str(key + 1) for key in keys) or "the file"


def _near(word: str, words: Mapping[str, object]) -> str:
    near = get_close_matches(word.replace("-", "_").lower(), list(words), 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(words))}"


def _value(value: object, kind: Any, keys: Keys) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _either(value, arguments, keys)
    if origin is tuple:
        items = value if isinstance(value, list) else [value]
        return tuple(_value(item, arguments[0], (*keys, at)) for at, item in enumerate(items))
    if origin is dict:
        if not isinstance(value, dict):
            raise _Mistake(keys, f"{_name(keys)} is a table, not {value!r}")
        return {key: _value(item, arguments[1], (*keys, key)) for key, item in value.items()}
    if is_dataclass(kind) and not hasattr(kind, "parse"):
        return _table(value, kind, keys)
    return _scalar(value, kind, keys)


def _either(value: object, kinds: tuple[Any, ...], keys: Keys) -> Any:
    wanted = [kind for kind in kinds if kind is not types.NoneType]
    for kind in wanted[:-1]:
        try:
            return _value(value, kind, keys)
        except _Mistake:
            continue
    return _value(value, wanted[-1], keys)


def _scalar(value: object, kind: Any, keys: Keys) -> Any:
    try:
        if issubclass(kind, Enum):
            return _member(value, kind)
        if hasattr(kind, "parse"):
            return kind.parse(value if kind is Seconds else _SCALARS[str](value))
        return _SCALARS[kind](value)
    except (ValueError, DecodeError) as error:
        raise _Mistake(keys, f"{_name(keys)}: {error}") from None


def _member(value: object, kind: type[Enum]) -> Enum:
    members = {str(member.value): member for member in kind}
    if value not in members:
        near = get_close_matches(str(value), list(members), 1, 0.5)
        more = f"; did you mean {near[0]!r}?" if near else f": one of {', '.join(members)}"
        raise ValueError(f"{value!r} is not known{more}")
    return members[str(value)]


def _exactly(kind: type, name: str) -> Callable[[object], Any]:
    def check(value: object) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r} is not {name}")
        return value

    return check


def _decimal(value: object) -> Decimal:
    if isinstance(value, Decimal) or type(value) is int:
        return Decimal(value)
    raise ValueError(f"{value!r} is not a number")


def _path(value: object) -> Path:
    return Path(_SCALARS[str](value)).expanduser()


_SCALARS: dict[Any, Callable[[object], Any]] = {
    str: _exactly(str, "a text in quotes"),
    int: _exactly(int, "a whole number"),
    bool: _exactly(bool, "true or false"),
    Decimal: _decimal,
    Path: _path,
    object: lambda value: value,
}
