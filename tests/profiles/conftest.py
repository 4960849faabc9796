"""A PostgreSQL server for the session, and a fresh store of blocks of either kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from metergate.profiles.blocks import Blocks, open_blocks
from postgres import fresh_database, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


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
