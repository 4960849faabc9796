"""The station's side of Sparkplug sessions: who is there, what they say, and when to ask for births again
(Sparkplug 3.0 §5, §6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from metergate.errors import BadValue, DecodeError
from metergate.wire.base import Problem
from metergate.wire.sparkplug.edge import BDSEQ, GOOD, REBIRTH
from metergate.wire.sparkplug.payload import DataType, Metric, Payload, Property, Scalar, decode, encode
from metergate.wire.sparkplug.topics import (
    NAMESPACE,
    Out,
    Topic,
    check_id,
    instant,
    ms,
    parse_state,
    state_payload,
    state_topic,
)

REORDER = timedelta(seconds=2)
"""How long a missing message may be late before births are asked for."""
REBIRTH_PAUSE = timedelta(minutes=1)
MAX_NODES, MAX_DEVICES, MAX_WAITING = 10_000, 1000, 64


@dataclass(frozen=True, slots=True)
class Born:
    """A node (`device` None) or a meter is there, with all its values."""

    group: str
    node: str
    device: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Died:
    """A node (`device` None: all its devices with it) or a meter is gone: its values are stale since `at`."""

    group: str
    node: str
    device: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a metric. `time` is when it was measured; None where neither metric nor payload says."""

    group: str
    node: str
    device: str | None
    name: str
    type: int
    value: Scalar
    time: datetime | None
    quality: int = GOOD
    historical: bool = False


Heard = Born | Died | Value | Out | Problem


@dataclass(slots=True)
class _Node:
    born: bool = False
    bd_seq: int | None = None
    expected: int = 0
    names: dict[int, Metric] = field(default_factory=dict)
    devices: dict[str, bool] = field(default_factory=dict)
    waiting: dict[int, tuple[Topic, Payload]] = field(default_factory=dict)
    gap_since: datetime | None = None
    asked: datetime | None = None


class Host:
    """A host application. It yields what it learns and `Out` messages to publish; nothing it hears makes it raise."""

    def __init__(self, host: str, groups: tuple[str, ...] = ("+",)) -> None:
        self.host, self.groups = check_id(host), groups
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._since = 0

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return (state_topic(self.host), *(f"{NAMESPACE}/{group}/#" for group in self.groups))

    def will(self, now: datetime) -> Out:
        """The will of a new connection; `online` then says the same time."""
        self._since = ms(now)
        return Out(state_topic(self.host), state_payload(False, self._since), 1, True)

    def online(self) -> Out:
        """To be published once connected and subscribed."""
        return Out(state_topic(self.host), state_payload(True, self._since), 1, True)

    def command(self, topic_of: tuple[str, str, str | None], metrics: tuple[Metric, ...], now: datetime) -> Out:
        """An order to (group, node, device); device None is the node."""
        group, node, device = topic_of
        topic = Topic(group, "NCMD" if device is None else "DCMD", node, device)
        return Out(str(topic), encode(Payload(ms(now), None, metrics)))

    def alive(self, group: str, node: str, device: str | None = None) -> bool:
        """Whether a node or a meter is there."""
        known = self._nodes.get((group, node))
        return known is not None and known.born and (device is None or known.devices.get(device, False))

    def receive(self, topic: str, payload: bytes, now: datetime) -> Iterator[Heard]:
        """One message. Must be consumed."""
        try:
            if topic.startswith(f"{NAMESPACE}/STATE/"):
                if topic == state_topic(self.host) and self._since and not parse_state(payload)[0]:
                    yield self.online()
                return
            yield from self._receive(Topic.parse(topic), decode(payload), now)
        except DecodeError as error:
            yield Problem.of(error)

    def tick(self, now: datetime) -> Iterator[Heard]:
        """To be called every second or so: messages that stayed missing lead to a request for births."""
        for (group, node), known in self._nodes.items():
            if known.gap_since is not None and now - known.gap_since >= REORDER:
                known.gap_since = None
                yield from self._give_up(known, now)
                yield from self._ask(group, node, known, now)

    def _give_up(self, known: _Node, now: datetime) -> Iterator[Heard]:
        """What came after the gap is used, in its order, without what is missing."""
        for seq in sorted(known.waiting, key=lambda seq: (seq - known.expected) % 256):
            try:
                yield from self._take(*known.waiting.pop(seq), known, now)
            except DecodeError as error:
                yield Problem.of(error)

    def _receive(self, topic: Topic, payload: Payload, now: datetime) -> Iterator[Heard]:
        if topic.kind in ("NCMD", "DCMD"):
            return
        known = self._nodes.get((topic.group, topic.node))
        if known is None:
            if len(self._nodes) >= MAX_NODES:
                raise BadValue(f"more than {MAX_NODES} nodes")
            known = self._nodes[topic.group, topic.node] = _Node()
        if topic.kind == "NBIRTH":
            yield from self._node_birth(topic, payload, known, now)
        elif topic.kind == "NDEATH":
            yield from self._node_death(topic, payload, known, now)
        elif not known.born:
            yield from self._ask(topic.group, topic.node, known, now)
        else:
            yield from self._in_order(topic, payload, known, now)

    def _node_birth(self, topic: Topic, payload: Payload, known: _Node, now: datetime) -> Iterator[Heard]:
        bd_seq = _bd_seq(payload)
        if bd_seq is None or payload.seq is None:
            raise BadValue(f"{topic}: a birth needs bdSeq and seq")
        known.born, known.bd_seq = True, bd_seq
        known.expected = (payload.seq + 1) % 256
        known.names, known.waiting, known.gap_since = {}, {}, None
        known.devices = dict.fromkeys(known.devices, False)
        yield Born(topic.group, topic.node, None, now)
        yield from self._values(topic, payload, known)

    def _node_death(self, topic: Topic, payload: Payload, known: _Node, now: datetime) -> Iterator[Heard]:
        """A death of a session before this one (late, or a duplicate) changes nothing."""
        if known.born and _bd_seq(payload) == known.bd_seq:
            known.born, known.gap_since, known.waiting = False, None, {}
            known.devices = dict.fromkeys(known.devices, False)
            yield Died(topic.group, topic.node, None, now)

    def _in_order(self, topic: Topic, payload: Payload, known: _Node, now: datetime) -> Iterator[Heard]:
        if payload.seq is None or payload.seq > 255:
            raise BadValue(f"{topic}: seq {payload.seq}")
        if payload.seq != known.expected:
            if len(known.waiting) < MAX_WAITING:
                known.waiting[payload.seq] = topic, payload
            known.gap_since = known.gap_since or now
            return
        yield from self._take(topic, payload, known, now)
        while known.expected in known.waiting:
            yield from self._take(*known.waiting.pop(known.expected), known, now)
        if not known.waiting:
            known.gap_since = None

    def _take(self, topic: Topic, payload: Payload, known: _Node, now: datetime) -> Iterator[Heard]:
        assert payload.seq is not None
        known.expected = (payload.seq + 1) % 256
        device = topic.device
        if topic.kind == "DDEATH" and device:
            if known.devices.get(device):
                known.devices[device] = False
                yield Died(topic.group, topic.node, device, now)
            return
        if topic.kind == "DBIRTH" and device:
            if len(known.devices) >= MAX_DEVICES and device not in known.devices:
                raise BadValue(f"{topic}: more than {MAX_DEVICES} devices")
            known.devices[device] = True
            yield Born(topic.group, topic.node, device, now)
        elif device and not known.devices.get(device):
            yield from self._ask(topic.group, topic.node, known, now)
            return
        missing = [metric for metric in payload.metrics if metric.name is None and metric.alias not in known.names]
        yield from self._values(topic, payload, known)
        if missing:
            yield from self._ask(topic.group, topic.node, known, now)

    def _values(self, topic: Topic, payload: Payload, known: _Node) -> Iterator[Heard]:
        birth = topic.kind.endswith("BIRTH")
        for metric in payload.metrics:
            if birth and metric.alias is not None and metric.name is not None:
                known.names[metric.alias] = Metric(metric.name, metric.alias, type=metric.type)
            named = metric if metric.name is not None else known.names.get(metric.alias or 0)
            if named is None or named.name is None or named.name == BDSEQ:
                continue
            at = metric.timestamp if metric.timestamp is not None else payload.timestamp
            yield Value(
                topic.group,
                topic.node,
                topic.device,
                named.name,
                metric.type or named.type,
                metric.value,
                _time(at),
                _quality(metric),
                metric.historical,
            )

    def _ask(self, group: str, node: str, known: _Node, now: datetime) -> Iterator[Heard]:
        """Ask for births, at most once a minute and node."""
        if known.asked is None or now - known.asked >= REBIRTH_PAUSE:
            known.asked = now
            metric = Metric(REBIRTH, None, ms(now), DataType.BOOLEAN, True)
            yield self.command((group, node, None), (metric,), now)


def _bd_seq(payload: Payload) -> int | None:
    found = next((metric.value for metric in payload.metrics if metric.name == BDSEQ), None)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _time(at: int | None) -> datetime | None:
    """A time that is none is as good as missing."""
    try:
        return None if at is None else instant(at)
    except BadValue:
        return None


def _quality(metric: Metric) -> int:
    found = metric.properties.get("Quality", Property(DataType.INT32, GOOD)).value
    return found if isinstance(found, int) else GOOD
