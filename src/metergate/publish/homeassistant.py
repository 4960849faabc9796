"""Home Assistant finds the meters by itself: discovery documents for the states of `native`."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from metergate import __version__
from metergate.errors import ConfigError
from metergate.links.mqtt import Message
from metergate.model import Reading, Register, Unit
from metergate.publish.base import MeterCard, Mqtt, availability, level, slug
from metergate.publish.fields import EXPORT, IMPORT, POWER, RATE, Field, derive
from metergate.publish.latest import Latest
from metergate.publish.native import state_topic

_UNITS = {Unit.M3.value: "m³", Unit.M3_PER_H.value: "m³/h", Unit.DEG_C.value: "°C", Unit.L_PER_H.value: "L/h"}
_SHORT_LIVED = ("power", "measurement")
_COMPUTED = {field.name: field for field in (IMPORT, EXPORT, POWER)}
Document = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class HomeAssistantSettings:
    """`mode`: "entity" makes one document a value, which every version understands, "device" one a meter.
    `expire`: seconds after which a momentary value counts as unknown. `url`: where our own pages are.
    """

    gateway: str
    prefix: str = "homeassistant"
    mode: str = "entity"
    expire: int = 300
    url: str = ""

    def __post_init__(self) -> None:
        if self.mode not in ("entity", "device"):
            raise ConfigError(f"homeassistant mode {self.mode!r}: entity or device")
        if not self.prefix or any(sign in self.prefix for sign in "+#\0"):
            raise ConfigError(f"homeassistant prefix {self.prefix!r}: a topic without wildcards")


class Discovery:
    """The documents of one meter, from its card and the fields it was seen to send."""

    def __init__(self, settings: HomeAssistantSettings, card: MeterCard) -> None:
        self._settings, self.card = settings, card
        self.node = f"metergate_{slug(card.id)}"

    def documents(self, fields: dict[str, tuple[Field, str]], removed: tuple[str, ...] = ()) -> Iterator[Document]:
        """Topic and payload of everything to be published, retained. `fields`: field and unit by name."""
        if self._settings.mode == "device":
            parts = {name: {"p": "sensor", **self.component(*fields[name])} for name in fields}
            parts |= {name: {"p": "sensor"} for name in removed}
            yield self._topic(), _json({**self._common(), "cmps": parts})
            return
        for name, (field, unit) in fields.items():
            yield self._topic(name), _json({**self.component(field, unit), **self._common()})
        for name in removed:
            yield self._topic(name), b""

    def removal(self, names: tuple[str, ...]) -> Iterator[Document]:
        """What makes the meter disappear."""
        if self._settings.mode == "device":
            yield self._topic(), b""
        else:
            yield from ((self._topic(name), b"") for name in names)

    def component(self, field: Field, unit: str) -> dict[str, object]:
        """One sensor. Its template yields nothing, without a warning, where the value is missing."""
        path = f"value_json.{field.name}" if field.name.isidentifier() else f"value_json[{json.dumps(field.name)}]"
        made: dict[str, object | None] = {
            "uniq_id": f"mg_{slug(self.card.id)}_{slug(field.name)}",
            "name": field.title,
            "dev_cla": field.device_class,
            "stat_cla": field.state_class,
            "unit_of_meas": _UNITS.get(unit, unit) or None,
            "val_tpl": f"{{{{ {path} if {path} is defined else none }}}}",
            "exp_aft": self._settings.expire if field.state_class == "measurement" else None,
            "ent_cat": "diagnostic" if field.diagnostic else None,
        }
        return {key: value for key, value in made.items() if value is not None}

    def _topic(self, name: str = "") -> str:
        if self._settings.mode == "device":
            return f"{self._settings.prefix}/device/{self.node}/config"
        return f"{self._settings.prefix}/sensor/{self.node}/{slug(name)}/config"

    def _common(self) -> dict[str, object]:
        card, gateway = self.card, self._settings.gateway
        device = {
            "ids": [self.node],
            "name": card.name or card.id,
            "mf": card.manufacturer,
            "mdl": card.model,
            "sn": card.serial,
            "sw": card.software,
        }
        origin = {"name": "metergate", "sw": __version__, "url": self._settings.url}
        return {
            "dev": {key: value for key, value in device.items() if value},
            "o": {key: value for key, value in origin.items() if value},
            "avty": [{"t": f"metergate/{level(gateway)}/availability"}, {"t": availability(gateway, card.id)}],
            "avty_mode": "all",
            "stat_t": state_topic(gateway, card.id),
            "qos": 1,
        }


@dataclass(slots=True)
class _Meter:
    discovery: Discovery
    latest: Latest
    registers: set[Register]
    fields: dict[str, tuple[Field, str]]
    grown: bool = False


class HomeAssistantPublisher:
    """Announces every meter with the values it really sends, and again when we or Home Assistant come back."""

    name = "homeassistant"

    def __init__(
        self,
        client: Mqtt,
        settings: HomeAssistantSettings,
        pause: Callable[[], float] = lambda: random.uniform(1, 5),  # noqa: S311
    ) -> None:
        self._client, self._settings, self._pause = client, settings, pause
        self._meters: dict[str, _Meter] = {}
        self._outbox: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self._restarts: set[asyncio.Task[None]] = set()
        client.greet(self._greet)

    def meter(self, card: MeterCard) -> None:
        """A meter is there; under another name it is announced again, as the same device."""
        known = self._meters.get(card.id)
        if known is None:
            self._meters[card.id] = _Meter(Discovery(self._settings, card), Latest(card), set(), {})
        elif known.discovery.card != card:
            known.discovery.card = known.latest.card = card
            self._announce(known)

    def accept(self, reading: Reading) -> None:
        """One value: only the first of each register matters."""
        known = self._meters.get(reading.register.meter)
        if known and reading.register not in known.registers:
            known.registers.add(reading.register)
            known.latest.accept(reading)
            known.grown = True

    def flush(self, meter: str) -> None:
        """The telegram is over: announce what was new in it."""
        known = self._meters.get(meter)
        if known is None or not known.grown:
            return
        known.grown = False
        found = _fields(known.latest)
        if found.keys() != known.fields.keys():
            known.fields = found
            self._announce(known)

    def silent(self, meter: str) -> None:
        """Said by the meter's availability."""

    def remove(self, meter: str) -> None:
        """The meter is gone for good: Home Assistant forgets it."""
        if known := self._meters.pop(meter, None):
            self._put(known.discovery.removal(tuple(known.fields)))

    def remove_field(self, meter: str, name: str) -> None:
        """One value of a meter is gone for good."""
        known = self._meters[meter]
        known.fields.pop(name, None)
        self._put(known.discovery.documents(known.fields, (name,)))

    async def run(self) -> None:
        """Publish what is to be announced, until cancelled."""
        await self._client.subscribe(f"{self._settings.prefix}/status", self._status, 1)
        while await self._news.wait():
            self._news.clear()
            while self._outbox:
                topic, payload = next(iter(self._outbox.items()))
                await self._client.publish(topic, payload, qos=1, retain=True)
                if self._outbox.get(topic) is payload:
                    del self._outbox[topic]

    def _status(self, message: Message) -> None:
        if message.payload == b"online":
            task = asyncio.create_task(self._later())
            self._restarts.add(task)
            task.add_done_callback(self._restarts.discard)

    async def _later(self) -> None:
        await asyncio.sleep(self._pause())
        await self._greet()

    async def _greet(self) -> None:
        for known in self._meters.values():
            self._announce(known)

    def _announce(self, known: _Meter) -> None:
        if known.fields:
            self._put(known.discovery.documents(known.fields))

    def _put(self, documents: Iterator[Document]) -> None:
        self._outbox.update(documents)
        self._news.set()


def _fields(latest: Latest) -> dict[str, tuple[Field, str]]:
    """The fields that the meter's states hold: those it sends, those computed from them, and the rate."""
    names = dict.fromkeys(latest.fields, Decimal(0))
    derive(names)
    found = {name: (latest.fields[name], latest.units[name]) for name in latest.fields}
    for name in names.keys() - found.keys():
        field = _COMPUTED[name]
        found[name] = (field, field.unit.value if field.unit else "")
    card = latest.card
    if card.unit_rate is not None:
        found[RATE.name] = (RATE, f"{card.currency}/kWh")
    return {
        name: (field, card.currency if field.device_class == "monetary" else unit)
        for name, (field, unit) in found.items()
    }


def _json(tree: dict[str, object]) -> bytes:
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()
