"""The archive: who and what there is, since when, and how we know."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ArchiveConfig(AppConfig):
    """The app of the archive; its guards go into the database after each migration."""

    name = "metergate.station.archive"
    label = "archive"
    verbose_name = "Archive"

    def ready(self) -> None:
        """Hang the guards behind `migrate`."""
        from metergate.station.archive.guards import install

        post_migrate.connect(install, sender=self)
