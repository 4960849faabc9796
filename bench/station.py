"""The station's pages: of a large estate, on SQLite and PostgreSQL; of the demo, as a browser paints them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from bench.rows import Row, row
from metergate.links.broker import free_port

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from postgres import postgres, programs

MOST, PAINT = 300.0, 500.0
"""Milliseconds."""
SECRET = "correct horse battery"
DEMO = """
import sys
from pathlib import Path
from metergate.demo import Demo
Demo(Path(sys.argv[1]), days=7).prepare()
from metergate.station import services
services.create_operator("bench", "administrator", password=sys.argv[2])
"""


def _measured(folder: Path, given: Mapping[str, str]) -> dict[str, float]:
    environment = {**os.environ, "METERGATE_STATION_STATE": str(folder), **given}
    done = subprocess.run(
        [sys.executable, "-m", "bench._station_pages"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _rows(database: str, found: Mapping[str, float]) -> list[Row]:
    return [row(f"{name}, {database}", seconds * 1000, "ms", most=MOST) for name, seconds in found.items()]


def _painted(folder: Path) -> list[Row]:
    """The demo's archive with a week of history, served as it always is, looked at with a browser on loopback."""
    subprocess.run([sys.executable, "-c", DEMO, str(folder), SECRET], check=True, capture_output=True)
    port = free_port("127.0.0.1")
    environment = {**os.environ, "METERGATE_STATION_STATE": str(folder / "station")}
    command = [sys.executable, "-m", "metergate.cli", "station", "run", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _await(port)
            look = [sys.executable, "-m", "bench._station_paint", f"http://127.0.0.1:{port}", "bench", SECRET]
            done = subprocess.run(look, capture_output=True, text=True, check=True)
        finally:
            server.terminate()
    found: dict[str, float] = json.loads(done.stdout)
    return [row(f"first paint of {address} of the demo", value, "ms", most=PAINT) for address, value in found.items()]


def _await(port: int) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the station did not come up")


def run() -> list[Row]:
    """Whole answers of the server, signed in, without the network; then first paints."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows += _rows("SQLite", _measured(Path(folder), {}))
    if programs() is not None:
        with tempfile.TemporaryDirectory() as folder, postgres() as url:
            rows += _rows("PostgreSQL", _measured(Path(folder), {"METERGATE_STATION_DATABASE": url}))
    if shutil.which("chromium") is not None:
        with tempfile.TemporaryDirectory() as folder:
            rows += _painted(Path(folder))
    return rows
