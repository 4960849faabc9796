"""`metergate sim`: the other end of every wire. Each command is one process that runs until it is stopped."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from metergate.cli.usage import Usage

app = App(
    name="sim",
    help="Simulated meters, lines and collectors.",
    help_epilogue="Example: `metergate sim line --pty /tmp/a /tmp/b` joins two ports of a bus.",
)


@app.command
def line(
    *,
    pty: Annotated[list[str], Parameter(consume_multiple=True)],
    baud: int = 2400,
    format: str = "8E1",
    speed: float = 1.0,
    ber: float = 0.0,
    drop: float = 0.0,
    echo: bool = False,
    cut: Annotated[list[int] | None, Parameter(consume_multiple=True)] = None,
) -> None:
    """A half-duplex bus between ports, with real bit time, noise, losses and cut wires.

    Examples:

        metergate sim line --pty /tmp/a /tmp/b

        metergate sim line --baud 9600 --format 8N1 --ber 1e-4 --pty /tmp/a /tmp/b /tmp/c

    Parameters
    ----------
    pty
        Ports: paths at which pseudo terminals appear, or link addresses.
    baud
        Bits a second.
    format
        Character format, as 8E1 or 8N1.
    speed
        How many times faster than real time.
    ber
        Chance of a wrong bit.
    drop
        Chance that a whole transmission is lost.
    echo
        Senders hear themselves.
    cut
        Numbers of ports (from 0) whose wire is cut.
    """
    from metergate.links.serial import byte_time
    from metergate.sim import run

    if baud < 1:
        raise Usage(f"--baud {baud}: at least 1")
    seconds = byte_time(baud, format)
    faults = {"ber": ber, "drop": drop, "echo": echo, "cut": set(cut or ())}
    run.until_stopped(partial(run.line, pty, baud, round(seconds * baud), speed, faults))


@app.command
def meter(file: Path, /, *, port: str) -> None:
    """Meters that answer on a port of a bus.

    Example:

        metergate sim meter street.json --port /tmp/b

    Parameters
    ----------
    file
        The simulation file (households, meters, clock).
    port
        The port: a device, or any link address.
    """
    from metergate.sim import run, specs

    run.until_stopped(partial(run.meters, port, specs.load(file)))


@app.command
def bench(file: Path, /) -> None:
    """Meters each on a line of its own, as many as one likes in one process.

    Example:

        metergate sim bench laboratory.json

    Parameters
    ----------
    file
        The simulation file; `port` of each meter is its line: a path at which a pseudo terminal appears, `tcp://host:port`
        to listen at, or `stick://im871a/path` for a radio receiver on a pseudo terminal.
    """
    from metergate.sim import bench, run, specs

    run.until_stopped(partial(bench.run, specs.load(file)))


@app.command
def push(file: Path, /, *, port: str) -> None:
    """Meters that talk by themselves: SML push, or radio telegrams as a receiver stick gives them.

    Example:

        metergate sim push house.json --port /tmp/optical-head

    Parameters
    ----------
    file
        The simulation file.
    port
        A path at which a pseudo terminal appears, or a link address.
    """
    from metergate.sim import run, specs

    run.until_stopped(partial(run.pushers, port, specs.load(file)))


@app.command
def replay(tape: Path, /, *, port: str, speed: float = 1.0) -> None:
    """A recorded line, over and over, with its own timing.

    Example:

        metergate sim replay line.tape --port /tmp/line --speed 10

    Parameters
    ----------
    tape
        The recording.
    port
        A path at which a pseudo terminal appears, or a link address.
    speed
        How many times faster than recorded.
    """
    from metergate.sim import run

    run.until_stopped(partial(run.replay, tape, port, speed))


@app.command
def collector(
    file: Path, /, *, addr: int, line: str, state: Path, bus: str | None = None, ups_minutes: float = 30.0
) -> None:
    """A collector: MGC/1 upward, its meters downward (or built in, without `--bus`).

    Example:

        metergate sim collector building.json --addr 18 --line /tmp/rs485 --bus /tmp/a --state /tmp/collector

    SIGUSR1 is a failure of the mains, SIGUSR2 its return; killing it is a loss of power.

    Parameters
    ----------
    file
        The simulation file; `channel` of each meter is its channel.
    addr
        Its MGC/1 address.
    line
        Its port on the line to the station.
    state
        Folder of its log.
    bus
        Its port on the meter bus.
    ups_minutes
        How long the battery lasts.
    """
    from metergate.sim import run, specs

    bank = specs.load(file)
    process = run.CollectorProcess(addr, bank, state, timedelta(minutes=ups_minutes))
    run.until_stopped(partial(process.run, line, bus, bank))
