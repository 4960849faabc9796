"""Operators, and the sign-ins that failed."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from metergate.station.archive.models import Room


class Operator(AbstractUser):
    """Whoever signs in. With `room` set it is a household, which sees that room and nothing else."""

    must_change_password = models.BooleanField(default=False)
    room = models.ForeignKey(Room, models.SET_NULL, null=True, blank=True, related_name="household_users")


class FailedSignIn(models.Model):
    """A wrong password, by name and address; they slow down whoever guesses."""

    username = models.CharField(max_length=150)
    address = models.GenericIPAddressField(null=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        indexes = (models.Index(fields=("username", "at")),)

    def __str__(self) -> str:
        return f"{self.username} {self.at}"
