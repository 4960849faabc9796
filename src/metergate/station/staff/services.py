"""Operators come, go and change their passwords here."""

from __future__ import annotations

import secrets

from django.contrib.auth.models import Group
from django.db import transaction

from metergate.station.archive.models import Room
from metergate.station.staff.models import Operator
from metergate.station.staff.roles import keep_roles

_WORDS = (
    *("amber", "bolt", "cedar", "delta", "ember", "flint", "grove", "harbor", "iron"),
    *("jasper", "kelp", "linden", "maple", "north", "opal", "pine", "quartz", "river"),
)


@transaction.atomic
def create_operator(name: str, role: str = "operator", room: Room | None = None, password: str | None = None) -> str:
    """Add an operator and return the password; a made-up one must be changed at first sign-in."""
    keep_roles()
    given = password or one_time_password()
    operator = Operator(username=name, must_change_password=password is None, room=room)
    operator.is_superuser = operator.is_staff = role == "administrator"
    operator.set_password(given)
    operator.save()
    operator.groups.add(Group.objects.get(name=role))
    return given


def one_time_password() -> str:
    """Four words and a number: about 30 bits behind a brake, and only until the first sign-in."""
    words = "-".join(secrets.choice(_WORDS) for _ in range(4))
    return f"{words}-{secrets.randbelow(9000) + 1000}"


def change_password(operator: Operator, password: str) -> None:
    """Set a password that the operator chose."""
    operator.set_password(password)
    operator.must_change_password = False
    operator.save(update_fields=["password", "must_change_password"])
