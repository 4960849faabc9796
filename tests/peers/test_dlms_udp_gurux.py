"""gurux-dlms' client classes read our DLMS meter over UDP on loopback, and our reader does between them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from dlmspeers import PATIENCE, Gurux
from metergate.meters.once import read_once
from metergate.meters.pollers import Target
from metergate.sim.meters.dlms import PASSWORD
from metergate.sim.serve import bank_of, meter_of, serve

gurux = pytest.importorskip("gurux_dlms")
CODE = "1.0.1.8.0.255"


class OverUdp(Gurux):
    """The same over datagrams."""

    def __init__(self, client: Any, where: tuple[str, int]) -> None:
        self.client = client
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.settimeout(PATIENCE)
        self.line.connect(where)


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    spec = meter_of("dlms-wrapper", "10004711", 0, "", 0, 1.0)
    there: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    bank = bank_of(spec, datetime.now(UTC), 1.0, seed=5)
    task = asyncio.ensure_future(serve(spec, bank, "udp://:0?bind=127.0.0.1", there.set_result))
    try:
        yield await there
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def stranger(where: tuple[str, int]) -> tuple[bytes, int]:
    """The device's name and its energy in tenths of Wh, as gurux-dlms reads them with the password."""
    from gurux_dlms.enums import Authentication, InterfaceType
    from gurux_dlms.objects import GXDLMSData, GXDLMSRegister
    from gurux_dlms.secure import GXDLMSSecureClient

    client = GXDLMSSecureClient(True, 17, 1, Authentication.LOW, PASSWORD, InterfaceType.WRAPPER)
    line = OverUdp(client, where)
    line.connect()
    name = bytes(line.read(GXDLMSData("0.0.42.0.0.255"), 2))
    energy = line.value(register := GXDLMSRegister(CODE), 2, client.read(register, 2))
    line.close()
    return name, int(energy)


@pytest.mark.anyio
async def test_a_stranger_and_our_reader_see_the_same_meter() -> None:
    target = Target("10004711", "1", keys={"password": PASSWORD}, registers=("1-0:1.8.0",))
    async with served() as address:
        host, _, port = address.removeprefix("udp://").partition(":")
        name, before = await asyncio.to_thread(stranger, (host, int(port)))
        (ours,) = (await read_once(address, "dlms-wrapper", target)).readings
        _, after = await asyncio.to_thread(stranger, (host, int(port)))
    assert name == b"MGT10004711"
    assert ours.raw is not None
    assert 0 < before <= ours.raw <= after
