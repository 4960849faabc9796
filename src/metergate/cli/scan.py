"""`metergate scan`: what is on a line, written as a gateway's settings."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from metergate.cli.usage import Usage, meant
from metergate.errors import ConfigError

if TYPE_CHECKING:
    from metergate.meters.scan import Survey

NETWORK = {"modbus-tcp": ("tcp", "tls"), "dlms-wrapper": ("tcp", "tls", "udp")}
"""Protocols that have a line of their own kind."""


def scan(
    url: str,
    /,
    *,
    protocol: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    baud: Annotated[list[int] | None, Parameter(consume_multiple=True)] = None,
    first: int = 1,
    last: int = 247,
    timeout: float | None = None,
    secondary: bool = True,
    thorough: bool = False,
    echo: bool = False,
    output: Path | None = None,
) -> None:
    """Find the meters on a line and write the gateway's settings for them.

    What is found is kept when Ctrl-C stops the search.

    Examples:

        metergate scan /dev/ttyUSB0 --protocol mbus --baud 2400 300

        metergate scan tcp://192.0.2.7:502 --protocol modbus-tcp --last 10

    Parameters
    ----------
    url
        The line: `/dev/ttyUSB0`, `tcp://host:port` ...
    protocol
        What to look for; without it everything that can be looked for.
    baud
        Speeds to try, one after the other; without it each protocol's usual one.
    first
        The first numbered address (M-Bus, Modbus).
    last
        The last one.
    timeout
        How long to wait for each answer, seconds; without it as long as the protocol needs.
    secondary
        Also search M-Bus by number, which takes longer and finds meters that share an address.
    thorough
        Also ask Modbus units that keep silent for what the known models have: takes many times longer, finds
        those that say nothing where they have no register.
    echo
        The adapter repeats what is sent.
    output
        Write the settings to a new file instead of printing them.
    """
    from metergate.meters.scan import Scope

    scope = Scope(first, last, timeout, secondary, echo, thorough=thorough)
    surveys: dict[str, Survey] = {}
    _writable(output)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(search(url, protocol, baud, scope, surveys))
    except BaseException:
        if any(survey.hits for survey in surveys.values()):
            _write(surveys, output)
        raise
    _write(surveys, output)


async def search(
    url: str, protocols: list[str] | None, bauds: list[int] | None, scope: object, surveys: dict[str, Survey]
) -> None:
    """As `scan`, into `surveys`. Usage for a protocol that cannot be looked for."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from metergate.meters.scan import PROBES, Scope, Survey
    from metergate.meters.scan import scan as hold

    assert isinstance(scope, Scope)
    for name in protocols or ():
        if name not in PROBES:
            raise Usage(f"no probe for {name!r}; {meant(name, PROBES)}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        for name in protocols or _fitting(url):
            task = bar.add_task(name, total=None)

            def tell(what: str, done: int, of: int, task: object = task, name: str = name) -> None:
                bar.update(task, description=f"{name}, {what}", completed=done, total=of)  # type: ignore[arg-type]

            await hold(url, {name: PROBES[name]}, bauds or [None], surveys, Survey(scope, tell))
            bar.remove_task(task)


def _fitting(url: str) -> list[str]:
    """Those of the line's kind; what has no line of its own kind may hang behind any converter."""
    from metergate.links.address import Address
    from metergate.meters.scan import PROBES

    kind = Address.parse(url).scheme
    return [name for name in PROBES if kind in NETWORK.get(name, (kind,))]


def _writable(output: Path | None) -> None:
    """ConfigError, before a long search, where its result could not be kept; settings are never overwritten."""
    if output is None:
        return
    if output.exists():
        raise ConfigError(f"{output} is there already: give another file")
    if not os.access(output.absolute().parent, os.W_OK):
        raise ConfigError(f"{output} cannot be written: {output.absolute().parent} is no folder of yours")


def _write(surveys: dict[str, Survey], output: Path | None) -> None:
    from metergate.meters.scan import settings

    text = settings(surveys)
    count = sum(len(survey.hits) for survey in surveys.values())
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, "utf-8")
    print(f"{count} meter{'' if count == 1 else 's'} found", file=sys.stderr)
