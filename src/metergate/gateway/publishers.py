"""The publishers that a gateway's settings ask for, and the sink that feeds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo

from metergate.gateway.hub import MeterState, Sink
from metergate.gateway.settings import Settings
from metergate.links.mqtt import MqttClient
from metergate.model import Reading
from metergate.publish.base import MeterCard, Publisher


def _native(settings: Settings, client: MqttClient) -> Publisher | None:
    from metergate.publish.native import NativePublisher, NativeSettings

    wanted = settings.publish.native
    if not wanted.enabled:
        return None
    zone = ZoneInfo(settings.timezone)
    return NativePublisher(client, NativeSettings(settings.id, float(wanted.interval), float(wanted.totals), zone))


def _glow(settings: Settings, client: MqttClient) -> Publisher | None:
    wanted = settings.publish.glow
    if wanted is None or not wanted.enabled:
        return None
    from metergate.publish.glow import GlowPublisher, GlowSettings

    glow = GlowSettings(
        device=wanted.id,
        prefix=wanted.prefix,
        dialect=wanted.dialect,
        calendar=wanted.calendar,
        zone=ZoneInfo(settings.timezone),
        cycle=float(wanted.cycle),
        electricity=wanted.electricity,
        gas=wanted.gas,
    )
    return GlowPublisher(client, glow, settings.id)


def _homeassistant(settings: Settings, client: MqttClient) -> Publisher | None:
    wanted = settings.publish.homeassistant
    if not wanted.enabled:
        return None
    from metergate.publish.homeassistant import HomeAssistantPublisher, HomeAssistantSettings

    return HomeAssistantPublisher(client, HomeAssistantSettings(settings.id, wanted.prefix, wanted.mode))


MAKERS: dict[str, Callable[[Settings, MqttClient], Publisher | None]] = {
    "native": _native,
    "homeassistant": _homeassistant,
    "glow": _glow,
}
"""By name; each imports its publisher only when it is wanted."""


def make_publishers(settings: Settings, client: MqttClient) -> list[Publisher]:
    """Those that are wanted."""
    made = (maker(settings, client) for maker in MAKERS.values())
    return [publisher for publisher in made if publisher is not None]


def card(meter: MeterState) -> MeterCard:
    """What publishers tell of a meter."""
    identity, given = meter.identity, meter.settings
    return MeterCard(
        meter.id,
        meter.name,
        identity.medium,
        identity.manufacturer,
        identity.model or meter.map or None,
        mpan=given.mpan,
        supplier=given.supplier,
        unit_rate=given.unit_rate,
        standing_charge=given.standing_charge,
        currency=given.currency,
        kwh_per_m3=given.kwh_per_m3,
        sensors=given.sensors,
    )


class PublisherSink(Sink):
    """Feeds publishers."""

    name = "publishers"

    def __init__(self, publishers: Iterable[Publisher]) -> None:
        self._publishers = list(publishers)

    def meter(self, meter: MeterState) -> None:
        """See `Sink`."""
        for publisher in self._publishers:
            publisher.meter(card(meter))

    def accept(self, meter: MeterState, readings: tuple[Reading, ...]) -> None:
        """See `Sink`."""
        for publisher in self._publishers:
            for reading in readings:
                publisher.accept(reading)
            publisher.flush(meter.id)

    def silent(self, meter: MeterState) -> None:
        """See `Sink`."""
        for publisher in self._publishers:
            publisher.silent(meter.id)
