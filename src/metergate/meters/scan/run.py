"""Probes on a line: opened for each protocol and speed, closed again whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from metergate.errors import LinkError, MetergateError
from metergate.links import Link, open_link
from metergate.links.address import Address
from metergate.meters.driver import Line
from metergate.meters.scan.base import Probe, Survey
from metergate.meters.usual import usual_address


def at_speed(url: str, protocol: str, baud: int | None) -> str:
    """The line's address for a protocol, at a speed of its own or at the usual one."""
    parsed = Address.parse(url)
    if baud is None or parsed.scheme != "serial":
        return usual_address(url, protocol)
    rest = {name: value for name, value in parsed.settings.items() if name != "baud"} | {"baud": str(baud)}
    settings = "&".join(f"{name}={value}" for name, value in rest.items())
    return usual_address(f"{url.partition('?')[0]}?{settings}", protocol)


async def scan(
    url: str, probes: Mapping[str, Probe], bauds: Sequence[int | None], surveys: dict[str, Survey], survey: Survey
) -> None:
    """Look for meters: every protocol of `probes` at every speed. What is found is put into `surveys` by the address of
    the line as soon as it is known, made like `survey`; so it is there whenever this is cancelled.

    LinkError or ConfigError if the line cannot be opened.
    """
    seen: set[tuple[str, str]] = set()
    for protocol, probe in probes.items():
        for baud in bauds:
            where = at_speed(url, protocol, baud)
            if (protocol, where) in seen:
                continue
            seen.add((protocol, where))
            mine = surveys.setdefault(where, Survey())
            udp = Address.parse(where).scheme == "udp"
            mine.scope, mine.tell = replace(survey.scope, datagrams=udp), survey.tell
            await _hold(await open_link(where), protocol, probe, mine)


async def _hold(link: Link, protocol: str, probe: Probe, survey: Survey) -> None:
    line = Line(link, echo=survey.scope.echo)
    try:
        await line.ask(probe(survey))
    except LinkError:
        raise
    except MetergateError as error:
        survey.problem(f"{protocol}: {error}")
    finally:
        await asyncio.shield(line.close())
