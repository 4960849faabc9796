"""Sparkplug B: payloads, topics, and both ends of a session as state machines (Eclipse Sparkplug 3.0).

Nothing here connects: `EdgeNode` and `Host` say what to publish, and are told what came and what time it is.
"""

from metergate.wire.sparkplug.edge import BAD, GOOD, STALE, Command, EdgeNode, HostTurned, Rebirth
from metergate.wire.sparkplug.host import Born, Died, Host, Value
from metergate.wire.sparkplug.payload import DataType, Metric, Payload, Property, decode, encode
from metergate.wire.sparkplug.topics import Out, Topic, parse_state, state_payload, state_topic

__all__ = [
    "BAD",
    "GOOD",
    "STALE",
    "Born",
    "Command",
    "DataType",
    "Died",
    "EdgeNode",
    "Host",
    "HostTurned",
    "Metric",
    "Out",
    "Payload",
    "Property",
    "Rebirth",
    "Topic",
    "Value",
    "decode",
    "encode",
    "parse_state",
    "state_payload",
    "state_topic",
]
