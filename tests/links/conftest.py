from typing import Any

import pytest


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio"
