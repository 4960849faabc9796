"""`metergate gateway`: run the edge daemon, check its file, ask how it is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from cyclopts import App

from metergate.cli.screen import cell, screen
from metergate.config import DEFAULT, load_gateway, notes

app = App(name="gateway", help="Reads meters and hands their values to MQTT, Home Assistant, displays and the station.")
Json = dict[str, Any]


@app.command
def run(config: Path = DEFAULT, /) -> None:
    """Run the gateway until it is told to stop; SIGHUP makes it read its file again.

    Example:

        metergate gateway run gateway.toml

    Parameters
    ----------
    config
        The file with the settings.
    """
    from metergate.gatewayd import become

    load_gateway(config)
    become(config)


@app.command
def check(config: Path = DEFAULT, /) -> None:
    """Check a file of settings without opening anything, and say what is probably forgotten.

    Example:

        metergate gateway check gateway.toml

    Parameters
    ----------
    config
        The file with the settings.
    """
    settings = load_gateway(config)
    lines, meters = len(settings.line), sum(len(line.meter) for line in settings.line)
    told = f"{lines} line{'' if lines == 1 else 's'}, {meters} meter{'' if meters == 1 else 's'} listed"
    print(f"{config}: right. Gateway {settings.id}, {told}.")
    for note in notes(settings):
        print(f"note: {note}")


@app.command
def status(config: Path = DEFAULT, /, *, socket: Path | None = None, json_output: bool = False) -> None:
    """Ask a running gateway how it is.

    Examples:

        metergate gateway status gateway.toml

        metergate gateway status --socket /var/lib/metergate/status.sock --json-output

    Parameters
    ----------
    config
        The gateway's file, to find its socket.
    socket
        The socket itself, instead of the file.
    json_output
        Print everything as JSON.
    """
    from metergate.gateway.status import ask_status

    found = asyncio.run(ask_status(socket or load_gateway(config).socket))
    if json_output:
        print(json.dumps(found, indent=2))
    else:
        _show(found)


def _show(status: Json) -> None:
    from rich.table import Column, Table

    console = screen()
    mqtt, spool = status["mqtt"], status["spool"]
    console.print(f"gateway [bold]{status['id']}[/] {status['version']}, since {status['began']}")
    console.print(f"mqtt: {mqtt.get('url', 'none')} {mqtt.get('state', '')} {cell(mqtt.get('error', ''))}")
    if spool:
        console.print(f"spool: {spool['bytes']} bytes, {spool['waiting']} records wait for the station")
    lines = Table("line", "protocol", "state", "telegrams", "readings", "problems", title="Lines")
    for line in status["lines"]:
        problems = " ".join(f"{code}:{count}" for code, count in line["problems"].items())
        state = f"{line['state']} {line['reason']}"
        lines.add_row(
            cell(line["name"]), line["protocol"], cell(state), str(line["telegrams"]), str(line["readings"]), problems
        )
    console.print(lines)
    meters = Table(Column("meter", no_wrap=True), "line", "medium", "state", "age, s", "values", title="Meters")
    for meter in status["meters"]:
        values = "\n".join(f"{name} {value}" for name, value in meter["values"].items())
        meters.add_row(
            cell(meter["name"]),
            cell(meter["line"]),
            str(meter["medium"]),
            meter["state"],
            str(meter["age"]),
            cell(values or meter["problem"]),
        )
    console.print(meters)
