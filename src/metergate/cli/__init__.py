"""The command line. One file a verb group: it parses and prints, the work is done elsewhere."""

from __future__ import annotations

import sys
from typing import NoReturn

from cyclopts import App, CycloptsError

from metergate import __version__
from metergate.cli.screen import Screen, forgive, hush
from metergate.cli.usage import Usage, one_line
from metergate.errors import MetergateError

COMMANDS = {
    "demo": (
        "metergate.cli.demo:demo",
        "A street of houses metered live on this machine: broker, meters, gateways, station.",
    ),
    "gateway": ("metergate.cli.gateway:app", "The edge daemon: reads meters, keeps readings, publishes them."),
    "station": ("metergate.cli.station:app", "The centre: archive, ingest, pages, API."),
    "sim": ("metergate.cli.sim:app", "The other end of every wire: simulated meters, lines, collectors."),
    "serve-meter": ("metergate.cli.serve_meter:serve_meter", "Be a meter, for other people's tools to read."),
    "decode": ("metergate.cli.decode:decode", "Take telegrams apart, from a file, hex or standard input."),
    "read": ("metergate.cli.read:read", "Read one meter now, its load profile or its events."),
    "clock": ("metergate.cli.order:clock", "Set a meter's clock, or tell the time to a whole line."),
    "relay": ("metergate.cli.order:relay", "Switch a meter's relay, read back."),
    "valve": ("metergate.cli.order:valve", "Move a meter's valve, and wait until it is there."),
    "scan": ("metergate.cli.scan:scan", "Find the meters on a line and write the gateway's settings."),
    "sniff": ("metergate.cli.sniff:sniff", "Listen to a live line: bytes and what they mean."),
    "meters": ("metergate.cli.meters:app", "The supported meters and their maps."),
    "mqtt": ("metergate.cli.mqtt:app", "MQTT toolbox: subscribe, publish, test a broker."),
}
"""Verb -> where it lives (loaded only when called) and what it is for."""

EPILOGUE = """\
First steps: `metergate demo` shows a whole street; `metergate decode FILE` takes a telegram apart.

Status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

app = App(
    name="metergate",
    version=__version__,
    help="Reads any utility meter, keeps every reading, prices it and hands it to everybody who has a right to it.",
    help_epilogue=EPILOGUE,
    console=Screen(),
)
for _name, (_where, _help) in COMMANDS.items():
    app.command(_where, name=_name, help=_help)
app.register_install_completion_command()


def main() -> None:
    """Run the command line. Our own errors and the system's end it with one line and status 1, wrong usage with 2,
    Ctrl-C with 130; never with a traceback."""
    forgive()
    try:
        _run(sys.argv[1:])
    except CycloptsError as error:
        _end(one_line(error), 2)
    except Usage as error:
        _end(f"metergate: {error}", 2)
    except MetergateError as error:
        _end(f"metergate: {error}", 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        hush()
        sys.exit(0)
    except OSError as error:
        hush()
        where = f"{error.filename}: " if error.filename else ""
        _end(f"metergate: {where}{error.strerror or error}", 1)


def _run(words: list[str]) -> None:
    try:
        app(words, exit_on_error=False, print_error=False)
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _end(line: str, status: int) -> NoReturn:
    print(line, file=sys.stderr)
    sys.exit(status)
