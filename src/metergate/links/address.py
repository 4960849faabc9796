"""Addresses of lines: `scheme://host:port/path?setting=value`, checked before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import parse_qsl, urlsplit

from metergate.errors import ConfigError

_PORT = re.compile(r"/|COM\d+$", re.IGNORECASE)
_SECRET = ("key", "password")


def nearest(wrong: str, known: Iterable[str]) -> str:
    """The end of an error text: what there is, and what was probably meant."""
    names = sorted(known)
    near = get_close_matches(wrong, names, 1)
    there = f"there {'are' if len(names) > 1 else 'is'} {', '.join(names) or 'nothing to set'}"
    return f"did you mean {near[0]!r}?" if near else there


def _instead(text: str) -> str:
    """What was probably meant by something that is no address."""
    if re.fullmatch(r"[\w.-]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}", text):
        return f"did you mean tcp://{text}?"
    if re.fullmatch(r"tty\w+|serial/\S+", text):
        return f"did you mean /dev/{text}?"
    return "write /dev/ttyUSB0, or scheme:// in front, as tcp://host:port"


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address. `path` is decoded; `settings` are the texts after the question mark."""

    scheme: str
    host: str = ""
    port: int | None = None
    path: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Address:
        """From text; a bare path or `COM3` is a serial port. ConfigError if it is no address."""
        if _PORT.match(text):
            path, _, query = text.partition("?")
            return cls("serial", path=path, settings=dict(parse_qsl(query, keep_blank_values=True)))
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"{text!r} is no address: {str(error)[:1].lower()}{str(error)[1:]}") from error
        if not parts.scheme or "://" not in text:
            raise ConfigError(f"{text!r} is no address: {_instead(text)}")
        settings = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(parts.scheme, parts.hostname or "", port, parts.path, settings)

    @property
    def name(self) -> str:
        """The address for logs: without keys and passwords."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        where = f"{host}:{self.port}" if self.port is not None else host
        shown = "&".join(f"{key}={value}" for key, value in self.settings.items() if key not in _SECRET)
        return f"{self.scheme}://{where}{self.path}" + (f"?{shown}" if shown else "")

    def check(self, known: Iterable[str]) -> None:
        """ConfigError if there is a setting that is not `known`."""
        for name in self.settings:
            if name not in known:
                raise ConfigError(f"{self.name}: unknown setting {name!r}; {nearest(name, known)}")

    def number(self, name: str, default: float, low: float = 0) -> float:
        """A setting as a number of at least `low`; ConfigError if it is none."""
        text = self.settings.get(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = float("nan")
        if not low <= value < float("inf"):
            raise ConfigError(f"{self.name}: {name}={text} is no number from {low:g} up")
        return value

    def flag(self, name: str) -> bool:
        """A setting as yes (1) or no (0, absent); ConfigError if it is neither."""
        text = self.settings.get(name, "0")
        if text not in ("0", "1"):
            raise ConfigError(f"{self.name}: {name}={text} is neither 0 nor 1")
        return text == "1"

    def needs(self, *, host: bool = False, port: bool = False, path: bool = False, example: str) -> None:
        """ConfigError, with the example, where a wanted part is missing."""
        wanted = {"host": (host, self.host), "port": (port, self.port), "path": (path, self.path.strip("/"))}
        for part, (need, found) in wanted.items():
            if need and found in ("", None):
                raise ConfigError(f"{self.name}: the {part} is missing; write {example}")
