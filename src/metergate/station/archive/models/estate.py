"""The tree of places: estate, building, staircase, floor, room, service point."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from metergate.station.archive.models.base import Kept
from metergate.station.archive.models.facts import FactsQuerySet, RoleChoices


class Medium(models.TextChoices):
    """What is delivered at a service point."""

    ELECTRICITY = "electricity", _("Electricity")
    COLD_WATER = "cold_water", _("Cold water")
    HOT_WATER = "hot_water", _("Hot water")
    GAS = "gas", _("Gas")
    HEAT = "heat", _("Heat")


class Estate(Kept):
    """A set of buildings with one calendar, currency and language. Its name is dated: `EstateFacts`, `with_facts`."""

    code = models.CharField(max_length=16, unique=True)
    tz = models.CharField(max_length=64, default="Europe/Berlin")
    currency = models.CharField(max_length=3, default="EUR")
    locale = models.CharField(max_length=16, default="en")
    holiday_calendar = models.CharField(max_length=16, blank=True)

    objects: ClassVar[Any] = FactsQuerySet.as_manager()

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.code

    @cached_property
    def name(self) -> str:
        """What it is called: from `with_facts`, else what it is called now; its code where it has no name."""
        held = self.facts.current().values_list("name", flat=True)
        return str(held.first() or self.code)

    @property
    def zone(self) -> ZoneInfo:
        """The estate's time zone: its days and months are counted in it."""
        return ZoneInfo(self.tz)


class Building(Kept):
    """A house of the estate."""

    estate = models.ForeignKey(Estate, models.PROTECT, related_name="buildings")
    code = models.CharField(max_length=24, unique=True)
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name or str(_("Building %(number)s")) % {"number": self.number}


class Staircase(Kept):
    """A unit of a building: the rooms that share a door and stairs."""

    building = models.ForeignKey(Building, models.PROTECT, related_name="staircases")
    code = models.CharField(max_length=32, unique=True)
    number = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.code


class Floor(Kept):
    """One storey of a staircase; 0 is the ground floor, below is negative."""

    staircase = models.ForeignKey(Staircase, models.PROTECT, related_name="floors")
    code = models.CharField(max_length=40, unique=True)
    number = models.SmallIntegerField()

    class Meta:
        ordering = ("staircase", "-number")

    def __str__(self) -> str:
        return self.code


class Room(Kept):
    """A flat, shop or plant room: what a household is to the station. Its size is dated: `RoomFacts`, `with_facts`."""

    class Usage(models.TextChoices):
        """What the room is for."""

        DWELLING = "dwelling", _("Dwelling")
        SHOP = "shop", _("Shop")
        PUBLIC = "public", _("Public")
        PLANT = "plant", _("Plant room")

    floor = models.ForeignKey(Floor, models.PROTECT, related_name="rooms")
    code = models.CharField(max_length=56, unique=True)
    number = models.CharField(max_length=12)
    usage_nature = models.CharField(max_length=12, choices=Usage, default=Usage.DWELLING)

    objects: ClassVar[Any] = FactsQuerySet.as_manager()

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.number


class ServicePoint(Kept):
    """Where one medium is delivered and measured. What it is for is dated: `PointFacts`, `with_facts`."""

    Role = RoleChoices

    room = models.ForeignKey(Room, models.PROTECT, related_name="service_points")
    code = models.CharField(max_length=64, unique=True)
    medium = models.CharField(max_length=12, choices=Medium)
    role: str
    """From `with_facts`."""
    rating = models.DecimalField(max_digits=12, decimal_places=3, null=True, blank=True)
    max_flow = models.DecimalField(max_digits=12, decimal_places=3, null=True, blank=True)

    objects: ClassVar[Any] = FactsQuerySet.as_manager()

    class Meta:
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(condition=Q(medium__in=Medium.values), name="archive_servicepoint_medium_is_known"),
        )

    def __str__(self) -> str:
        return self.code
