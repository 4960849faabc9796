"""Runs in the environment of `pysparkplug` (its paho is older than ours): a host, or a gateway, at a broker.

`host <port> <count>` prints each message it decodes as a line of JSON. `edge <port>` is born with one device, says one
change of each value when it is sent a line, and stays.
"""

import json
import sys
import time
from typing import Any

import pysparkplug as sp

GROUP, NODE, DEVICE = "town", "stranger", "m1"
KINDS = ("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA")


def host(port: int, count: int) -> None:
    seen: list[object] = []

    def take(client: Any, message: Any) -> None:
        topic, payload = message.topic, message.payload
        metrics = [
            {"name": m.name, "alias": m.alias, "value": m.value, "null": m.is_null, "time": m.timestamp}
            for m in getattr(payload, "metrics", None) or ()
        ]
        told = {"topic": str(topic), "seq": getattr(payload, "seq", None), "metrics": metrics}
        print(json.dumps(told), flush=True)
        seen.append(message)

    client = sp.Client("stranger-host")
    for kind in KINDS:
        device = "+" if kind.startswith("D") else None
        topic = sp.Topic(group_id="+", message_type=sp.MessageType(kind), edge_node_id="+", device_id=device)
        client.subscribe(topic, sp.QoS.AT_LEAST_ONCE, take)
    granted: list[int] = []

    def subscribed(client: Any, data: Any, mid: int, qos: Any) -> None:
        granted.append(mid)
        if len(granted) == len(KINDS):
            print("ready", flush=True)

    client._client.on_subscribe = subscribed
    client.connect("127.0.0.1", port=port)
    while len(seen) < count:
        time.sleep(0.01)


def edge(port: int) -> None:
    now = sp.get_current_timestamp

    def metrics(turn: int) -> tuple[Any, ...]:
        values = (
            ("power", sp.DataType.DOUBLE, 425.5 + turn),
            ("small", sp.DataType.INT32, -2 - turn),
            ("large", sp.DataType.UINT64, (1 << 63) + turn),
            ("on", sp.DataType.BOOLEAN, turn == 0),
            ("text", sp.DataType.STRING, f"Zähler {turn}"),
        )
        return tuple(sp.Metric(timestamp=now(), name=name, datatype=kind, value=value) for name, kind, value in values)

    node = sp.EdgeNode(GROUP, NODE, metrics(0))
    node.register(sp.Device(DEVICE, metrics(0)))
    node.connect("127.0.0.1", port=port)
    sys.stdin.readline()
    node.update_device(DEVICE, metrics(1))
    sys.stdin.readline()


if __name__ == "__main__":
    (host if sys.argv[1] == "host" else edge)(*map(int, sys.argv[2:]))
