"""Meters, their registers, and where a meter hung when."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from metergate.station.archive.models.base import Dated, Kept
from metergate.station.archive.models.estate import Medium, ServicePoint


class Meter(Kept):
    """A device. `identity` is what its telegrams call it; a meter first seen on a bus has no installation yet."""

    class Kind(models.TextChoices):
        """How it measures."""

        DIRECT = "direct", _("Direct")
        CT = "ct", _("Current transformer")
        PREPAID = "prepaid", _("Prepaid")
        IC_CARD = "ic_card", _("IC card")
        MULTIUSER = "multiuser", _("Multi-user")

    identity = models.CharField(max_length=64, unique=True)
    serial = models.CharField(max_length=64)
    maker = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=64, blank=True)
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    medium = models.CharField(max_length=12, choices=Medium, blank=True)
    protocol = models.CharField(max_length=24, blank=True)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.DIRECT)
    calibration_valid_to = models.DateField(null=True, blank=True)
    first_seen = models.DateTimeField(null=True, blank=True)
    first_gateway = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("identity",)

    def __str__(self) -> str:
        return self.serial


class Register(models.Model):
    """One register of a meter. `key` is its name in telegrams, for ever; `id` its number in load profiles."""

    class Kind(models.TextChoices):
        """How its values behave."""

        COUNTER = "counter", _("Counter")
        GAUGE = "gauge", _("Momentary value")

    class Basis(models.TextChoices):
        """Which side of the transformer it counts."""

        SECONDARY = "secondary", _("Secondary")
        PRIMARY = "primary", _("Primary")

    id = models.BigAutoField(primary_key=True)
    meter = models.ForeignKey(Meter, models.PROTECT, related_name="registers")
    key = models.CharField(max_length=160, unique=True)
    obis = models.CharField(max_length=24, blank=True)
    name = models.CharField(max_length=80, blank=True)
    unit = models.CharField(max_length=12, blank=True)
    scaler = models.SmallIntegerField(default=0)
    period_s = models.PositiveIntegerField(default=900)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.COUNTER)
    direction = models.CharField(max_length=8, blank=True)
    digits = models.PositiveSmallIntegerField(null=True, blank=True)
    basis = models.CharField(max_length=10, choices=Basis, default=Basis.SECONDARY)
    billing = models.BooleanField(default=False)

    class Meta:
        ordering = ("meter", "obis", "key")
        constraints = (models.CheckConstraint(condition=Q(period_s__gt=0), name="archive_register_period_is_positive"),)

    def __str__(self) -> str:
        return self.name or self.obis or self.key


class Installation(Dated):
    """A meter at a service point for a period, with the factor that holds there and then."""

    meter = models.ForeignKey(Meter, models.PROTECT, related_name="installations")
    service_point = models.ForeignKey(ServicePoint, models.PROTECT, related_name="installations")
    register_role = models.CharField(max_length=12, default="billing")
    start_reading = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    end_reading = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    ct = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(1))
    pt = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(1))
    phase_factor = models.PositiveSmallIntegerField(default=1)
    reason = models.CharField(max_length=200, blank=True)

    overlaps = (("meter_id",), ("service_point_id", "register_role"))

    class Meta(Dated.Meta):
        ordering = ("service_point", "valid_from")
        indexes = (
            models.Index(fields=("service_point", "superseded_at")),
            models.Index(fields=("meter", "superseded_at")),
        )
        constraints = (
            *Dated.Meta.constraints,
            models.CheckConstraint(condition=Q(phase_factor__in=(1, 3)), name="archive_installation_phase_is_1_or_3"),
            models.CheckConstraint(condition=Q(ct__gt=0, pt__gt=0), name="archive_installation_ratio_is_positive"),
        )

    def __str__(self) -> str:
        return f"{self.meter_id} @ {self.service_point_id}"

    @property
    def factor(self) -> Decimal:
        """What register differences are multiplied by."""
        return self.ct * self.pt * self.phase_factor
