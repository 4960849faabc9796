"""The simulated bus: who hears what, and what faults do to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from metergate.links import Adjustable, Link, open_pair
from metergate.sim.line import Line

pytestmark = pytest.mark.anyio
WORD = b"\x68\x11\x04\x16"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def bus(count: int = 3, **faults: object) -> AsyncIterator[tuple[Line, list[Link]]]:
    """A fast line with `count` ports; the second value are the far ends, as devices hold them."""
    pairs = [await open_pair() for _ in range(count)]
    line = Line([near for near, _ in pairs], baud=1_000_000, seed=7)
    for name, value in faults.items():
        setattr(line.faults, name, value)
    running = asyncio.ensure_future(line.run())
    yield line, [far for _, far in pairs]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def heard(port: Link, size: int = len(WORD)) -> bytes:
    data = b""
    async with asyncio.timeout(20):
        while len(data) < size:
            data += await port.read()
    return data


async def hears_nothing_before(port: Link, sign: Link, line_ports: list[Link]) -> bool:
    """Nothing came to `port` by the time that what was sent next has come to `sign`."""
    reading = asyncio.ensure_future(port.read())
    await heard(sign)
    quiet = not reading.done()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return quiet


async def test_everybody_else_hears_what_one_sends() -> None:
    async with bus() as (_, ports):
        await ports[0].write(WORD)
        assert await heard(ports[1]) == await heard(ports[2]) == WORD


async def test_a_cut_wire_carries_nothing_and_the_others_go_on() -> None:
    async with bus(cut={1}) as (_, ports):
        await ports[0].write(WORD)
        assert await hears_nothing_before(ports[1], ports[2], ports)


async def test_swapped_wires_invert_every_bit() -> None:
    async with bus(swapped={2}) as (_, ports):
        await ports[0].write(WORD)
        assert await heard(ports[1]) == WORD
        assert await heard(ports[2]) == bytes(octet ^ 0xFF for octet in WORD)


async def test_a_cheap_adapter_hears_itself() -> None:
    async with bus(2, echo=True) as (_, ports):
        await ports[0].write(WORD)
        assert await heard(ports[0]) == WORD


async def test_noise_turns_some_bits_and_keeps_the_length() -> None:
    async with bus(2, ber=0.05) as (_, ports):
        sent = WORD * 100
        await ports[0].write(sent)
        got = await heard(ports[1], len(sent))
        assert len(got) == len(sent)
        wrong = sum((one ^ other).bit_count() for one, other in zip(sent, got, strict=True))
        assert 50 < wrong < 300


async def test_who_talks_at_the_same_time_garbles_both() -> None:
    async with bus(3) as (line, ports):
        line.byte_time = 0.001
        long = bytes(200)
        await ports[0].write(long)
        await ports[1].write(bytes(range(200)))
        got = await heard(ports[2], 400)
        assert line.collisions == 1
        assert got != long + bytes(range(200))


async def test_who_listens_at_another_speed_hears_garbage() -> None:
    pairs = [await open_pair() for _ in range(3)]
    line = Line([near for near, _ in pairs], baud=300, seed=7, speed=1000, follow=True)
    running = asyncio.ensure_future(line.run())
    one, other, slow = (far for _, far in pairs)
    assert isinstance(one, Adjustable)
    assert isinstance(other, Adjustable)
    await one.write(WORD)
    assert await heard(other) == await heard(slow) == WORD
    await one.retune(9600, "7E1")
    await other.retune(9600)
    await one.write(WORD * 20)
    assert await heard(other, 80) == WORD * 20
    assert await heard(slow, 80) != WORD * 20
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
