"""The app of this duty."""

from __future__ import annotations

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Name and label."""

    name = "metergate.station.web"
    label = "web"
