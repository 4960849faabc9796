"""The embedded broker's settings and the configuration file that nats-server reads."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from metergate.errors import ConfigError
from metergate.links.broker.users import BrokerUser, check_name, subjects

_ACK_WAIT = "10s"
"""How long a message that a subscriber did not acknowledge, as after a crash of the server, waits to be sent again."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """`state`: the folder for everything the broker keeps. `host`: where MQTT listens; `port` and `native_port` 0
    choose a free one. `tls`: names and addresses for the server's certificate, which our own authority in `state`
    issues; () is plain text, allowed on loopback only. `max_store`: bytes JetStream may take on disk.
    """

    state: Path
    host: str = "127.0.0.1"
    port: int = 1883
    native_port: int = 0
    tls: tuple[str, ...] = ()
    max_store: int = 10 << 30
    max_payload: int = 1 << 20
    cluster_name: str = "metergate"

    def check(self) -> None:
        """ConfigError if the broker would be open to the network without encryption."""
        if not self.tls and not ip_address("127.0.0.1" if self.host == "localhost" else self.host).is_loopback:
            raise ConfigError(f"the broker on {self.host} needs TLS: name the host in the broker's tls setting")


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read (0600), in one step: a reader sees the old or the new one."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)


class Secrets:
    """Passwords of the broker's users, one file each (0600), made on first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def password(self, user: str) -> str:
        """The user's password: 192 random bits, made when it is first asked for."""
        path = self.path(user)
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24).encode() + b"\n")
        return path.read_text("ascii").strip()

    def path(self, user: str) -> Path:
        """The file that holds the user's password."""
        return self.folder / check_name(user)

    def forget(self, user: str) -> None:
        """Delete the user's password; the next one is new."""
        self.path(user).unlink(missing_ok=True)


def configuration(
    settings: BrokerSettings,
    ports: tuple[int, int],
    users: Mapping[BrokerUser, str],
    certificate: tuple[Path, Path] | None,
) -> bytes:
    """The configuration file: `users` with their passwords, `ports` of MQTT and NATS, `certificate` and its key."""
    mqtt_port, native_port = ports
    mqtt: dict[str, object] = {"host": settings.host, "port": mqtt_port, "ack_wait": _ACK_WAIT}
    if certificate:
        mqtt["tls"] = {"cert_file": str(certificate[0]), "key_file": str(certificate[1]), "timeout": 10}
    tree = {
        "server_name": settings.cluster_name,
        "host": "127.0.0.1",
        "port": native_port,
        "pid_file": str(settings.state / "broker.pid"),
        "max_payload": settings.max_payload,
        "logtime": False,
        "jetstream": {"store_dir": str(settings.state / "jetstream"), "max_file_store": settings.max_store},
        "mqtt": mqtt,
        "authorization": {"users": [_user(user, password) for user, password in users.items()]},
    }
    return json.dumps(tree, indent=1).encode()


def _user(user: BrokerUser, password: str) -> dict[str, object]:
    kinds = ["MQTT", "STANDARD"] if user.native else ["MQTT"]
    entry: dict[str, object] = {"user": user.name, "password": password, "allowed_connection_types": kinds}
    permissions = {
        kind: {"allow": _all_subjects(filters)} if filters else {"deny": [">"]}
        for kind, filters in (("publish", user.publish), ("subscribe", user.subscribe))
        if filters is not None
    }
    return entry | {"permissions": permissions} if permissions else entry


def _all_subjects(filters: tuple[str, ...]) -> list[str]:
    return [subject for topic_filter in filters for subject in subjects(topic_filter)]
