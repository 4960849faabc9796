"""The station's pages of a large estate, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.rows import Row, row

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from postgres import postgres, programs

MOST = 300.0
"""Milliseconds."""


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


def run() -> list[Row]:
    """Whole answers of the server, signed in, without the network."""
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows("SQLite", _measured(Path(folder), {}))
    if programs() is None:
        return rows
    with tempfile.TemporaryDirectory() as folder, postgres() as url:
        return rows + _rows("PostgreSQL", _measured(Path(folder), {"METERGATE_STATION_DATABASE": url}))
