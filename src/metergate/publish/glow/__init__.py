"""Glow-compatible local MQTT: our gateway as a display, and a real display as a source of readings."""

from metergate.publish.glow.payloads import DIALECTS, UNKNOWN_POWER, Consumption, Supply
from metergate.publish.glow.publisher import GlowPublisher, GlowSettings, device_id
from metergate.publish.glow.reader import GlowHealth, GlowReader, GlowSample

__all__ = [
    "DIALECTS",
    "UNKNOWN_POWER",
    "Consumption",
    "GlowHealth",
    "GlowPublisher",
    "GlowReader",
    "GlowSample",
    "GlowSettings",
    "Supply",
    "device_id",
]
