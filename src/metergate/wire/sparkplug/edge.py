"""The gateway's side of a Sparkplug session: births, deaths, data by exception, commands (Sparkplug 3.0 §5, §6)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from metergate.errors import BadValue, DecodeError
from metergate.wire.base import Problem
from metergate.wire.sparkplug.payload import DataType, Metric, Payload, Property, Scalar, decode, encode
from metergate.wire.sparkplug.topics import Out, Topic, check_id, instant, ms, parse_state, state_topic

REBIRTH = "Node Control/Rebirth"
BDSEQ = "bdSeq"
GOOD, BAD, STALE = 192, 0, 500
"""Values of the property `Quality`."""
_ANSWERS = ("Cmd/lastId", "Cmd/result", "Cmd/error")
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Rebirth:
    """The host wants all births again."""


@dataclass(frozen=True, slots=True)
class HostTurned:
    """The primary host came or went."""

    online: bool


@dataclass(frozen=True, slots=True)
class Command:
    """An order to a device (None: to the node). `id` makes it idempotent; after `expires` it must not be obeyed."""

    device: str | None
    name: str
    value: Scalar
    id: str | None = None
    expires: datetime | None = None
    signature: bytes | None = None

    @property
    def signed_text(self) -> bytes:
        """What a signature covers: id, device, name, value and expiry (ms), joined by `|`."""
        until = "" if self.expires is None else str(ms(self.expires))
        return "|".join((self.id or "", self.device or "", self.name, str(self.value), until)).encode()


Said = Out | Rebirth | HostTurned | Command | Problem


@dataclass(slots=True)
class _Device:
    alive: bool = True
    metrics: dict[str, Metric] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)


class EdgeNode:
    """One gateway and its meters. It says what to publish; whoever owns the connection publishes it in this order:

    `connect()` gives the will for CONNECT, then subscribe `filters`, then publish what `birth()` yields, then data.
    `bd_seq`: the one of the last connection, kept by the caller over restarts. `primary`: the host without which
    nothing is sent.
    """

    def __init__(self, group: str, node: str, *, bd_seq: int = -1, primary: str | None = None) -> None:
        self.group, self.node = check_id(group), check_id(node)
        self.bd_seq = bd_seq
        self.born = False
        self.host_online = primary is None
        self._primary = primary
        self._host_since = -1
        self._seq = 0
        self._next_alias = 1
        self._node = _Device()
        self._devices: dict[str, _Device] = {}
        self._done: OrderedDict[str, str | None] = OrderedDict()

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to before the births."""
        host = (state_topic(self._primary),) if self._primary else ()
        commands = self._topic("NCMD"), f"{self._topic('DCMD')}/#"
        return commands + host

    def connect(self, now: datetime) -> Out:
        """A new connection begins: its will, with the next bdSeq."""
        self.born = False
        self.bd_seq = (self.bd_seq + 1) % 256
        return Out(self._topic("NDEATH"), encode(Payload(ms(now), None, (self._bd_metric(),))), qos=1)

    def birth(self, now: datetime) -> Iterator[Out]:
        """NBIRTH, and a DBIRTH for every meter that is heard. Nothing while the primary host is away."""
        if not self.host_online:
            return
        self._seq, self.born = 0, True
        own = [self._bd_metric(), Metric(REBIRTH, None, ms(now), DataType.BOOLEAN, False)]
        own += self._named(self._node)
        yield self._out("NBIRTH", None, own, now)
        for device, known in self._devices.items():
            if known.alive:
                yield self._out("DBIRTH", device, self._named(known), now)

    def death(self, now: datetime) -> Iterator[Out]:
        """What to publish before a wanted disconnect."""
        if self.born:
            self.born = False
            yield Out(self._topic("NDEATH"), encode(Payload(ms(now), None, (self._bd_metric(),))), qos=1)

    def define(self, device: str | None, metrics: Mapping[str, Metric], now: datetime) -> Iterator[Out]:
        """A meter and all it measures (None: the node's own), by name; again when a metric is added."""
        known = self._node if device is None else self._devices.setdefault(check_id(device), _Device())
        known.alive = True
        for name, metric in metrics.items():
            if name not in known.aliases:
                known.aliases[name] = self._next_alias
                self._next_alias += 1
            known.metrics[name] = replace(metric, name=name, alias=known.aliases[name])
        if device is None:
            if self.born:
                yield from self.birth(now)
            return
        for name in _ANSWERS:
            if name not in known.metrics:
                known.aliases[name], self._next_alias = self._next_alias, self._next_alias + 1
                known.metrics[name] = Metric(name, known.aliases[name], ms(now), DataType.STRING, None)
        if self.born:
            yield self._out("DBIRTH", device, self._named(known), now)

    def data(
        self, device: str | None, values: Mapping[str, Scalar], at: datetime, now: datetime, quality: int = GOOD
    ) -> Iterator[Out]:
        """Values measured at `at`: those that changed since they were last said travel, by alias."""
        known = self._node if device is None else self._devices.get(device)
        if known is None or not known.alive:
            return
        changed: list[Metric] = []
        graded = {} if quality == GOOD else {"Quality": Property(DataType.INT32, quality)}
        for name, value in values.items():
            old = known.metrics[name]
            kept = {key: found for key, found in old.properties.items() if key != "Quality"}
            new = known.metrics[name] = replace(old, value=value, timestamp=ms(at), properties=kept | graded)
            if value != old.value or new.properties != old.properties:
                changed.append(replace(new, name=None, properties=graded))
        if changed and self.born:
            yield self._out("NDATA" if device is None else "DDATA", device, changed, now)

    def history(self, device: str, values: Iterator[tuple[datetime, str, Scalar]], now: datetime) -> Iterator[Out]:
        """Values that were kept back while nobody listened, with their own times; they do not become the latest."""
        known = self._devices[device]
        batch = [
            replace(known.metrics[name], name=None, value=value, timestamp=ms(at), historical=True, properties={})
            for at, name, value in values
        ]
        if batch and self.born:
            yield self._out("DDATA", device, batch, now)

    def silent(self, device: str, now: datetime) -> Iterator[Out]:
        """The meter is missed."""
        known = self._devices.get(device)
        if known and known.alive:
            known.alive = False
            if self.born:
                yield self._out("DDEATH", device, [], now)

    def returned(self, device: str, now: datetime) -> Iterator[Out]:
        """The meter is heard again."""
        known = self._devices.get(device)
        if known and not known.alive:
            known.alive = True
            if self.born:
                yield self._out("DBIRTH", device, self._named(known), now)

    def answer(self, device: str, order: str, result: str, error: str, now: datetime) -> Iterator[Out]:
        """What became of command `order`: said now, and again if the same command comes again."""
        known = self._devices.get(device)
        if known is None:
            return
        said = dict(zip(_ANSWERS, (order, result, error or None), strict=True))
        for name, value in said.items():
            known.metrics[name] = replace(known.metrics[name], value=value, timestamp=ms(now))
        if self.born:
            self._remember(order, device)
            yield self._out("DDATA", device, [replace(known.metrics[name], name=None) for name in _ANSWERS], now)

    def receive(self, topic: str, payload: bytes, now: datetime) -> Iterator[Said]:
        """A message that came. Yields commands, births again if they are wanted, and problems; never raises."""
        try:
            if self._primary and topic == state_topic(self._primary):
                yield from self._host(payload, now)
            else:
                yield from self._commands(Topic.parse(topic), decode(payload), now)
        except DecodeError as error:
            yield Problem.of(error)

    def _host(self, payload: bytes, now: datetime) -> Iterator[Said]:
        online, since = parse_state(payload)
        if since < self._host_since:
            return
        self._host_since = since
        if online is self.host_online:
            return
        self.host_online = online
        yield HostTurned(online)
        yield from self.birth(now) if online else self.death(now)

    def _commands(self, topic: Topic, payload: Payload, now: datetime) -> Iterator[Said]:
        if (topic.group, topic.node) != (self.group, self.node) or topic.kind not in ("NCMD", "DCMD"):
            raise BadValue(f"{topic} is not for us")
        names = {
            alias: name for known in (self._node, *self._devices.values()) for name, alias in known.aliases.items()
        }
        named = {metric.name or names.get(metric.alias or 0, ""): metric.value for metric in payload.metrics}
        if topic.device is None and named.pop(REBIRTH, False) is True:
            yield Rebirth()
            yield from self.birth(now)
        order, until, signature = named.pop("Cmd/id", None), named.pop("Cmd/expires", None), named.pop("Cmd/sig", None)
        command_id = order if isinstance(order, str) else None
        if command_id is not None and command_id in self._done:
            yield from self._repeat(command_id, now)
            return
        for name, value in named.items():
            if name.startswith("Cmd/"):
                expires = instant(until) if isinstance(until, int) else None
                sealed = signature if isinstance(signature, bytes) else None
                if command_id:
                    self._remember(command_id, None)
                yield Command(topic.device, name.removeprefix("Cmd/"), value, command_id, expires, sealed)

    def _remember(self, order: str, device: str | None) -> None:
        """That a command was passed on, and which device answered it."""
        self._done[order] = device
        self._done.move_to_end(order)
        while len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)

    def _repeat(self, order: str, now: datetime) -> Iterator[Said]:
        """The same command again: its answer again, if that is still the last one given."""
        device = self._done[order]
        known = self._devices.get(device) if device else None
        if known and self.born and known.metrics[_ANSWERS[0]].value == order:
            yield self._out("DDATA", device, [replace(known.metrics[name], name=None) for name in _ANSWERS], now)

    def _named(self, known: _Device) -> list[Metric]:
        return list(known.metrics.values())

    def _bd_metric(self) -> Metric:
        return Metric(BDSEQ, None, None, DataType.UINT64, self.bd_seq)

    def _topic(self, kind: str, device: str | None = None) -> str:
        return str(Topic(self.group, kind, self.node, device))

    def _out(self, kind: str, device: str | None, metrics: list[Metric], now: datetime) -> Out:
        seq, self._seq = self._seq, (self._seq + 1) % 256
        return Out(self._topic(kind, device), encode(Payload(ms(now), seq, tuple(metrics))))
