"""An operator with a one-time password chooses a new one before anything else."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from metergate.station.staff.models import Operator

Handler = Callable[[HttpRequest], HttpResponse]


def new_password_first(get_response: Handler) -> Handler:
    """Send everybody whose password was given by somebody else to the page where it is changed."""

    def handle(request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, Operator) and user.must_change_password and not _open(request.path):
            return redirect("new-password")
        return get_response(request)

    return handle


def _open(path: str) -> bool:
    return path in {reverse("new-password"), reverse("sign-out"), reverse("healthz")} or path.startswith("/static/")
