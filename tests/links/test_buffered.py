"""Reading a line and being handed what arrives on it are the same bytes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from metergate.errors import LinkError
from metergate.links import open_link, open_pair
from metergate.links.buffered import forward

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("taped", [False, True])
async def test_what_was_there_before_and_what_comes_later_is_handed_over_in_order(taped: bool, tmp_path: Path) -> None:
    near, far = await open_pair()
    if taped:
        name = f"loop://line?record={tmp_path / 'line.tape'}"
        near, far = await asyncio.gather(open_link(name), open_link("loop://line"))
    await far.write(b"early ")
    found = bytearray()
    complete = asyncio.Event()

    def take(data: bytes) -> None:
        found.extend(data)
        if found.endswith(b"later"):
            complete.set()

    handing = asyncio.create_task(forward(near, take))
    await far.write(b"and ")
    await far.write(b"later")
    await asyncio.wait_for(complete.wait(), 20)
    await far.close()
    await asyncio.wait_for(handing, 20)
    assert found == b"early and later"


async def test_what_comes_after_the_taker_left_waits_for_the_next_reader() -> None:
    near, far = await open_pair()
    handed = asyncio.Event()
    handing = asyncio.create_task(forward(near, lambda data: handed.set()))
    await far.write(b"first")
    await asyncio.wait_for(handed.wait(), 20)
    handing.cancel()
    await asyncio.wait([handing])
    await far.write(b"second")
    assert await asyncio.wait_for(near.read(), 20) == b"second"


async def test_a_mistake_in_the_taker_ends_the_handing_over_and_nothing_else() -> None:
    near, far = await open_pair()

    def take(data: bytes) -> None:
        raise ValueError(data.decode())

    handing = asyncio.create_task(forward(near, take))
    await far.write(b"wrong")
    with pytest.raises(ValueError, match="wrong"):
        await asyncio.wait_for(handing, 20)
    await far.write(b"next")
    assert await asyncio.wait_for(near.read(), 20) == b"next"


async def test_a_second_taker_is_refused_and_the_first_goes_on() -> None:
    near, far = await open_pair()
    found: asyncio.Queue[bytes] = asyncio.Queue()
    first = asyncio.create_task(forward(near, found.put_nowait))
    await far.write(b"one")
    assert await asyncio.wait_for(found.get(), 20) == b"one"
    with pytest.raises(LinkError, match="one owner"):
        await forward(near, lambda data: None)
    await far.write(b"two")
    assert await asyncio.wait_for(found.get(), 20) == b"two"
    first.cancel()
    await asyncio.wait([first])
