"""What the frame of every page needs: the rail, the estate, the lamp, theme and clock."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from metergate.model import Severity
from metergate.station.archive.models import Estate
from metergate.station.collect.models import Event
from metergate.station.staff.models import Operator
from metergate.station.web.nav import destinations

THEMES = {"light", "dark"}


def frame(request: HttpRequest) -> dict[str, object]:
    """The variables of `web/frame.html`."""
    theme = request.COOKIES.get("theme", "")
    words: dict[str, object] = {
        "theme": theme if theme in THEMES else "auto",
        "narrow": request.COOKIES.get("rail") == "narrow",
        "demo": settings.DEMO,
        "now": timezone.now(),
    }
    user = getattr(request, "user", None)
    if not isinstance(user, Operator) or user.room_id:
        return words
    estates = list(Estate.objects.with_facts())
    return words | {
        "destinations": destinations(user),
        "here": request.resolver_match.url_name if request.resolver_match else "",
        "estates": estates,
        "estate": chosen_estate(request, estates),
        "alarms": Event.objects.filter(acknowledged_at=None, severity__gte=Severity.FAULT).count(),
    }


def chosen_estate(request: HttpRequest, estates: list[Estate] | None = None) -> Estate | None:
    """The estate that the address names, else the one last chosen, else the first."""
    known = {estate.code: estate for estate in (Estate.objects.with_facts() if estates is None else estates)}
    code = request.GET.get("estate") or request.session.get("estate", "")
    if code in known and request.session.get("estate") != code:
        request.session["estate"] = code
    return known.get(code) or next(iter(known.values()), None)
