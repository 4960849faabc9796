"""Sign-in with a brake: after five wrong passwords for a name, or twenty from an address, it waits 15 minutes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.utils import timezone

from metergate.station.staff.models import FailedSignIn, Operator

WINDOW = timedelta(minutes=15)
BY_NAME = 5
BY_ADDRESS = 20


class ThrottledBackend(ModelBackend):
    """Django's own backend that refuses to look at a password while the brake is on."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Operator | None:
        """The operator, or None; a failure is noted."""
        if username is None or password is None:
            return None
        address = request.META.get("REMOTE_ADDR") if request else None
        if locked(username, address):
            return None
        found = super().authenticate(request, username=username, password=password, **kwargs)
        if found is None:
            FailedSignIn.objects.create(username=username[:150], address=address or None)
            return None
        FailedSignIn.objects.filter(username=username).delete()
        return found if isinstance(found, Operator) else None


def locked(username: str, address: str | None) -> bool:
    """Whether the brake is on for this name or this address."""
    recent = FailedSignIn.objects.filter(at__gt=timezone.now() - WINDOW)
    if recent.filter(username=username).count() >= BY_NAME:
        return True
    return bool(address) and recent.filter(address=address).count() >= BY_ADDRESS
