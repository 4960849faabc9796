"""Who may do what on the embedded broker: users with the topic filters they may publish and subscribe to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from metergate.errors import ConfigError
from metergate.links.mqtt.topics import check_filter

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """A user. `publish` and `subscribe` are MQTT topic filters; None is everything, () nothing.

    `native` lets the user in at the NATS port too, where the durable consumers are.
    """

    name: str
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None
    native: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)


def check_name(name: str) -> str:
    """`name` as it came if it may name a user, a group or a gateway (it becomes a topic level); else ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r}: 1 to 64 letters, digits, _ and - make a name on the broker")
    return name


def gateway_user(group: str, gateway: str, *, household: bool = False) -> BrokerUser:
    """A gateway: its own topics, its own record and Sparkplug lanes, and nobody else's.

    `household`: the broker is the household's own, so home automation and display topics are allowed too.
    """
    group, gateway = check_name(group), check_name(gateway)
    own = f"metergate/{gateway}/#"
    home_out = ("homeassistant/#", "glow/#") if household else ()
    home_in = ("homeassistant/status",) if household else ()
    return BrokerUser(
        gateway,
        publish=(
            own,
            f"metergate/{group}/record/{gateway}",
            f"spBv1.0/{group}/+/{gateway}/#",
            *home_out,
        ),
        subscribe=(
            own,
            f"metergate/{group}/ack/{gateway}",
            "spBv1.0/STATE/#",
            f"spBv1.0/{group}/NCMD/{gateway}",
            f"spBv1.0/{group}/DCMD/{gateway}/#",
            *home_in,
        ),
    )


def station_user(name: str = "station") -> BrokerUser:
    """The station: everything, on MQTT and on the NATS port."""
    return BrokerUser(name, native=True)


def household_user(name: str, gateways: Iterable[str]) -> BrokerUser:
    """A household's dashboards: read the topics of its own gateways, write nothing."""
    own = tuple(f"metergate/{check_name(gateway)}/#" for gateway in gateways)
    return BrokerUser(name, publish=(), subscribe=(*own, "glow/#", "homeassistant/#"))


def subjects(topic_filter: str) -> tuple[str, ...]:
    """The NATS subjects that stand for an MQTT topic filter. `a/#` is two: MQTT counts `a` itself in.

    `/` becomes `.`, a dot within a level `//`, an empty level `/` (NATS documentation, MQTT topics and subjects).
    """
    if re.search(r"[\s*>]", check_filter(topic_filter)):
        raise ConfigError(f"{topic_filter!r}: no blanks, * or > in a filter of the embedded broker")
    levels = topic_filter.split("/")
    parts = [_WILDCARDS.get(level, level.replace(".", "//")) or "/" for level in levels]
    whole = ".".join(parts)
    return (whole, ".".join(parts[:-1])) if len(parts) > 1 and levels[-1] == "#" else (whole,)


_WILDCARDS = {"+": "*", "#": ">"}
