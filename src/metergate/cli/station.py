"""`metergate station`: the centre."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from metergate.cli.usage import Usage
from metergate.errors import ConfigError, LinkError, StorageError

if TYPE_CHECKING:
    from metergate.station.conf import StationConfig

app = App(name="station", help="The centre: archive, ingest, pages, API.")
Role = Literal["viewer", "engineer", "operator", "administrator", "household"]


def _config(broker: bool = False) -> StationConfig:
    """The settings. ConfigError, also where a broker is needed and none is named."""
    from metergate.station import conf

    try:
        config = conf.load()
    except UnicodeDecodeError:
        raise ConfigError("the file named by METERGATE_STATION_CONFIG is no text") from None
    if broker and not config.broker:
        raise ConfigError("no broker is set: METERGATE_STATION_BROKER=mqtt://station@host:1883")
    return config


def _django() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "metergate.station.settings")
    django.setup()


@contextmanager
def _database(migrated: bool = True) -> Iterator[None]:
    """Set up, and by default brought up to date. StorageError where the database cannot be used."""
    _config()
    from django.db import Error

    from metergate.station import services

    try:
        if migrated:
            services.setup()
        else:
            _django()
        yield
    except Error as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        hint = "" if migrated else "; `metergate station migrate` makes its tables"
        raise StorageError(f"the database cannot be used: {said[0]}{hint}") from None


def _free(host: str, port: int) -> tuple[str, int]:
    """The numeric address to listen at. LinkError if it is none of ours, or somebody has it."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        from metergate.links.reasons import reason

        raise LinkError(f"{host}:{port}: {reason(error)}; choose another with --host and --port") from None
    return str(address[0]), port


@app.command
def run(host: str = "", port: int = 0, workers: int = 0) -> None:
    """Serve the pages and the API. What is not given comes from the settings; loopback unless they say otherwise.

    Example:

        metergate station run --port 8081
    """
    config = _config()
    if not 0 <= port <= 65535:
        raise Usage(f"--port {port}: 1 to 65535")
    address, number = _free(host or config.host, port or config.port)
    with _database():
        from granian import Granian
        from granian.constants import Interfaces
    print(f"metergate station: http://{f'[{address}]' if ':' in address else address}:{number}/", flush=True)
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
    """Run an ingest worker: the record lane into load profiles. Several may run, each with a name of its own.

    Example:

        METERGATE_STATION_BROKER=mqtt://station@127.0.0.1 metergate station ingest --name second
    """
    config = _config(broker=True)
    _django()
    from metergate.station.collect import worker

    worker.main(config, name)


@app.command
def live() -> None:
    """Listen to the live lane (Sparkplug B): latest values and who is there. One is enough.

    Example:

        METERGATE_STATION_BROKER=mqtt://station@127.0.0.1 metergate station live
    """
    import asyncio

    config = _config(broker=True)
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
    """Bring the database up to date, and make the key file where there is none.

    Example:

        METERGATE_STATION_DATABASE=postgresql://station@127.0.0.1/station metergate station migrate
    """
    with _database():
        print("The database is up to date.")


@app.command
def createoperator(name: str, role: Role = "operator", room: str = "") -> None:
    """Let somebody in; prints a password for the first sign-in.

    Examples:

        metergate station createoperator anna

        metergate station createoperator flat7 --role household --room 1-2-7

    Parameters
    ----------
    name
        By which they sign in.
    role
        What they may do.
    room
        The code of a household's room.
    """
    if not name.strip():
        raise Usage("an operator has a name")
    if (role == "household") != bool(room):
        raise Usage("a household belongs to a room, and nobody else does: --role household --room CODE")
    with _database():
        from metergate.station import services
        from metergate.station.archive.models import Room
        from metergate.station.staff.models import Operator

        if Operator.objects.filter(username=name).exists():
            raise ConfigError(f"there is an operator {name!r} already")
        if room and not Room.objects.filter(code=room).exists():
            raise ConfigError(f"there is no room with the code {room!r}")
        print(services.create_operator(name, role, room))


@app.command
def token(operator: str, name: str = "api") -> None:
    """Print a new API token of an operator; it is shown this once.

    Example:

        metergate station token anna --name billing
    """
    with _database(migrated=False):
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
    """Bring in an estate from CSV, all or nothing; every bad row is named.

    Example:

        metergate station import flats.csv --estate E2 --name "Mill Lane"
    """
    _config()
    from metergate.station.archive.table import read_csv

    try:
        plan = read_csv(file.read_text(encoding="utf-8-sig"), estate, name or estate)
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is no CSV in UTF-8: save it so") from None
    with _database():
        from metergate.station import services
        from metergate.station.archive.models import Estate

        if Estate.objects.filter(code=estate).exists():
            raise ConfigError(f"there is an estate {estate!r} already: give another code with --estate")
        services.seed_demo(plan, lambda table, rows: print(f"{rows:8} {table}"))
