"""Customers, their accounts and contracts, and who lives where."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from metergate.station.archive.models.base import Dated, Kept
from metergate.station.archive.models.estate import Room, ServicePoint


class Customer(Kept):
    """A person or company that occupies rooms or pays."""

    code = models.CharField(max_length=24, unique=True)
    name = models.CharField(max_length=160)
    phone = models.CharField(max_length=32, blank=True)
    email = models.EmailField(blank=True)

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name


class Account(Kept):
    """What a customer owes and has paid is kept here."""

    class Mode(models.TextChoices):
        """Pay after or before."""

        POSTPAY = "postpay", _("Pay after use")
        PREPAY = "prepay", _("Pay before use")

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="accounts")
    code = models.CharField(max_length=24, unique=True)
    billing_cycle = models.CharField(max_length=16, default="month")
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.POSTPAY)
    payment_method = models.CharField(max_length=24, blank=True)
    deposit = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0))
    credit_level = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0))

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return self.code


class Contract(Dated):
    """An account pays for a service point by a tariff, for a period."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="contracts")
    service_point = models.ForeignKey(ServicePoint, models.PROTECT, related_name="contracts")
    tariff_code = models.CharField(max_length=40)
    persons = models.PositiveSmallIntegerField(null=True, blank=True)

    overlaps = (("service_point_id",),)

    class Meta(Dated.Meta):
        ordering = ("service_point", "valid_from")

    def __str__(self) -> str:
        return f"{self.account_id} {self.tariff_code}"


class Occupancy(Dated):
    """A customer occupies a room for a period; the owner where it is vacant."""

    room = models.ForeignKey(Room, models.PROTECT, related_name="occupancies")
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="occupancies")
    vacant = models.BooleanField(default=False)

    overlaps = (("room_id",),)

    class Meta(Dated.Meta):
        ordering = ("room", "valid_from")

    def __str__(self) -> str:
        return f"{self.customer_id} in {self.room_id}"
