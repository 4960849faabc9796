"""Pages for what went wrong: what, where, what to do, and the id that the log has."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from metergate.station.web.middleware import current_id

log = logging.getLogger(__name__)


def _page(request: HttpRequest, status: int, what: str, next_step: str) -> HttpResponse:
    log.warning("%s %s answered with %s", request.method, request.path, status)
    words = {"status": status, "what": what, "next_step": next_step, "id": current_id(), "path": request.path}
    return render(request, "web/error.html", words, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400."""
    return _page(request, 400, _("The request cannot be understood"), _("Go back and check what you typed."))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403."""
    return _page(request, 403, _("You may not see this"), _("Ask an administrator for the role that may."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    return _page(request, 404, _("There is nothing at this address"), _("Check the address or search with /."))


def failed(request: HttpRequest) -> HttpResponse:
    """500."""
    return _page(request, 500, _("The station made a mistake"), _("Try again; if it stays, tell us the id below."))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was open too long, or that came from elsewhere."""
    return _page(request, 403, _("The form is no longer valid"), _("Load the page again and send it once more."))
