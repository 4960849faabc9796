"""The app of this duty."""

from __future__ import annotations

from django.apps import AppConfig


class CollectConfig(AppConfig):
    """Name and label."""

    name = "metergate.station.collect"
    label = "collect"
