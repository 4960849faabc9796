"""Around every answer: an id that the log shows too, and a Content-Security-Policy without inline anything."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_current: ContextVar[str] = ContextVar("request_id", default="-")


def current_id() -> str:
    """The id of the request being answered, "-" outside of one."""
    return _current.get()


def request_id(get_response: Handler) -> Handler:
    """Give each request an id; pages of errors and the log both show it."""

    def handle(request: HttpRequest) -> HttpResponse:
        token = _current.set(secrets.token_hex(4))
        try:
            response = get_response(request)
            response["X-Request-ID"] = _current.get()
            return response
        finally:
            _current.reset(token)

    return handle


def content_security_policy(get_response: Handler) -> Handler:
    """Put the policy on every answer."""

    def handle(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        return response

    return handle


class RequestId(logging.Filter):
    """Puts the request's id on log lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add it."""
        record.request_id = _current.get()
        return True
