"""What holds of places for a time: an estate's name, a room's area and persons, what a service point is for."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from metergate.station.archive.models.base import Dated


class RoleChoices(models.TextChoices):
    """What a measurement is for."""

    SUB = "sub", _("Sub-meter")
    MASTER = "master", _("Master meter")
    PUBLIC = "public", _("Public supply")
    CHECK = "check", _("Check meter")


class EstateFacts(Dated):
    """What an estate is called, for a period."""

    FACTS: ClassVar[tuple[str, ...]] = ("name",)

    estate = models.ForeignKey("archive.Estate", models.CASCADE, related_name="facts")
    name = models.CharField(max_length=120)

    overlaps = (("estate_id",),)

    class Meta(Dated.Meta):
        ordering = ("estate", "valid_from")

    def __str__(self) -> str:
        return f"{self.name} since {self.valid_from}"


class RoomFacts(Dated):
    """A room's size and how many live there, for a period."""

    FACTS: ClassVar[tuple[str, ...]] = ("area_m2", "persons")

    room = models.ForeignKey("archive.Room", models.CASCADE, related_name="facts")
    area_m2 = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    persons = models.PositiveSmallIntegerField(null=True, blank=True)

    overlaps = (("room_id",),)

    class Meta(Dated.Meta):
        ordering = ("room", "valid_from")

    def __str__(self) -> str:
        return f"{self.room_id} since {self.valid_from}"


class PointFacts(Dated):
    """What a service point is for, above which other it is measured, and what protects its supply, for a period."""

    FACTS: ClassVar[tuple[str, ...]] = ("role", "parent_id", "protected_class", "hold_supply")

    service_point = models.ForeignKey("archive.ServicePoint", models.CASCADE, related_name="facts")
    role = models.CharField(max_length=8, choices=RoleChoices, default=RoleChoices.SUB)
    parent = models.ForeignKey("archive.ServicePoint", models.PROTECT, null=True, blank=True, related_name="children")
    protected_class = models.CharField(max_length=24, blank=True)
    hold_supply = models.BooleanField(default=False)

    overlaps = (("service_point_id",),)

    class Meta(Dated.Meta):
        ordering = ("service_point", "valid_from")
        constraints = (
            *Dated.Meta.constraints,
            models.CheckConstraint(
                condition=~models.Q(parent=models.F("service_point")), name="archive_pointfacts_is_not_its_parent"
            ),
        )

    def __str__(self) -> str:
        return f"{self.service_point_id} {self.role} since {self.valid_from}"


class FactsQuerySet(models.QuerySet):  # type: ignore[type-arg]
    """Places with what held of them."""

    def with_facts(self, valid: datetime | None = None, recorded: datetime | None = None) -> Self:
        """With the facts of an instant (now), as known now or at another, as attributes of their names."""
        field: Any = self.model._meta.get_field("facts")
        table = field.related_model
        held = table.objects.as_of(valid or timezone.now(), recorded).filter(**{field.field.name: OuterRef("pk")})
        return self.annotate(**{name: Subquery(held.order_by().values(name)[:1]) for name in table.FACTS})
