"""`metergate demo`: the whole street in one command."""

from __future__ import annotations

import asyncio
from pathlib import Path

from metergate.cli.usage import Usage


def demo(*, state: Path = Path("metergate-demo"), web: int = 8080, mqtt: int = 1883, days: int = 396) -> None:
    """A street being metered, live, on this machine: 24 flats, a house and a laboratory, over the real protocols.

    Example:

        metergate demo --state street --days 30

    Parameters
    ----------
    state
        Folder in which everything is kept; a second start goes on with the same history.
    web
        Port of the pages; if it is taken, another one.
    mqtt
        Port of the broker; if it is taken, another one.
    days
        Days of history that the first start makes.
    """
    if days < 1:
        raise Usage(f"--days {days}: at least 1")
    for option, port in (("--web", web), ("--mqtt", mqtt)):
        if not 1 <= port <= 65535:
            raise Usage(f"{option} {port}: 1 to 65535")
    from metergate.demo import Demo

    street = Demo(state, web, mqtt, days)
    try:
        street.prepare()
    except KeyboardInterrupt:
        raise SystemExit("interrupted while the history was made; the next start goes on") from None
    asyncio.run(street.run())
