"""Live parts of pages: sent only when they changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string

_TICKING = re.compile(r"(<time[^>]*data-ago[^>]*>)[^<]*")


def part(request: HttpRequest, template: str, words: Mapping[str, object]) -> HttpResponse:
    """The part, or 304 where the browser has it already. Ages in words do not count: the browser counts
    them itself."""
    html = render_to_string(template, dict(words), request)
    settled = _TICKING.sub(r"\1", html)
    tag = f'"{hashlib.sha256(settled.encode()).hexdigest()[:16]}"'
    if request.headers.get("If-None-Match") in {tag, f"W/{tag}"}:
        return HttpResponseNotModified(headers={"ETag": tag})
    return HttpResponse(html, headers={"ETag": tag, "Cache-Control": "no-store"})
