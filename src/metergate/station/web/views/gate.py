"""Who may see a page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from metergate.station.staff.models import Operator

View = Callable[..., HttpResponse]


def needs(permission: str) -> Callable[[View], View]:
    """The page wants an operator with this permission; a household is sent to its own display."""

    def wrap(view: View) -> View:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            user = request.user
            if isinstance(user, Operator) and user.room is not None:
                return redirect("display", user.room.code)
            if not user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return wrap
