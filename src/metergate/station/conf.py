"""The station's settings: the environment over one TOML file over what suits a single machine.

Every setting `NAME` is the TOML key `name` under `[station]` and the variable `METERGATE_STATION_NAME`.
The file is named by `METERGATE_STATION_CONFIG`.
"""

from __future__ import annotations

import difflib
import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from metergate.errors import ConfigError

PREFIX = "METERGATE_STATION_"


@dataclass(frozen=True, slots=True)
class StationConfig:
    """What an installation may choose.

    `state` holds the databases and the key file unless they are named; `profiles` is the URL of the load profiles;
    `broker` is the MQTT address (mqtt://user@host:port), empty for none; `records` the NATS port of the embedded
    broker, empty for a broker with shared subscriptions; `hosts` the names under which browsers reach the station.
    """

    state: str = "~/.local/state/metergate/station"
    database: str = ""
    profiles: str = ""
    secret_file: str = ""
    broker: str = ""
    broker_password_file: str = ""
    records: str = ""
    group: str = "metergate"
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    hosts: str = "127.0.0.1,localhost,[::1]"
    https: bool = False
    debug: bool = False
    demo: bool = False
    time_zone: str = "Europe/Berlin"
    language: str = "en"
    ingest_lag: int = 900

    @property
    def state_dir(self) -> Path:
        """Where the station keeps what it must not lose."""
        return Path(self.state).expanduser()

    @property
    def database_url(self) -> str:
        """`sqlite:////absolute/path` or `postgresql://user:password@host:port/name`."""
        return self.database or f"sqlite:///{self.state_dir / 'station.sqlite3'}"

    @property
    def profiles_url(self) -> str:
        """Where load profiles are: the same PostgreSQL, or a SQLite file of their own, so that writers do not wait."""
        url = self.profiles or self.database_url
        if self.profiles or not url.startswith("sqlite:"):
            return url
        stem, dot, end = url.rpartition(".")
        return f"{stem}-profiles.{end}" if dot and "/" not in end else f"{url}-profiles"

    @property
    def secret_path(self) -> Path:
        """The file with the key that signs sessions."""
        return Path(self.secret_file).expanduser() if self.secret_file else self.state_dir / "secret.key"


def load(environ: Mapping[str, str] = os.environ) -> StationConfig:
    """Read the file, then the environment. ConfigError for an unknown or unusable setting."""
    config = StationConfig()
    path = environ.get(f"{PREFIX}CONFIG", "")
    if path:
        config = _with(config, _table(Path(path)), path)
    given = {
        name.removeprefix(PREFIX).lower(): text
        for name, text in environ.items()
        if name.startswith(PREFIX) and name != f"{PREFIX}CONFIG"
    }
    return _with(config, given, "the environment")


def _table(path: Path) -> Mapping[str, Any]:
    try:
        found = tomllib.loads(path.read_text()).get("station", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: [station] is no table")
    return found


def _with(config: StationConfig, given: Mapping[str, Any], source: str) -> StationConfig:
    known = {field.name: type(field.default) for field in fields(StationConfig)}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(f"{source}: unknown setting {name!r}" + (f", did you mean {near[0]!r}?" if near else ""))
    fitting: dict[str, Any] = {name: _as(known[name], name, value, source) for name, value in given.items()}
    return replace(config, **fitting)


def _as(kind: type, name: str, value: object, source: str) -> object:
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    text = str(value).strip()
    if kind is bool and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if kind is int and text.isdecimal():
        return int(text)
    raise ConfigError(f"{source}: {name} = {value!r} is no {kind.__name__}")


_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def secret(config: StationConfig) -> str:
    """The signing key; one that lasts only as long as the process where none was kept yet."""
    try:
        return config.secret_path.read_text().strip()
    except FileNotFoundError:
        return secrets.token_urlsafe(48)


def keep_secret(config: StationConfig) -> Path:
    """Make the key file at first start, readable by its owner alone. Returns its path."""
    path = config.secret_path
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path


def database(url: str) -> dict[str, Any]:
    """A database URL as Django's setting. ConfigError for an engine that is not kept."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path)[1:],
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;",
            },
        }
    if parts.scheme in {"postgresql", "postgres"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 300,
            "OPTIONS": dict(parse_qsl(parts.query)),
        }
    raise ConfigError(f"database {parts.scheme!r} is not kept: sqlite:///path or postgresql://user@host/name")
