"""What tables of the archive share: ULIDs, and rows that hold for a period."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from metergate.station.archive.ulid import UlidField


class Kept(models.Model):
    """A row with a ULID."""

    id = UlidField(primary_key=True)

    class Meta:
        abstract = True


class DatedQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Asks for what held at one instant, as it was known at another."""

    def known(self, recorded: datetime | None = None) -> Self:
        """What the station believes now, or believed at `recorded`."""
        if recorded is None:
            return self.filter(superseded_at=None)
        return self.filter(Q(superseded_at=None) | Q(superseded_at__gt=recorded), recorded_at__lte=recorded)

    def as_of(self, valid: datetime, recorded: datetime | None = None) -> Self:
        """What held at `valid`, as known now or at `recorded`."""
        return self.known(recorded).filter(Q(valid_to=None) | Q(valid_to__gt=valid), valid_from__lte=valid)

    def current(self) -> Self:
        """What holds now."""
        return self.as_of(timezone.now())


class Dated(Kept):
    """A row that holds in `[valid_from, valid_to)` and is believed from `recorded_at` until `superseded_at`.

    Rows are never changed: `services` supersedes one and writes its successor; the database refuses anything else.
    """

    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)
    superseded_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[Any] = DatedQuerySet.as_manager()
    overlaps: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Columns within which periods of believed rows must not overlap; the guards enforce it in the database."""

    class Meta:
        abstract = True
        constraints: ClassVar[list[models.BaseConstraint] | tuple[models.BaseConstraint, ...]] = (
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gt=F("valid_from")),
                name="%(app_label)s_%(class)s_ends_after_it_begins",
            ),
        )
