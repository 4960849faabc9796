"""The rail: one line a destination, shown to whoever may go there."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from metergate.station.staff.models import Operator


@dataclass(frozen=True, slots=True)
class Destination:
    """`view` is the name of the address; `permission` what one needs to see it; `phone`: in the bottom bar."""

    view: str
    icon: str
    title: str | Promise
    permission: str
    phone: bool = True


DESTINATIONS = (
    Destination("overview", "layout-dashboard", _("Overview"), "collect.view_latest"),
    Destination("estate", "building-2", _("Estate"), "archive.view_room"),
    Destination("readings", "gauge", _("Readings"), "collect.view_latest"),
    Destination("events", "bell", _("Alarms"), "collect.view_event"),
    Destination("lines", "network", _("Lines"), "archive.view_line"),
    Destination("jobs", "list-checks", _("Jobs"), "jobs.view_job", phone=False),
    Destination("new-devices", "radar", _("New devices"), "archive.view_meter", phone=False),
    Destination("telegram", "wrench", _("Tools"), "archive.view_line", phone=False),
)


def destinations(user: Operator | AnonymousUser) -> list[Destination]:
    """What this operator may see, in order."""
    return [place for place in DESTINATIONS if user.is_authenticated and user.has_perm(place.permission)]
