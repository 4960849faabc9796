"""Sparkplug topics, and what both sides hand to their MQTT client (Sparkplug 3.0 §4)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from metergate.errors import BadValue

NAMESPACE = "spBv1.0"
KINDS = ("NBIRTH", "NDEATH", "NDATA", "NCMD", "DBIRTH", "DDEATH", "DDATA", "DCMD")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Out:
    """A message to be published."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Topic:
    """`spBv1.0/<group>/<kind>/<node>[/<device>]`."""

    group: str
    kind: str
    node: str
    device: str | None = None

    @classmethod
    def parse(cls, topic: str) -> Topic:
        """BadValue if it is no Sparkplug topic."""
        levels = topic.split("/")
        if levels[0] != NAMESPACE or len(levels) not in (4, 5) or not all(levels) or levels[2] not in KINDS:
            raise BadValue(f"{topic[:200]!r} is no Sparkplug topic")
        if (len(levels) == 5) != levels[2].startswith("D"):
            raise BadValue(f"{topic[:200]!r}: {levels[2]} {'needs a' if levels[2][0] == 'D' else 'has no'} device")
        return cls(levels[1], levels[2], levels[3], levels[4] if len(levels) == 5 else None)

    def __str__(self) -> str:
        device = f"/{self.device}" if self.device is not None else ""
        return f"{NAMESPACE}/{self.group}/{self.kind}/{self.node}{device}"


def check_id(text: str) -> str:
    """`text` as it came if it may be a group, node, device or host id; BadValue if not."""
    if not text or any(sign in text for sign in "+/#"):
        raise BadValue(f"{text!r}: a Sparkplug id is not empty and without + / #")
    return text


def state_topic(host: str) -> str:
    """Where a host says whether it is there."""
    return f"{NAMESPACE}/STATE/{check_id(host)}"


def state_payload(online: bool, at: int) -> bytes:
    """What it says; `at` ms since 1970."""
    return json.dumps({"online": online, "timestamp": at}).encode()


def parse_state(payload: bytes) -> tuple[bool, int]:
    """Whether a host is online, and since when (ms). BadValue if it says neither."""
    try:
        tree = json.loads(payload[:1000])
        online, at = tree["online"], tree["timestamp"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadValue("no STATE: a JSON object with online and timestamp is wanted") from None
    if not isinstance(online, bool) or isinstance(at, bool) or not isinstance(at, int):
        raise BadValue("STATE: online is a truth value, timestamp a whole number")
    return online, at


def ms(instant: datetime) -> int:
    """Milliseconds since 1970 of an aware instant."""
    return (instant - _EPOCH) // _MS


def instant(milliseconds: int) -> datetime:
    """The instant of ms since 1970; BadValue beyond the year 9999."""
    try:
        return _EPOCH + milliseconds * _MS
    except OverflowError:
        raise BadValue(f"{milliseconds} ms is no time") from None
