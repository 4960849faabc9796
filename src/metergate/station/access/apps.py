"""The app of this duty."""

from __future__ import annotations

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Name and label."""

    name = "metergate.station.access"
    label = "access"
