"""Tools for engineers: the telegram workbench."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from metergate.station.web.bench import LIMIT, parse, parse_keys, take_apart
from metergate.station.web.views.gate import needs
from metergate.wire import protocols


@needs("archive.view_line")
def telegram(request: HttpRequest) -> HttpResponse:
    """Take a telegram apart. The key comes by POST only and appears in no address."""
    given = request.POST if request.method == "POST" else request.GET
    upload = request.FILES.get("file")
    text = upload.read(LIMIT).hex() if upload else given.get("hex", "")
    name = given.get("protocol", "")
    words: dict[str, object] = {
        "protocols": [(entry.name, entry.title) for entry in protocols().values()],
        "protocol": name,
        "hex": text,
    }
    if text.strip():
        try:
            data, keys = parse(text), parse_keys(request.POST.get("key", ""))
        except ValueError as error:
            return render(request, "web/telegram.html", words | {"wrong": str(error)}, status=400)
        link = f"{reverse('telegram')}?{urlencode({'protocol': name, 'hex': data.hex()})}"
        words |= {"hex": data.hex(" "), "result": take_apart(data, name, keys), "permalink": link}
    return render(request, "web/telegram.html", words)
