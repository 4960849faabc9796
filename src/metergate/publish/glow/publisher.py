"""A gateway that looks like a Glow display, so that dashboards and exporters for it work with any meter."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from metergate.errors import ConfigError
from metergate.model import Medium, Reading
from metergate.publish.base import MeterCard, Mqtt, availability
from metergate.publish.glow import payloads
from metergate.publish.glow.payloads import DIALECTS, Consumption, Supply
from metergate.publish.latest import Latest
from metergate.publish.periods import Periods

_log = logging.getLogger(__name__)
_UTC = ZoneInfo("UTC")
_NEVER_SOLD = Decimal(0)
"""What clients are told of a meter that has no export register."""
Out = tuple[str, bytes, bool]
History = Callable[[str, str, datetime], Decimal | None]
"""What a field of a meter stood at: `history(meter, "import", instant)`; None where that is not known."""


@dataclass(frozen=True, slots=True)
class GlowSettings:
    """One emulated display: at most one electricity and one gas meter, named by id or the first of its kind.

    `calendar` "utc" is true to the device; "local" begins days at midnight in `zone` and says so with a message of its
    own. `stale`: after so many seconds of silence a meter is no longer published (electricity, gas).
    """

    device: str = ""
    prefix: str = "glow"
    dialect: str = "v2.0"
    calendar: str = "utc"
    zone: ZoneInfo = _UTC
    cycle: float = 10.0
    qos: int = 1
    retain_state: bool = True
    retain_sensor: bool = False
    stale: tuple[float, float] = (300.0, 5400.0)
    electricity: str = ""
    gas: str = ""
    rssi: int = -50
    lqi: int = 255

    def __post_init__(self) -> None:
        payloads.check_prefix(self.prefix)
        if self.device:
            payloads.check_device(self.device)
        if self.dialect not in DIALECTS:
            raise ConfigError(f"glow dialect {self.dialect!r}: one of {', '.join(DIALECTS)}")
        if self.calendar not in ("utc", "local"):
            raise ConfigError(f"glow calendar {self.calendar!r}: utc or local")
        if not 6 <= self.cycle <= 60:
            raise ConfigError(f"glow cycle {self.cycle:g}: 6 to 60 seconds")


def device_id(gateway: str) -> str:
    """A display's id made from the gateway's: the same for ever, and of a locally administered MAC."""
    digest = hashlib.sha256(gateway.encode()).digest()[:6]
    return f"{digest[0] & 0xFC | 0x02:02X}{digest[1:].hex().upper()}"


class _Fuel:
    """One meter of the display."""

    def __init__(self, card: MeterCard, periods: Periods, sensor: str, stale: float) -> None:
        self.latest = Latest(card)
        self.periods = periods
        self.sensor = sensor
        self.stale = stale
        self.published = False

    def energy(self, values: dict[str, Decimal]) -> Decimal | None:
        """The register in kWh: the meter's own, or gas volume by its calorific value."""
        for name in ("import", "energy"):
            if name in values and self.latest.units.get(name, "kWh") == "kWh":
                return values[name]
        per = self.latest.card.kwh_per_m3
        return values["volume"] * per if per is not None and "volume" in values else None

    def use(self, time: datetime, kwh: Decimal) -> Consumption:
        """Register, day, week and month at `time`."""
        since = self.periods.since
        return Consumption(time, kwh, since("day", kwh), since("week", kwh), since("month", kwh))

    def supply(self) -> Supply | None:
        """The contract; None while the price is not known: clients fail without it."""
        card = self.latest.card
        if card.unit_rate is None or card.standing_charge is None:
            return None
        return Supply(card.mpan or card.id, card.unit_rate, card.standing_charge, card.supplier or payloads.NO_SUPPLIER)


class GlowPublisher:
    """STATE, electricity and gas every cycle; a meter that fell silent is left out and reported offline."""

    name = "glow"

    def __init__(
        self,
        client: Mqtt,
        settings: GlowSettings,
        gateway: str,
        history: History = lambda meter, field, instant: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._settings, self._gateway, self._history, self._now = client, settings, gateway, history, now
        self._dialect = DIALECTS[settings.dialect]
        self.device = settings.device or device_id(gateway)
        self._topic = f"{settings.prefix}/{self.device}"
        self._fuels: dict[str, _Fuel] = {}
        self._boundaries: list[Out] = []
        if "/" in settings.prefix:
            _log.warning("glow prefix %r: clients that take the second level for the device fail", settings.prefix)

    def meter(self, card: MeterCard) -> None:
        """A meter is there; it is shown if it is the one named, or the first of its kind."""
        kind = "gas" if card.medium is Medium.GAS else "electricity" if card.medium is Medium.ELECTRICITY else ""
        wanted = {"gas": self._settings.gas, "electricity": self._settings.electricity}.get(kind)
        if wanted is None or wanted not in ("", card.id):
            return
        known = self._fuels.get(kind)
        if known is None:
            self._fuels[kind] = self._fuel(kind, card)
        elif known.latest.card.id == card.id:
            known.latest.card = card

    def _fuel(self, kind: str, card: MeterCard) -> _Fuel:
        field = "import" if kind == "electricity" else "energy"
        zone = self._settings.zone if self._settings.calendar == "local" else _UTC
        periods = Periods(zone, lambda start: self._history(card.id, field, start), ("day", "week", "month"))
        return _Fuel(card, periods, f"{self._topic}/SENSOR/{kind}meter", self._settings.stale[kind == "gas"])

    def accept(self, reading: Reading) -> None:
        """One value."""
        for fuel in self._fuels.values():
            if fuel.latest.card.id == reading.register.meter:
                fuel.latest.accept(reading)

    def flush(self, meter: str) -> None:
        """The telegram is over: note what the register stands at."""
        for kind, fuel in self._fuels.items():
            latest = fuel.latest
            if latest.card.id != meter or latest.time is None or not latest.fresh:
                continue
            latest.fresh = False
            kwh = fuel.energy(latest.complete())
            if kwh is None:
                continue
            midnight = fuel.periods.feed(latest.time, kwh)
            if midnight and self._settings.calendar == "local":
                message = self._sensor(kind, fuel, midnight, fuel.periods.bases["day"])
                self._boundaries += [message] if message else []

    def silent(self, meter: str) -> None:
        """Silence is judged by the age of the last answer, see `messages`."""

    def messages(self, now: datetime) -> Iterator[Out]:
        """What one cycle publishes: topic, payload, retained."""
        settings = self._settings
        state = payloads.state(self._dialect, self.device, now, settings.rssi, settings.lqi)
        yield f"{self._topic}/STATE", state, settings.retain_state
        boundaries, self._boundaries = self._boundaries, []
        yield from boundaries
        for kind in ("electricity", "gas"):
            if kind in self._fuels:
                yield from self._cycle(kind, self._fuels[kind], now)

    def _cycle(self, kind: str, fuel: _Fuel, now: datetime) -> Iterator[Out]:
        time = fuel.latest.time
        fresh = time is not None and now - time <= timedelta(seconds=fuel.stale)
        message = self._sensor(kind, fuel, time, None) if time and fresh else None
        if message:
            yield message
        if fuel.published and not fresh:
            yield availability(self._gateway, fuel.latest.card.id), b"offline", True
        elif message and not fuel.published:
            yield availability(self._gateway, fuel.latest.card.id), b"online", True
        fuel.published = message is not None

    def _sensor(self, kind: str, fuel: _Fuel, time: datetime, stood: Decimal | None) -> Out | None:
        """The message, or None where a value is missing that clients cannot do without. `stood`: at a day's start."""
        values = fuel.latest.complete()
        kwh = fuel.energy(values) if stood is None else stood
        supply = fuel.supply()
        if kwh is None or supply is None or "day" not in fuel.periods.bases:
            return None
        use = fuel.use(time, kwh)
        if kind == "electricity":
            if "export" not in values and "export" in fuel.latest.fields:
                return None
            payload = payloads.electricity(use, values.get("export", _NEVER_SOLD), values.get("power"), supply)
        elif self._dialect.volumes and "volume" not in values:
            return None
        else:
            payload = payloads.gas(self._dialect, use, values.get("volume"), supply)
        return fuel.sensor, payload, self._settings.retain_sensor

    async def run(self) -> None:
        """Publish a cycle, wait, and so on."""
        while True:
            for topic, payload, retain in self.messages(self._now()):
                await self._client.publish(topic, payload, qos=self._settings.qos, retain=retain)
            await asyncio.sleep(self._settings.cycle)
