"""The app of this duty."""

from __future__ import annotations

from django.apps import AppConfig


class StaffConfig(AppConfig):
    """Name and label."""

    name = "metergate.station.staff"
    label = "staff"
