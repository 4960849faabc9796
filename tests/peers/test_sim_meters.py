"""Simulated meters, each a process of its own, read by other people's programs through a pseudo terminal.

Their time stands still, so that what the strangers read is to be compared with what the household had counted at that
instant: equal decimals, whatever the protocol. A pseudo terminal knows no parity, so none is asked for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from metergate.model import Obis
from metergate.sim import specs
from metergate.sim.clock import SimClock
from metergate.sim.household import Household
from metergate.sim.meters import source
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.sml.identity import server_id

serial = pytest.importorskip("serial")
HOME = Household(77, persons=3, pv_watts=5000, since=date(2026, 11, 1))
NOON = datetime(2026, 11, 20, 12, 7, 30, 500_000, tzinfo=UTC)
STILL = 1e-6
"""Seconds of the meters that pass in a second."""
SML, HEAT, WATER, ENERGY = "1MGT0000004711", "63000104", "62000105", "261003000104"


def bank(*meters: MeterSpec) -> Bank:
    return Bank((HOME,), meters, SimClock(time.time(), NOON, STILL), datetime(2026, 11, 1, tzinfo=UTC))


def truth(meter: MeterSpec, code: str) -> Decimal:
    """What the meter shows, from the household itself."""
    value = source(meter, bank(meter))(Obis.parse(code), NOON)
    assert value is not None
    return value


@contextmanager
def running(folder: Path, verb: str, meters: Sequence[MeterSpec]) -> Iterator[str]:
    """`metergate sim VERB` with these meters; gives the serial port at which they are."""
    port = folder / "port"
    specs.save(folder / "bank.json", bank(*meters))
    command = (sys.executable, "-m", "metergate.cli", "sim", verb, str(folder / "bank.json"), "--port", f"pty://{port}")
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not port.is_symlink():
            assert child.poll() is None, child.stderr and child.stderr.read()
            assert time.monotonic() < deadline, "no port appeared"
            time.sleep(0.02)
        yield os.fspath(port)
    finally:
        child.send_signal(signal.SIGTERM)
        _, told = child.communicate(timeout=30)
    assert (child.returncode, told) == (0, "")


def pushing() -> MeterSpec:
    return MeterSpec("sml", SML, 0, every=0.2 * STILL)


def shown_by_sml() -> dict[str, Decimal]:
    """Registers in Wh and W, as an electricity meter pushes them."""
    return {code: truth(pushing(), code) * 1000 for code in ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0")}


def test_smllib_reads_the_sml_meter(tmp_path: Path) -> None:
    smllib = pytest.importorskip("smllib")
    stream = smllib.SmlStreamReader()
    with running(tmp_path, "push", [pushing()]) as port, serial.Serial(port, 9600, timeout=30) as opened:
        for _ in range(3):
            while (frame := stream.get_frame()) is None:
                data = opened.read(1)
                assert data, "the meter is silent"
                stream.add(data + opened.read(opened.in_waiting))
            body = frame.parse_frame()[1].message_body
            assert bytes.fromhex(body.server_id) == server_id(SML)
            told = {
                entry.obis.obis_code.partition("*")[0]: Decimal(entry.value).scaleb(entry.scaler or 0)
                for entry in body.val_list
                if isinstance(entry.value, int)
            }
            assert told == shown_by_sml()


def test_pysml_reads_the_sml_meter(tmp_path: Path) -> None:
    module = pytest.importorskip("sml.asyncio")

    async def hear(port: str) -> Any:
        told: asyncio.Queue[Any] = asyncio.Queue()
        protocol = module.SmlProtocol(port)
        protocol.add_listener(told.put_nowait, ["SmlGetListResponse"])
        await protocol.connect()
        try:
            async with asyncio.timeout(30):
                return await told.get()
        finally:
            await protocol._impl._disconnect()

    with running(tmp_path, "push", [pushing()]) as port:
        body = asyncio.run(hear(port))
    entries = {entry["objName"].partition("*")[0]: entry for entry in body["valList"]}
    shown = shown_by_sml()
    assert {code: Decimal(str(entries[code]["value"])) for code in shown} == shown
    assert [entries[code]["unit"] for code in shown] == ["Wh", "Wh", "W"]


def test_pymeterbus_reads_the_mbus_meters(tmp_path: Path) -> None:
    """A heat meter and a warm water meter on one bus, by their primary addresses."""
    meterbus = pytest.importorskip("meterbus")
    heat, water = MeterSpec("mbus", HEAT, 0, 4), MeterSpec("mbus", WATER, 0, 6)
    found: dict[str, list[Decimal]] = {}
    with (
        running(tmp_path, "meter", [heat, water]) as port,
        serial.Serial(port, 2400, timeout=30) as opened,
    ):
        for spec in (heat, water):
            address = int(spec.id) % 250 + 1
            meterbus.send_ping_frame(opened, address)
            assert isinstance(meterbus.load(meterbus.recv_frame(opened, 1)), meterbus.TelegramACK)
            meterbus.send_request_frame(opened, address)
            telegram = meterbus.load(meterbus.recv_frame(opened))
            assert bytes(telegram.body.bodyHeader.id_nr).hex() == spec.id
            found[spec.id] = [Decimal(str(record.value)) for record in telegram.records]
    energy, power, *temperatures = found[HEAT]
    assert energy == truth(heat, "6-0:1.0.0") * 1000
    assert power == truth(heat, "6-0:8.0.0") * 1000
    assert temperatures in ([Decimal(62), Decimal(41)], [Decimal(31), Decimal(29)])
    assert [round(value, 9) for value in found[WATER]] == [truth(water, "9-0:1.0.0")], "it reckons with floats"


def test_the_dlt645_package_reads_the_energy_meter(tmp_path: Path) -> None:
    """Over the serial line. Its addresses are written in the order of the wire, the reverse of what the meter shows."""
    services = pytest.importorskip("dlt645.service.clientsvc.client_service")
    meter = MeterSpec("dlt645", ENERGY, 0)
    with running(tmp_path, "meter", [meter]) as port:
        client = services.MeterClientService.new_rtu_client(port, 2400, 8, 1, "N", 30.0)
        client.set_address(bytes.fromhex(ENERGY)[::-1].hex())
        try:
            read = {
                "1-0:1.8.0": client.read_00(0x00010000).value,
                "1-0:2.8.0": client.read_00(0x00020000).value,
                "1-0:32.7.0": client.read_02(0x02010100).value,
                "1-0:16.7.0": client.read_02(0x02030000).value,
            }
        finally:
            client.client.disconnect()
    digits = {"1-0:1.8.0": 2, "1-0:2.8.0": 2, "1-0:32.7.0": 1, "1-0:16.7.0": 4}
    for code, value in read.items():
        step = Decimal(1).scaleb(-digits[code])
        assert Decimal(str(value)) == truth(meter, code) // step * step, code
