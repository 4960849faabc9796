"""The gateway as a process: CPU, latency and memory with 50 SML meters, against smllib and paho in the same run; and
50 wireless M-Bus telegrams a second.

Every meter sends a telegram a second; five values of each go to Mosquitto on loopback and into the spool, from there to
a station that acknowledges. Latency is from the last byte written to the subscriber's receipt.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.rows import Row, row
from metergate.gatewayd import SMALL

METERS = 50
WARM, SECONDS = 6.0, 20.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{tempfile.gettempdir()}/mg-bench"}
"""Modules are compiled once, as in an installation."""
ENVIRONMENT |= SMALL


@dataclass
class Measured:
    """One program under load: CPU seconds a minute, median and 95 % latency in ms, memory in MB, messages a second."""

    cpu: float
    p50: float
    p95: float
    rss: float
    rate: float


@contextmanager
def process(*command: str, **more: object) -> Iterator[subprocess.Popen[str]]:
    """A child that is ended with the block."""
    child = subprocess.Popen(command, text=True, env=ENVIRONMENT, **more)  # type: ignore[call-overload]
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Mosquitto on a free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type none\n")
    with process(program("mosquitto"), "-c", str(folder / "mosquitto.conf")):
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)
        yield port


def program(name: str) -> str:
    """A program of the system."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SystemExit(f"{name} is not installed")
    return found


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module."""
    return (sys.executable, "-m", module, *arguments)


@contextmanager
def ports(module: str, argument: str) -> Iterator[list[str]]:
    """The load generator's ports."""
    with process(*python(module, argument), stdout=subprocess.PIPE) as load:
        assert load.stdout is not None
        yield [line.strip() for line in iter(load.stdout.readline, "\n")]


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> float:
    """Resident memory, MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def watch(child: subprocess.Popen[str], port: int, topic: str) -> Measured:
    """Let it warm up, then measure."""
    with (
        tempfile.TemporaryFile("w+") as heard,
        process(program("mosquitto_sub"), "-p", str(port), "-t", topic, "-F", "%U %p", stdout=heard) as subscriber,
    ):
        time.sleep(WARM)
        began, used = time.time(), cpu_seconds(child.pid)
        time.sleep(SECONDS)
        ended, used = time.time(), cpu_seconds(child.pid) - used
        rss = memory(child.pid)
        if child.poll() is not None:
            raise SystemExit(f"{child.args!r} ended with {child.returncode}")
        subscriber.terminate()
        subscriber.wait()
        heard.seek(0)
        lines = [line.rstrip().split(" ", 1) for line in heard]
    told = [(float(when), payload) for when, payload in lines if began <= float(when) < ended]
    ages = sorted(age for when, payload in told if (age := _age(when, payload)) is not None) or [float("nan")]
    return Measured(
        used * 60 / (ended - began),
        statistics.median(ages) * 1000,
        ages[int(len(ages) * 0.95)] * 1000,
        rss,
        len(told) / (ended - began),
    )


def _age(when: float, payload: str) -> float | None:
    """The import value is the time of sending in 1/10 ms: kWh with four decimals from us, Wh with one from the peer."""
    found = json.loads(payload).get("import")
    if found is None:
        return None
    sent = found * (1e4 if found < 1e11 else 10) / 1e4
    return when - float(sent)


def gateway(folder: Path, port: int, lines: str, more: str = "") -> AbstractContextManager[subprocess.Popen[str]]:
    """Our daemon with its file."""
    config = folder / "gateway.toml"
    config.write_text(
        f"""id = "bench"
data = "{folder}/data"
log = "error"
[mqtt]
url = "mqtt://127.0.0.1:{port}"
[station]
group = "bench"
sparkplug = false
[publish.native]
interval = 0
[publish.homeassistant]
enabled = false
{more}
{lines}
"""
    )
    return process(*python("metergate.gatewayd", str(config)))


def sml_lines(paths: list[str]) -> str:
    """A line of the settings for every port."""
    return "".join(f'[[line]]\nurl = "{path}"\nprotocol = "sml"\n' for path in paths)


def ours(folder: Path, port: int) -> Measured:
    """50 meters into our daemon."""
    with (
        ports("bench._pty_load", str(METERS)) as paths,
        process(*python("bench._station", str(port))),
        gateway(folder, port, sml_lines(paths)) as daemon,
    ):
        return watch(daemon, port, "metergate/bench/meter/+/state")


def theirs(folder: Path, port: int) -> Measured:
    """The same into the script."""
    with (
        ports("bench._pty_load", str(METERS)) as paths,
        process(*python("bench._smllib_paho", str(port), *paths)) as script,
    ):
        return watch(script, port, "peer/+/state")


def radio(folder: Path, port: int) -> Measured:
    """20 radio meters into our daemon."""
    with ports("bench._radio_load", str(folder)) as paths, process(*python("bench._station", str(port))):
        names = [f"{10_000_000 + number}" for number in range(20)]
        meters = "".join(
            f'[[line.meter]]\nid = "{name}"\n'
            + (f'key_file = "{folder}/{name}.key"\n' if (folder / f"{name}.key").exists() else "")
            for name in names
        )
        lines = f'[[line]]\nurl = "{paths[0]}?gather=0"\nprotocol = "wmbus"\n{meters}'
        with gateway(folder, port, lines) as daemon:
            return watch(daemon, port, "metergate/bench/meter/+/state")


NEEDED = "smllib.reader paho.mqtt.client metergate.config metergate.gateway.daemon metergate.publish.native"


def run() -> list[Row]:
    """Ours and the peer, one after the other, on the same broker."""
    warm = f"import {', '.join(NEEDED.split())}; from metergate.wire import protocols; protocols()"
    subprocess.run([sys.executable, "-c", warm], env=ENVIRONMENT, check=True)
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as port:
        folder = Path(name)
        mine, peer, air = ours(folder, port), theirs(folder, port), radio(folder, port)
    meters = f"{METERS} SML meters, a telegram a second"
    return [
        row(f"{meters}: messages", mine.rate, "1/s", peer=("smllib + paho", peer.rate)),
        row(f"{meters}: CPU", mine.cpu, "s/min", peer=("smllib + paho", peer.cpu), most=2.4),
        row(f"{meters}: latency, median", mine.p50, "ms", peer=("smllib + paho", peer.p50), most=1.5),
        row(f"{meters}: latency, 95 %", mine.p95, "ms", peer=("smllib + paho", peer.p95)),
        row(f"{meters}: memory", mine.rss, "MB", peer=("smllib + paho", peer.rss), most=60),
        row("50 wM-Bus telegrams/s of 20 meters, half encrypted: messages", air.rate, "1/s", least=49),
        row("50 wM-Bus telegrams/s of 20 meters, half encrypted: CPU", air.cpu, "s/min", most=4),
        row("50 wM-Bus telegrams/s of 20 meters, half encrypted: memory", air.rss, "MB"),
    ]
