"""Connections to the broker by the settings."""

from __future__ import annotations

from collections.abc import Callable

from metergate.gateway.settings import Mqtt
from metergate.links.mqtt import MqttClient, Tls, Will, read_password


def client_of(
    mqtt: Mqtt, client_id: str, will: Will | Callable[[], Will] | None = None, suffix: str = ""
) -> MqttClient:
    """An MQTT client by the settings. ConfigError: address, password file or TLS files."""
    return MqttClient(
        mqtt.url,
        f"{mqtt.client_id}{suffix}" if mqtt.client_id else client_id,
        password=read_password(mqtt.password_file),
        tls=Tls(mqtt.ca, mqtt.cert, mqtt.key),
        plain=mqtt.plain,
        will=will,
        keepalive=mqtt.keepalive,
        linger=0.0,
    )
