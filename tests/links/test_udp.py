import asyncio
from typing import Any

import pytest

from metergate.errors import LinkError
from metergate.links import open_link
from metergate.links.buffered import LIMIT
from metergate.links.udp import UdpLink

pytestmark = pytest.mark.anyio


@pytest.fixture
async def line() -> Any:
    here = await open_link("udp://:0?bind=127.0.0.1")
    assert isinstance(here, UdpLink)
    there = await open_link(f"udp://127.0.0.1:{here.port}")
    yield here, there
    await here.close()
    await there.close()


async def test_one_read_is_one_datagram_and_the_listener_answers_the_caller(line: Any) -> None:
    here, there = line
    with pytest.raises(LinkError, match="nobody called"):
        await here.write(b"x")
    async with asyncio.timeout(10):
        await there.write(b"one")
        await there.write(b"two")
        assert [await here.read(), await here.read()] == [b"one", b"two"]
        await here.write(b"back")
        assert await there.read() == b"back"


async def test_unread_datagrams_are_bounded(line: Any) -> None:
    here, _there = line
    for number in range(100):
        here.datagram_received(bytes([number]) * 10_000, ("127.0.0.1", 1))
    kept = [await here.read() for _ in range(LIMIT // 10_000)]
    assert kept[-1][0] == 99
    assert here.lost == 100 - len(kept)


async def test_closed(line: Any) -> None:
    here, there = line
    await there.close()
    with pytest.raises(LinkError):
        await there.write(b"x")
    assert await there.read() == b""
    reading = asyncio.ensure_future(here.read())
    await asyncio.sleep(0)
    await here.close()
    assert await reading == b""
