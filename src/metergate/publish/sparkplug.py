"""The live lane to the station: a gateway as a Sparkplug B edge node, its meters as devices, orders coming back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from metergate.errors import Refused
from metergate.links.mqtt import Message, MqttClient, Will
from metergate.model import (
    CloseValve,
    Command,
    CommandResult,
    Connect,
    Disconnect,
    OpenValve,
    Outcome,
    Quality,
    Reading,
    ReadNow,
    ReadProfile,
    Register,
    SetClock,
    Unit,
)
from metergate.publish.base import MeterCard, level, measured
from metergate.wire.base import Problem
from metergate.wire.sparkplug import BAD, GOOD, DataType, EdgeNode, Metric, Out, Property
from metergate.wire.sparkplug import Command as Order
from metergate.wire.sparkplug.payload import Scalar
from metergate.wire.sparkplug.topics import ms

_log = logging.getLogger(__name__)
_ORDERS: dict[tuple[str, object], type[Command]] = {
    ("read-now", True): ReadNow,
    ("set-clock", True): SetClock,
    ("valve", True): OpenValve,
    ("valve", False): CloseValve,
    ("relay", True): Connect,
    ("relay", False): Disconnect,
}
"""What `Cmd/<name>` with a value orders."""
_PROFILE = "read-profile"
"""`Cmd/read-profile` with the text `REGISTER BEGIN END` (ISO 8601 with zone) orders a gap to be read."""
_CRITICAL = (OpenValve, CloseValve, Connect, Disconnect)


@dataclass(frozen=True, slots=True)
class SparkplugSettings:
    """`group` is the station's, `node` the gateway's id. `primary`: the host without which nothing is said.

    `state`: the file that keeps the number of the last connection over restarts. `key`: the station's Ed25519 public
    key (32 bytes); without it orders that move a valve or a relay are refused.
    """

    group: str
    node: str
    primary: str | None = None
    state: Path | None = None
    key: bytes | None = None


def order_of(order: Order, meter: str, now: datetime, key: bytes | None) -> Command:
    """The command that an order means. Refused: unknown, without an id, expired, or critical and not signed."""
    made = ReadProfile if order.name == _PROFILE else _ORDERS.get((order.name, order.value))
    if made is None or order.device is None:
        raise Refused(f"no such order: {order.name}")
    if not order.id:
        raise Refused("an order needs an id")
    if order.expires is not None and now >= order.expires:
        raise Refused("expired")
    if issubclass(made, _CRITICAL):
        _check_signature(order, key)
    if made is ReadProfile:
        return ReadProfile(order.id, meter, order.expires, *_range(str(order.value)))
    return made(order.id, meter, order.expires)


def _range(text: str) -> tuple[str, datetime, datetime]:
    """Register, begin and end. Refused."""
    try:
        register, *times = text.split()
        begin, end = map(datetime.fromisoformat, times)
    except ValueError:
        raise Refused("a profile is ordered as REGISTER BEGIN END, times as 2026-11-22T00:00:00Z") from None
    if begin.tzinfo is None or end.tzinfo is None:
        raise Refused("times need their zone, as 2026-11-22T00:00:00Z")
    return register, begin, end


def _check_signature(order: Order, key: bytes | None) -> None:
    if key is None or order.signature is None or order.expires is None:
        raise Refused("this order has to be signed and to expire")
    from cryptography.exceptions import InvalidSignature  # only who is ordered needs these 8 MB
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(order.signature, order.signed_text)
    except InvalidSignature:
        raise Refused("wrong signature") from None


@dataclass(slots=True)
class _Meter:
    device: str
    names: dict[Register, str] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)
    fresh: dict[str, Metric] = field(default_factory=dict)
    time: datetime | None = None
    quality: int = GOOD


class SparkplugPublisher:
    """Needs a connection of its own, whose will is the node's death:

        publisher = SparkplugPublisher(settings, on_command)
        client = MqttClient(url, "gw1-live", will=publisher.will)
        await publisher.attach(client)

    `on_command(command)` gets what the station orders; `answer` says what became of it.
    """

    name = "sparkplug"

    def __init__(
        self,
        settings: SparkplugSettings,
        on_command: Callable[[Command], None] = lambda command: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._on_command, self._now = settings, on_command, now
        self.edge = EdgeNode(
            level(settings.group), level(settings.node), bd_seq=_stored(settings.state), primary=settings.primary
        )
        self.problems = 0
        self._client: MqttClient | None = None
        self._meters: dict[str, _Meter] = {}
        self._devices: dict[str, str] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    def will(self) -> Will:
        """The will of the next connection; its number is kept before it is used."""
        out = self.edge.connect(self._now())
        if self._settings.state:
            self._settings.state.write_text(f"{self.edge.bd_seq}\n", "ascii")
        return Will(out.topic, out.payload, out.qos, out.retain)

    async def attach(self, client: MqttClient) -> None:
        """Start `client`, subscribe, and speak through it from now on."""
        client.start()
        self._client = client
        for topic_filter in self.edge.filters:
            await client.subscribe(topic_filter, self._received, qos=1)
        client.greet(self._greet)
        await self._greet()

    async def close(self) -> None:
        """Say that the node goes on purpose; close the client afterwards."""
        if self._client:
            for out in self.edge.death(self._now()):
                await self._client.publish(out.topic, out.payload, qos=out.qos)

    def meter(self, card: MeterCard) -> None:
        """A meter is there, for the first time or again."""
        known = self._meters.get(card.id)
        if known is None:
            device = level(card.id)
            self._meters[card.id], self._devices[device] = _Meter(device), card.id
        else:
            self._send(self.edge.returned(known.device, self._now()))

    def accept(self, reading: Reading) -> None:
        """One value."""
        known = self._meters.get(reading.register.meter)
        if known is None:
            return
        register = reading.register
        name = known.names.get(register)
        if name is None:
            name = known.names[register] = register.key.removeprefix(f"{register.meter}/")
        kind, value = _scalar(reading)
        unit = (
            {"engUnit": Property(DataType.STRING, register.unit.value)}
            if name not in known.defined and register.unit
            else {}
        )
        known.fresh[name] = Metric(type=kind, value=value, properties=unit)
        known.time = measured(reading) or known.time
        if reading.quality is Quality.BAD:
            known.quality = BAD

    def flush(self, meter: str) -> None:
        """The telegram is over: a birth where it brought something new, else what changed."""
        known = self._meters.get(meter)
        if known is None or not known.fresh:
            return
        now = self._now()
        at, quality = known.time or now, known.quality
        fresh, known.fresh, known.quality = known.fresh, {}, GOOD
        new = {name: replace(found, timestamp=ms(at)) for name, found in fresh.items() if name not in known.defined}
        self._send(self.edge.returned(known.device, now))
        if new:
            known.defined.update(new)
            self._send(self.edge.define(known.device, new, now))
        values: dict[str, Scalar] = {name: metric.value for name, metric in fresh.items() if name not in new}
        if values:
            self._send(self.edge.data(known.device, values, at, now, quality))

    def silent(self, meter: str) -> None:
        """The meter is missed: its device dies."""
        if known := self._meters.get(meter):
            self._send(self.edge.silent(known.device, self._now()))

    def answer(self, meter: str, result: CommandResult) -> None:
        """What became of an order."""
        if known := self._meters.get(meter):
            self._send(self.edge.answer(known.device, result.id, result.outcome.value, result.text, self._now()))

    async def run(self) -> None:
        """Everything happens in `flush` and when messages come."""
        await asyncio.Event().wait()

    async def _greet(self) -> None:
        self._send(self.edge.birth(self._now()))

    def _received(self, message: Message) -> None:
        for said in self.edge.receive(message.topic, message.payload, self._now()):
            if isinstance(said, Out):
                self._send((said,))
            elif isinstance(said, Order):
                self._order(said)
            elif isinstance(said, Problem):
                self.problems += 1
                _log.warning("%s: %s", message.topic, said.message)

    def _order(self, order: Order) -> None:
        meter = self._devices.get(order.device or "", "")
        try:
            command = order_of(order, meter, self._now(), self._settings.key)
        except Refused as error:
            outcome = Outcome.EXPIRED if str(error) == "expired" else Outcome.REFUSED
            self.answer(meter, CommandResult(order.id or "", outcome, str(error)))
            return
        self._on_command(command)

    def _send(self, messages: Iterable[Out]) -> None:
        for out in messages:
            if self._client is None:
                continue
            if out.qos == 0:
                self._client.send(out.topic, out.payload, out.retain)
            else:
                task = asyncio.create_task(self._client.publish(out.topic, out.payload, out.qos, out.retain))
                self._farewells.add(task)
                task.add_done_callback(self._farewells.discard)


def _unit(unit: Unit) -> dict[str, Property]:
    return {"engUnit": Property(DataType.STRING, unit.value)}


def _scalar(reading: Reading) -> tuple[DataType, Scalar]:
    """A double shows up to 15 digits exactly; what has to be exact to the last digit travels in the record lane."""
    value = reading.value
    if isinstance(value, str):
        return DataType.STRING, value
    if isinstance(value, bytes):
        return DataType.BYTES, value
    sure = isinstance(value, Decimal) and value.is_finite() and reading.quality > Quality.ABSENT
    return DataType.DOUBLE, float(value) if sure and value is not None else None


def _stored(state: Path | None) -> int:
    try:
        return int(state.read_text("ascii")) % 256 if state else -1
    except (OSError, ValueError):
        return -1
