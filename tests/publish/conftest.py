from typing import Any

import pytest

from collector import Clock, Collector


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio"


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def clock() -> Clock:
    return Clock()
