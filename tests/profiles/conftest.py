"""A PostgreSQL server for the session, and a fresh store of blocks of either kind."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from metergate.profiles.blocks import Blocks, open_blocks
from postgres import postgres


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


def fresh_database(server: str) -> str:
    """The URL of a new, empty database of the server."""
    import psycopg

    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/blocks.db"
    return fresh_database(request.getfixturevalue("server"))


@pytest.fixture
def blocks(url: str) -> Iterator[Blocks]:
    found = open_blocks(url)
    yield found
    found.close()
