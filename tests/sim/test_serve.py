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

from metergate.errors import ConfigError, LinkError, MetergateError
from metergate.meters.once import read_once
from metergate.meters.pollers import Target
from metergate.model import Obis, Unit
from metergate.sim.meters import PUSHERS, RESPONDERS
from metergate.sim.meters.dlms import PASSWORD
from metergate.sim.serve import address_of, bank_of, map_of, meter_of, serve
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import MeterSpec
from metergate.wire.base import Telegram

WATER = {"cjt188": "8-0:1.0.0", "mbus": "9-0:1.0.0", "wmbus": "9-0:1.0.0"}
TOTAL, PARTS = "1-0:1.8.0", ("1-0:1.8.1", "1-0:1.8.2")
RESOLUTION = Decimal("0.011")
KEY = bytes(range(16)).hex()
ASKED = [protocol for protocol in RESPONDERS if protocol not in PUSHERS]


@asynccontextmanager
async def served(
    protocol: str, port: str, kind: int = 0, key: str = ""
) -> AsyncIterator[tuple[str, MeterSpec, HouseholdSource]]:
    spec = meter_of(protocol, "", kind, key, 5 if protocol == "wmbus" else 0, 0.05)
    bank = bank_of(spec, datetime.now(UTC), 1.0, seed=5)
    there: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(spec, bank, port, there.set_result))
    either: list[asyncio.Future[Any]] = [task, there]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield there.result(), spec, HouseholdSource(bank.homes[0])
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def target(spec: MeterSpec, **more: Any) -> Target:
    return Target(spec.id if spec.protocol in ASKED else "", address_of(spec), map=map_of(spec), **more)


def amount(telegram: Telegram) -> Decimal:
    """What was consumed: energy in kWh, where there is no total the sum of its tariffs, or water in m3."""
    found = {str(one.obis): one for one in telegram.readings if one.value is not None}
    codes = [code for code in (WATER.get(telegram.protocol, TOTAL),) if code in found] or PARTS
    total = Decimal(0)
    for code in codes:
        value, unit = found[code].value, found[code].unit
        assert isinstance(value, Decimal)
        assert unit is not None
        total += value if unit is Unit.M3 else value * unit.into(Unit.KWH)
    return total


@pytest.mark.anyio
@pytest.mark.parametrize("protocol", [*ASKED, *PUSHERS])
async def test_it_is_read_over_tcp_by_one_after_the_other(protocol: str) -> None:
    async with served(protocol, "tcp://127.0.0.1:0") as (address, spec, household):
        obis = Obis.parse(WATER.get(protocol, TOTAL))
        for _ in range(2):
            before = household(obis, datetime.now(UTC))
            telegram = await read_once(address, protocol, target(spec))
            after = household(obis, datetime.now(UTC))
            assert before is not None
            assert after is not None
            assert before - RESOLUTION <= amount(telegram) <= after + RESOLUTION


@pytest.mark.anyio
@pytest.mark.parametrize("protocol", ["mbus", "wmbus", "p1", "dlms-hdlc", "dlms-wrapper", "iec62056-21"])
async def test_with_a_key_it_is_read_by_who_has_it(protocol: str) -> None:
    key = {"iec62056-21": b"31415926".hex(), "dlms-hdlc": KEY + KEY, "dlms-wrapper": KEY + KEY}.get(protocol, KEY)
    registers = ("1.8.0",) if protocol == "iec62056-21" else ()
    async with served(protocol, "tcp://127.0.0.1:0", key=key) as (address, spec, household):
        known = target(spec, key=bytes.fromhex(key), registers=registers)
        telegram = await read_once(address, protocol, known)
        shown = household(Obis.parse(WATER.get(protocol, TOTAL)), datetime.now(UTC))
        assert shown is not None
        assert abs(amount(telegram) - shown) <= RESOLUTION
        wrong = target(spec, key=bytes(len(known.key or b"")), registers=registers)
        with pytest.raises(MetergateError):
            await read_once(address, protocol, wrong, 2.0)


@pytest.mark.anyio
@pytest.mark.parametrize("protocol", ["dlms-hdlc", "dlms-wrapper"])
async def test_dlms_takes_passwords_too(protocol: str) -> None:
    async with served(protocol, "tcp://127.0.0.1:0") as (address, spec, _):
        assert (await read_once(address, protocol, target(spec, keys={"password": PASSWORD}))).readings
        with pytest.raises(MetergateError):
            await read_once(address, protocol, target(spec, keys={"password": b"wrong"}), 5.0)


@pytest.mark.anyio
async def test_a_path_becomes_a_pseudo_terminal(tmp_path: Path) -> None:
    async with served("sml", str(tmp_path / "head")) as (address, spec, _):
        assert (await read_once(address, "sml", Target(spec.id, spec.id))).readings


@pytest.mark.anyio
async def test_what_cannot_be_served_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dlt646.*dlt645"):
        meter_of("dlt646", "", 0, "", 0, 1.0)
    async with served("dlt645", "tcp://127.0.0.1:0") as (address, _, _):
        with pytest.raises(LinkError, match="in use"):
            async with served("dlt645", address):
                pass
