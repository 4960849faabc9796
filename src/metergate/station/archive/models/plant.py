"""The plant: gateway, line, collector, channel."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from metergate.station.archive.models.base import Dated, Kept
from metergate.station.archive.models.estate import Estate
from metergate.station.archive.models.metering import Meter


class Gateway(Kept):
    """An edge device that reads meters and speaks MQTT to the station."""

    estate = models.ForeignKey(Estate, models.PROTECT, null=True, blank=True, related_name="gateways")
    name = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.title or self.name


class Line(Kept):
    """A wire or radio channel on which collectors or meters answer."""

    estate = models.ForeignKey(Estate, models.PROTECT, related_name="lines")
    gateway = models.ForeignKey(Gateway, models.PROTECT, null=True, blank=True, related_name="lines")
    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=120, blank=True)
    port = models.CharField(max_length=120)
    protocol = models.CharField(max_length=24, blank=True)
    baud = models.PositiveIntegerField(default=9600)
    format = models.CharField(max_length=3, default="8E1")

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name or self.code


class Collector(Kept):
    """The unit on a line that polls the meters of a staircase."""

    class Power(models.TextChoices):
        """What feeds it."""

        MAINS = "mains", _("Mains")
        UPS = "ups", _("Mains with battery")

    line = models.ForeignKey(Line, models.PROTECT, related_name="collectors")
    code = models.CharField(max_length=40, unique=True)
    address = models.PositiveIntegerField()
    serial = models.CharField(max_length=32, blank=True)
    power = models.CharField(max_length=8, choices=Power, default=Power.MAINS)

    class Meta:
        ordering = ("line", "address")
        constraints = (
            models.UniqueConstraint(fields=("line", "address"), name="archive_collector_address_is_its_own"),
            models.CheckConstraint(
                condition=models.Q(address__gte=1, address__lte=65534), name="archive_collector_address_is_possible"
            ),
        )

    def __str__(self) -> str:
        return self.code


class Channel(Dated):
    """What hangs on one terminal of a collector, or directly on a line, for a period."""

    class Kind(models.TextChoices):
        """What it is."""

        METER = "meter", _("Meter")
        GAS_ALARM = "gas_alarm", _("Gas alarm")
        VALVE = "valve", _("Valve")

    line = models.ForeignKey(Line, models.PROTECT, related_name="channels")
    collector = models.ForeignKey(Collector, models.PROTECT, null=True, blank=True, related_name="channels")
    number = models.PositiveSmallIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.METER)
    meter = models.ForeignKey(Meter, models.PROTECT, null=True, blank=True, related_name="channels")

    overlaps = (("collector_id", "number"), ("meter_id",))

    class Meta(Dated.Meta):
        ordering = ("line", "collector", "number")
        indexes = (models.Index(fields=("meter", "superseded_at")),)

    def __str__(self) -> str:
        return f"{self.collector or self.line}/{self.number}"
