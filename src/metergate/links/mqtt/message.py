"""What travels: messages, the will, and a topic made ready for live data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message. `properties` are those of MQTT 5 by gmqtt's names, besides `dup` and `retain`."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when the connection breaks without a goodbye."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class Head:
    """The head of PUBLISH packets at QoS 0 to one topic: only the length is left to compute (MQTT 5.0 §3.3)."""

    __slots__ = ("_command", "_topics")

    def __init__(self, topic: str, retain: bool = False) -> None:
        name = topic.encode()
        head = len(name).to_bytes(2, "big") + name
        self._command = 0x31 if retain else 0x30
        self._topics = {4: head, 5: head + b"\0"}

    def packet(self, payload: bytes, version: int) -> bytes:
        """The whole packet for protocol `version` 4 (3.1.1) or 5."""
        head = self._topics[version]
        size = len(head) + len(payload)
        packet = bytearray((self._command,))
        while size > 0x7F:
            packet.append(size & 0x7F | 0x80)
            size >>= 7
        packet.append(size)
        packet += head
        packet += payload
        return bytes(packet)
