"""The app of this duty."""

from __future__ import annotations

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Name and label."""

    name = "metergate.station.jobs"
    label = "jobs"
