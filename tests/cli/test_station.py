"""`metergate station`, typed wrongly: one line that says what is wrong, never a traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def station(state: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    given = {"STATE": os.fspath(state), **settings}
    environment = os.environ | {f"METERGATE_STATION_{name}": value for name, value in given.items()}
    command = [sys.executable, "-m", "metergate.cli", "station", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a station with an operator."""
    folder = tmp_path_factory.mktemp("station")
    done = station(folder, "createoperator", "anna")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split("-")) == 5
    return folder


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("createoperator", "anna"), 1, "an operator 'anna' already"),
        (("createoperator", "bob", "--role", "household", "--room", "X"), 1, "no room with the code 'X'"),
        (("createoperator", "bob", "--role", "household"), 2, "--room CODE"),
        (("createoperator", "bob", "--role", "king"), 2, "viewer"),
        (("createoperator", " "), 2, "a name"),
        (("token", "nobody"), 1, "no operator 'nobody'"),
        (("import", "/no/such.csv"), 1, "/no/such.csv: No such file"),
        (("ingest",), 1, "METERGATE_STATION_BROKER="),
        (("live",), 1, "METERGATE_STATION_BROKER="),
        (("run", "--port", "99999"), 2, "1 to 65535"),
        (("run", "--host", "192.0.2.1", "--port", "18080"), 1, "192.0.2.1:18080"),
    ],
)
def test_what_is_typed_wrongly_is_answered_in_one_line(
    state: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    done = station(state, *words)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (status, 1, "")
    assert said in done.stderr


def test_a_port_in_use_is_told(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = station(state, "run", "--port", str(taken.getsockname()[1]))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "in use by another program" in done.stderr


def test_a_table_that_is_no_text_is_told(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "flats.csv"
    file.write_bytes("building;Straße".encode("latin-1"))
    done = station(state, "import", str(file))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "UTF-8" in done.stderr


@pytest.mark.parametrize(
    ("settings", "words", "said"),
    [
        ({}, ("token", "anna"), "`metergate station migrate` makes its tables"),
        ({"DATABASE": "postgresql://x@127.0.0.1:1/z"}, ("migrate",), "the database cannot be used"),
        ({"CONFIG": sys.executable}, ("migrate",), "no text"),
        ({"BROKR": "x"}, ("migrate",), "did you mean 'broker'"),
    ],
)
def test_a_station_that_cannot_be_used_says_why(
    settings: dict[str, str], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = station(tmp_path / "new", *words, **settings)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert said in done.stderr
