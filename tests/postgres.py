"""A private PostgreSQL server for tests: initialised in a temporary folder, on a socket of its own.

    with postgres() as url:          # "postgresql://postgres@/postgres?host=/tmp/..."
        ...

Debian keeps the programs in /usr/lib/postgresql/<version>/bin. Root may not run the server, so it is then run as the
user `postgres`. Without the programs the tests are skipped, but on a build server (CI=true) they fail.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=50 -c deadlock_timeout=200ms"


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, None if there is none."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


@contextmanager
def postgres(options: str = _OPTIONS) -> Iterator[str]:
    """The URL of a fresh server, stopped and deleted at the end. Without the programs: skips, or fails (CI=true)."""
    folder = programs()
    if folder is None:
        reason = "PostgreSQL's initdb and pg_ctl are not installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        home = Path(name)
        _give_away(home)
        data = str(home / "data")
        _run(folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "--no-sync")
        _run(folder / "pg_ctl", "-D", data, "-w", "-l", str(home / "log"), "-o", f"{options} -k {home}", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={home}"
        finally:
            _run(folder / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def fresh_database(url: str) -> str:
    """The URL of a new, empty database of the server."""
    import psycopg

    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return url.replace("/postgres?", f"/{name}?")


def _give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)


def _run(program: Path, *arguments: str) -> None:
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    command = [*as_user, str(program), *arguments]
    done = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode(errors="replace")
