"""Making and checking API tokens."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from metergate.station.access.models import ApiToken
from metergate.station.staff.models import Operator

PREFIX = "mgt_"
NOTED_EVERY = timedelta(minutes=5)


def issue(operator: Operator, name: str, expires_at: datetime | None = None) -> str:
    """Make a token and return it; it cannot be shown again."""
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(operator=operator, name=name, digest=digest(token), expires_at=expires_at)
    return token


def holder(token: str) -> Operator | None:
    """Who the token belongs to; None where it is unknown, expired, or its operator was locked out."""
    now = timezone.now()
    found = (
        ApiToken.objects.select_related("operator")
        .filter(Q(expires_at=None) | Q(expires_at__gt=now), digest=digest(token), operator__is_active=True)
        .first()
    )
    if found is None:
        return None
    if found.last_used is None or now - found.last_used > NOTED_EVERY:
        ApiToken.objects.filter(pk=found.pk).update(last_used=now)
    return found.operator


def digest(token: str) -> str:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
