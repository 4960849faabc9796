"""Sign in, sign out, choose a password."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from metergate.station.staff.models import Operator
from metergate.station.staff.services import change_password
from metergate.station.staff.throttle import locked


class SignIn(LoginView):
    """The page with two fields."""

    template_name = "staff/sign_in.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Say whether the brake is on, and whether this is the demo."""
        words = super().get_context_data(**kwargs)
        name = self.request.POST.get("username", "")
        wait = bool(name) and locked(name, self.request.META.get("REMOTE_ADDR"))
        return words | {"demo": settings.DEMO, "locked": wait}


@login_required
def new_password(request: HttpRequest) -> HttpResponse:
    """Choose a password; it stays the same session."""
    operator = request.user
    assert isinstance(operator, Operator)
    form = SetPasswordForm(operator, request.POST or None)
    if request.method == "POST" and form.is_valid():
        change_password(operator, form.cleaned_data["new_password1"])
        update_session_auth_hash(request, operator)
        return redirect("overview")
    return render(request, "staff/new_password.html", {"form": form})
