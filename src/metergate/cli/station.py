"""`metergate station`: the centre."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from metergate.errors import ConfigError

app = App(name="station", help="The centre: archive, ingest, pages, API.")


def _django() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "metergate.station.settings")
    django.setup()


@app.command
def run(host: str = "", port: int = 0, workers: int = 0) -> None:
    """Serve the pages and the API. What is not given comes from the settings; loopback unless they say otherwise."""
    from metergate.station import conf, services

    config = conf.load()
    services.setup()
    from granian import Granian
    from granian.constants import Interfaces

    address, number = host or config.host, port or config.port
    print(f"metergate station: http://{address}:{number}/")
    Granian(
        "metergate.station.wsgi:application",
        address=address,
        port=number,
        interface=Interfaces.WSGI,
        workers=workers or config.workers,
        blocking_threads=4,
        log_access=False,
    ).serve()


@app.command
def ingest(name: str = "station-ingest") -> None:
    """Run an ingest worker: the record lane into load profiles. Several may run, each with a name of its own."""
    from metergate.station import conf

    config = conf.load()
    if not config.broker:
        raise ConfigError("no broker is set: METERGATE_STATION_BROKER=mqtt://station@host:1883")
    _django()
    from metergate.station.collect import worker

    worker.main(config, name)


@app.command
def live() -> None:
    """Listen to the live lane (Sparkplug B): latest values and who is there. One is enough."""
    import asyncio

    from metergate.station import conf

    config = conf.load()
    if not config.broker:
        raise ConfigError("no broker is set: METERGATE_STATION_BROKER=mqtt://station@host:1883")
    _django()
    from metergate.station.collect import worker
    from metergate.station.collect.live import Listener

    async def listen() -> None:
        await Listener(config, worker.password_of(config)).run()

    try:
        asyncio.run(listen())
    except KeyboardInterrupt:
        return


@app.command
def migrate() -> None:
    """Bring the database up to date, and make the key file where there is none."""
    from metergate.station import services

    services.setup()
    print("The database is up to date.")


@app.command
def createoperator(name: str, role: str = "operator", room: str = "") -> None:
    """Let somebody in; prints a password for the first sign-in. Roles: viewer, engineer, operator, administrator,
    household (with --room CODE)."""
    from metergate.station import services

    services.setup()
    print(services.create_operator(name, role, room))


@app.command
def token(operator: str, name: str = "api") -> None:
    """Print a new API token of an operator; it is shown this once."""
    _django()
    from metergate.station.access.services import issue
    from metergate.station.staff.models import Operator

    found = Operator.objects.filter(username=operator).first()
    if found is None:
        raise ConfigError(f"there is no operator {operator!r}")
    print(issue(found, name))


@app.command(name="import")
def import_(
    file: Path,
    estate: Annotated[str, Parameter(help="The estate's code.")] = "E1",
    name: Annotated[str, Parameter(help="The estate's name.")] = "",
) -> None:
    """Bring in an estate from CSV, all or nothing; every bad row is named."""
    from metergate.station import services
    from metergate.station.archive.table import read_csv

    plan = read_csv(file.read_text(encoding="utf-8-sig"), estate, name or estate)
    services.setup()
    services.seed_demo(plan, lambda table, rows: print(f"{rows:8} {table}"))
