"""What each role may: Django groups and permissions, kept in step with this table."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

_SEE_PLANT = ("archive.view_*", "collect.view_*", "jobs.view_*")
_WORK = ("collect.change_event", "jobs.add_*", "jobs.change_*")
ROLES: Mapping[str, tuple[str, ...]] = {
    "viewer": _SEE_PLANT,
    "engineer": (*_SEE_PLANT, *_WORK, "archive.add_*", "archive.change_*"),
    "operator": (*_SEE_PLANT, *_WORK, "archive.change_customer", "archive.add_occupancy"),
    "administrator": ("archive.*", "collect.*", "jobs.*", "staff.*", "access.*"),
    "household": (),
}
"""Role by name: `app.codename`, where `*` stands for anything. A household sees its own room without any permission."""


def keep_roles() -> None:
    """Make the groups and give each exactly its permissions."""
    for name, patterns in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(_matching(patterns))


def _matching(patterns: tuple[str, ...]) -> list[Permission]:
    if not patterns:
        return []
    wanted = Q()
    for pattern in patterns:
        app, code = pattern.split(".", 1)
        wanted |= Q(content_type__app_label=app, codename__startswith=code.rstrip("*"))
    return list(Permission.objects.filter(wanted))
