"""A simulated meter on a port of its own answers our reader, caller after caller, and pushes to whoever listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from metergate.errors import ConfigError, LinkError
from metergate.meters.once import read_once
from metergate.meters.pollers import Target
from metergate.model import Obis
from metergate.sim.serve import bank_of, meter_of, serve
from metergate.sim.source import HouseholdSource

ENERGY = {"dlt645": "1-0:1.8.0", "cjt188": "8-0:1.0.0", "mbus": "9-0:1.0.0", "sml": "1-0:1.8.0", "wmbus": "9-0:1.0.0"}
FACTOR = {"sml": 1000}
RESOLUTION = Decimal("0.01")


@asynccontextmanager
async def served(protocol: str, port: str, kind: int = 0) -> AsyncIterator[tuple[str, str, HouseholdSource]]:
    spec = meter_of(protocol, "", kind, "", 0, 0.05)
    bank = bank_of(spec, datetime.now(UTC), 1.0, seed=5)
    there: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(spec, bank, port, there.set_result))
    either: list[asyncio.Future[Any]] = [task, there]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield there.result(), spec.id, HouseholdSource(bank.homes[0])
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.anyio
@pytest.mark.parametrize("protocol", ENERGY)
async def test_it_is_read_over_tcp_by_one_after_the_other(protocol: str) -> None:
    async with served(protocol, "tcp://127.0.0.1:0") as (address, number, household):
        obis = Obis.parse(ENERGY[protocol])
        for _ in range(2):
            before = household(obis, datetime.now(UTC))
            telegram = await read_once(address, protocol, Target(number, number))
            after = household(obis, datetime.now(UTC))
            assert before is not None
            assert after is not None
            value = next(r.value for r in telegram.readings if r.obis and r.obis.full == obis.full)
            assert isinstance(value, Decimal)
            assert before - RESOLUTION <= value / FACTOR.get(protocol, 1) <= after


@pytest.mark.anyio
async def test_a_path_becomes_a_pseudo_terminal(tmp_path: Path) -> None:
    async with served("sml", str(tmp_path / "head")) as (address, number, _):
        assert (await read_once(address, "sml", Target(number, number))).readings


@pytest.mark.anyio
async def test_what_cannot_be_served_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dlt646.*dlt645"):
        meter_of("dlt646", "", 0, "", 0, 1.0)
    async with served("dlt645", "tcp://127.0.0.1:0") as (address, _, _):
        with pytest.raises(LinkError, match="in use"):
            async with served("dlt645", address):
                pass
