"""Meters each on a line of its own: the optical head's speed, the radio stick, many lines in one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from metergate.links import open_link
from metergate.links.stick import stick_options
from metergate.meters.driver import Line, Listener
from metergate.meters.pollers import POLLERS, Target
from metergate.meters.usual import usual_address
from metergate.model import Obis
from metergate.sim import bench
from metergate.sim.meters import HOT_WATER
from metergate.sim.serve import bank_of, meter_of
from metergate.sim.specs import MeterSpec
from metergate.wire import protocols
from metergate.wire.base import Found, Telegram
from metergate.wire.wmbus.sticks import im871a

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
KEY = bytes(range(16)).hex()
IMPORT = Obis.parse("1-0:1.8.0")


@asynccontextmanager
async def standing(*specs: MeterSpec) -> AsyncIterator[None]:
    """These meters on their lines."""
    waiting, there = {spec.id for spec in specs}, asyncio.Event()

    def tell(spec: MeterSpec) -> None:
        waiting.discard(spec.id)
        if not waiting:
            there.set()

    running = asyncio.create_task(bench.run(replace(bank_of(specs[0], NOW, 1.0, 1), meters=specs), tell))
    async with asyncio.timeout(30):
        await there.wait()
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def asked(port: Path, protocol: str, number: str) -> Decimal:
    line = Line(await open_link(usual_address(str(port), protocol)), spare=2.0)
    try:
        telegram = await line.ask(POLLERS[protocol]({}).read(Target(number, number)))
    finally:
        await line.close()
    return next(one.value for one in telegram.readings if one.obis == IMPORT)  # type: ignore[return-value]


async def test_meters_of_several_protocols_in_one_process(tmp_path: Path) -> None:
    optical = replace(meter_of("iec62056-21", "10620901", 0, "", 0, 1.0), port=str(tmp_path / "optical"))
    bus = replace(meter_of("dlt645", "261009000907", 0, "", 0, 1.0), port=f"pty://{tmp_path / 'bus'}")
    async with standing(optical, bus):
        one = await asked(tmp_path / "optical", "iec62056-21", "10620901")
        other = await asked(tmp_path / "bus", "dlt645", "261009000907")
    assert abs(one - other) < Decimal("0.05")


async def test_at_another_speed_an_optical_head_is_noise(tmp_path: Path) -> None:
    head = bench.OpticalHead("pty://", tmp_path / "head")
    reader = await open_link(f"{tmp_path / 'head'}?baud=300&format=7E1&gather=0")
    sign_on = b"/?!\r\n"
    await reader.write(sign_on)
    assert await head.read() == sign_on
    await head.retune(9600)
    await reader.write(sign_on)
    heard = await head.read()
    assert len(heard) == len(sign_on)
    assert heard != sign_on
    await head.write(sign_on)
    assert await reader.read() != sign_on
    await reader.close()
    await head.close()


async def test_the_stick_takes_its_settings_and_hears_a_meter(tmp_path: Path) -> None:
    url = f"stick://im871a{tmp_path / 'stick'}"
    spec = MeterSpec("wmbus", "62000915", 0, HOT_WATER, KEY, 7, 0.05, port=url)
    receiver = protocols()["wmbus"].receiver({spec.id: bytes.fromhex(KEY)}, stick_options(url))
    done = im871a.message(im871a.MANAGEMENT, im871a.SET_CONFIG + 1, b"\0")
    found: list[Found] = []
    seen, both = bytearray(), asyncio.Event()

    def trace(way: str, data: bytes) -> None:
        seen.extend(data)
        if done in seen and found:
            both.set()

    async with standing(spec), asyncio.timeout(30):
        link = await open_link(f"{url}?mode=T1")
        listening = asyncio.create_task(Listener(link, receiver, found.append, trace=trace).run())
        await link.write(im871a.Im871a("T1").greeting)
        await both.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await link.close()
    assert found
    for telegram in found:
        assert isinstance(telegram, Telegram)
        assert telegram.meter
        assert telegram.meter.id == spec.id
        assert all(isinstance(one.value, Decimal) for one in telegram.readings)


async def test_a_port_that_cannot_be_had_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "AGAIN", 0.01)
    port = tmp_path / "sub" / "bus"
    spec = replace(meter_of("dlt645", "261009000907", 0, "", 0, 1.0), port=str(port))
    asyncio.get_running_loop().call_later(0.1, port.parent.mkdir)
    async with standing(spec):
        assert await asked(port, "dlt645", "261009000907")
