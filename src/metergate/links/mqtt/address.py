"""Where a broker is and how to prove to it who we are."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from metergate.errors import ConfigError
from metergate.links.reasons import reason

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker's address. As text it is the URL again, which never holds a password."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """From `mqtt://user@host:1883` or `mqtts://host`; ConfigError says what is wrong with it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"the broker's address cannot be read: {reason(error)}") from None
        if parts.scheme not in _PORTS:
            raise ConfigError("a broker's address starts with mqtt:// or mqtts://, as mqtt://user@host:1883")
        if parts.password is not None:
            raise ConfigError("no password in a broker's address: it belongs into a file or the environment")
        if not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ConfigError("a broker's address is mqtt://user@host:port and nothing behind")
        user = unquote(parts.username) if parts.username else None
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts", user)

    @property
    def local(self) -> bool:
        """Whether the broker is on this machine's loopback interface."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"mqtt{'s' if self.tls else ''}://{user}{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """What TLS needs: `ca` the authorities' certificates (None: the system's), `cert` and `key` our own, PEM files."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A client's context: TLS 1.2 or newer, chain and host name checked. ConfigError if a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(str(path) for path in (self.ca, self.cert, self.key) if path)
            raise ConfigError(f"TLS files cannot be used ({files}): {reason(error)}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def read_password(file: Path | None = None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The password from `file` (its first line), else from METERGATE_MQTT_PASSWORD, else None."""
    if file is None:
        return environ.get("METERGATE_MQTT_PASSWORD")
    try:
        return file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the password file {file} cannot be read: {reason(error)}") from None
