"""Who gets readings, besides the station: a publisher is one module and one line here.

Each is made with an MQTT client and its settings, is told of meters (`meter(card)`), takes values (`accept`), publishes
at the end of a telegram (`flush`), and does the rest in `run`.
"""

from __future__ import annotations

from metergate.publish.base import MeterCard, Mqtt, Publisher
from metergate.publish.glow import GlowPublisher, GlowSettings
from metergate.publish.homeassistant import HomeAssistantPublisher, HomeAssistantSettings
from metergate.publish.native import NativePublisher, NativeSettings
from metergate.publish.sparkplug import SparkplugPublisher, SparkplugSettings

PUBLISHERS: dict[str, type[Publisher]] = {
    "native": NativePublisher,
    "homeassistant": HomeAssistantPublisher,
    "glow": GlowPublisher,
    "sparkplug": SparkplugPublisher,
}

__all__ = [
    "PUBLISHERS",
    "GlowPublisher",
    "GlowSettings",
    "HomeAssistantPublisher",
    "HomeAssistantSettings",
    "MeterCard",
    "Mqtt",
    "NativePublisher",
    "NativeSettings",
    "Publisher",
    "SparkplugPublisher",
    "SparkplugSettings",
]
