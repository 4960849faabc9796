"""Strangers on loopback: pymodbus as server and as client, sdm-modbus with its own tables of Eastron meters."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from metergate.links import Link, open_link
from metergate.links.pty import PtyLink
from metergate.links.tcp import listen
from metergate.meters.driver import Line
from metergate.meters.map import MeterMap, load_maps
from metergate.meters.pollers import POLLERS, Target
from metergate.meters.translate import Translator
from metergate.wire.base import Telegram
from metergate.wire.modbus import RTU, TCP
from metergate.wire.modbus.meter import Meter
from metergate.wire.modbus.points import Point
from metergate.wire.modbus.reader import Identification, Reader, Settings

pymodbus = pytest.importorskip("pymodbus")
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient  # noqa: E402
from pymodbus.client.mixin import ModbusClientMixin  # noqa: E402
from pymodbus.framer import FramerType  # noqa: E402
from pymodbus.server import ModbusSerialServer, ModbusTcpServer  # noqa: E402
from pymodbus.simulator import DataType, SimData, SimDevice  # noqa: E402

pytestmark = pytest.mark.anyio
MODELS = {name: one for name, one in load_maps().items() if one.point}
UNITS = {name: number for number, name in enumerate(MODELS, 1)}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TYPES: dict[str, Any] = {
    "u16": ModbusClientMixin.DATATYPE.UINT16,
    "i16": ModbusClientMixin.DATATYPE.INT16,
    "u32": ModbusClientMixin.DATATYPE.UINT32,
    "i32": ModbusClientMixin.DATATYPE.INT32,
    "u64": ModbusClientMixin.DATATYPE.UINT64,
    "i64": ModbusClientMixin.DATATYPE.INT64,
    "float32": ModbusClientMixin.DATATYPE.FLOAT32,
    "float64": ModbusClientMixin.DATATYPE.FLOAT64,
}
SDM = Path(__file__).parents[2] / ".venv" / "sdm" / "bin" / "python"
"""sdm-modbus wants an older pymodbus, so it lives in an environment of its own."""


@pytest.fixture(autouse=True)
def hush() -> None:
    """pymodbus tells of every exception it answers with."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


def raw(point: Point, number: int) -> float | int:
    """What a register holds in these tests: a number that a single holds exactly, negative where it may be."""
    if point.type.fraction:
        return number + 0.25
    return -1000 - number if point.type.signed and number % 2 else 1000 + number


def order(point: Point) -> Any:
    return "big" if point.word_order.value == "msw-first" else "little"


def device(name: str) -> SimDevice:
    """A model as pymodbus serves it, registers made by pymodbus."""
    held: dict[int, int] = {}
    for number, point in enumerate(MODELS[name].point):
        words = ModbusClientMixin.convert_to_registers(raw(point, number), TYPES[point.type.value], order(point))
        held |= {point.address + at: word for at, word in enumerate(words)}
    data = [SimData(address, values=word, datatype=DataType.REGISTERS) for address, word in sorted(held.items())]
    return SimDevice(UNITS[name], data)


def expected(name: str) -> dict[str, Decimal]:
    return {
        point.name: Decimal(str(raw(point, number))) / point.divisor for number, point in enumerate(MODELS[name].point)
    }


@asynccontextmanager
async def pymodbus_tcp(framer: Any) -> AsyncIterator[str]:
    """All models behind one port, each a unit."""
    server: Any = ModbusTcpServer([device(name) for name in MODELS], address=("127.0.0.1", 0), framer=framer)
    await server.serve_forever(background=True)
    try:
        yield f"tcp://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"
    finally:
        await server.shutdown()


async def read(line: Line, protocol: str, names: Sequence[str]) -> None:
    """Every model by its map: equal Decimals, twice, so that what was learnt is used."""
    poller, translate = POLLERS[protocol]({"timeout": 10}), Translator()
    for name in [*names, *names]:
        telegram = await line.ask(poller.read(Target(f"meter of {name}", str(UNITS[name]), map=name)))
        assert telegram.meter is not None
        assert (telegram.meter.model, telegram.meter.manufacturer) == (MODELS[name].model, MODELS[name].brand)
        assert told(telegram, translate) == expected(name)


def told(telegram: Telegram, translate: Translator) -> dict[str, Any]:
    return {translate.name(reading.register): reading.value for reading in translate(telegram)}


@pytest.mark.parametrize(("protocol", "framer"), [("modbus-tcp", FramerType.SOCKET), ("modbus", FramerType.RTU)])
async def test_we_read_a_pymodbus_server_over_tcp(protocol: str, framer: Any) -> None:
    async with pymodbus_tcp(framer) as url:
        line = Line(await open_link(url))
        try:
            await read(line, protocol, list(MODELS))
        finally:
            await line.close()


async def test_we_read_a_pymodbus_server_over_a_serial_line() -> None:
    link = PtyLink("pty")
    names = list(MODELS)[:6]
    server: Any = ModbusSerialServer([device(name) for name in names], port=link.path, baudrate=9600)
    await server.serve_forever(background=True)
    line = Line(link)
    try:
        await read(line, "modbus", names)
    finally:
        await line.close()
        await server.shutdown()


def meter(name: str, framing: str) -> Meter:
    """A model as we serve it."""
    one = MODELS[name]
    shown = expected(name)
    who = (one.brand, one.model, "1.0")
    return Meter(UNITS[name], one.point, lambda point, now: shown[point.name], framing, who)


async def serve(link: Link, meters: Sequence[Meter]) -> None:
    while data := await link.read():
        for one in meters:
            for answer in one.receive(data, NOW):
                await link.write(answer)


async def read_by_pymodbus(client: Any, name: str) -> dict[str, Decimal]:
    """Every point with one request of its own, decoded by pymodbus."""
    found = {}
    for point in MODELS[name].point:
        ask = client.read_holding_registers if point.function == 3 else client.read_input_registers
        answer = await ask(point.address, count=point.type.words, device_id=UNITS[name])
        assert not answer.isError(), answer
        value = client.convert_from_registers(answer.registers, TYPES[point.type.value], order(point))
        found[point.name] = Decimal(str(value)) / point.divisor
    return found


async def check_client(client: Any, one: MeterMap, name: str) -> None:
    assert await client.connect()
    try:
        assert await read_by_pymodbus(client, name) == expected(name)
        refused = await client.write_register(0, 1, device_id=UNITS[name])
        assert (refused.isError(), refused.exception_code) == (True, 2)
        told = await client.read_device_information(device_id=UNITS[name])
        assert told.information == {0: one.brand.encode(), 1: one.model.encode(), 2: b"1.0"}
    finally:
        client.close()


NAMES = ("eastron_sdm630_modbus", "carlo_gavazzi_em24_modbus", "schneider_iem3000_modbus", "abb_ab_modbus")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("framing", "framer"), [(TCP, FramerType.SOCKET), (RTU, FramerType.RTU)])
async def test_a_pymodbus_client_reads_our_meter_over_tcp(name: str, framing: str, framer: Any) -> None:
    meters = [meter(each, framing) for each in NAMES]
    open_port = await listen("127.0.0.1", 0, lambda link: serve(link, meters))
    try:
        client = AsyncModbusTcpClient("127.0.0.1", port=open_port.port, framer=framer, timeout=10)
        await check_client(client, MODELS[name], name)
    finally:
        await open_port.close()


async def test_a_pymodbus_client_reads_our_meter_over_a_serial_line() -> None:
    link = PtyLink("pty")
    serving = asyncio.create_task(serve(link, [meter(name, RTU) for name in NAMES]))
    try:
        for name in NAMES:
            await check_client(AsyncModbusSerialClient(link.path, baudrate=9600, timeout=10), MODELS[name], name)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await link.close()


async def test_we_identify_a_pymodbus_server() -> None:
    device_module: Any = pytest.importorskip("pymodbus.pdu.device")
    names = {0x00: "Somebody", 0x01: "M-1", 0x02: "2.5"}
    server: Any = ModbusTcpServer(
        [SimDevice(1, [SimData(0, values=7, datatype=DataType.REGISTERS)])],
        address=("127.0.0.1", 0),
        identity=device_module.ModbusDeviceIdentification(info=names),
    )
    await server.serve_forever(background=True)
    line = Line(await open_link(f"tcp://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"))
    try:
        found = await line.ask(Reader(1, Settings(TCP, timeout=10)).identify())
        assert found == Identification("Somebody", "M-1", "2.5")
    finally:
        await line.close()
        await server.shutdown()


SAME = {"SDM120": "eastron_sdm120_modbus", "SDM630": "eastron_sdm630_modbus"}


@pytest.mark.skipif(not SDM.exists(), reason="sdm-modbus is not installed in .venv/sdm")
@pytest.mark.parametrize("model", SAME)
async def test_sdm_modbus_reads_our_eastron_meters(model: str) -> None:
    """Its tables know each register by address: it knows all of ours, and reads there what we show."""
    name = SAME[model]
    open_port = await listen("127.0.0.1", 0, lambda link: serve(link, [meter(name, TCP)]))
    try:
        command = (os.fspath(SDM), os.fspath(Path(__file__).parent / "sdm_stranger.py"), model, str(open_port.port))
        child = await asyncio.create_subprocess_exec(
            *command, str(UNITS[name]), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        async with asyncio.timeout(60):
            out, told_of_errors = await child.communicate()
        assert child.returncode == 0, told_of_errors.decode()
    finally:
        await open_port.close()
    theirs = {address: (key, value) for key, (address, value) in json.loads(out).items()}
    shown = expected(name)
    ours = {point.address: point for point in MODELS[name].point}
    assert set(ours) <= set(theirs)
    common = set(ours)
    assert {at: Decimal(str(theirs[at][1])) for at in common} == {at: shown[ours[at].name] for at in common}
    assert {at: kind(theirs[at][0]) for at in common} == {at: kind(ours[at].name) for at in common}


def kind(name: str) -> str:
    """What is measured, from a name of either side: the quantity, and the phase if it is one."""
    words = name.lower().replace("1n", "1").replace("2n", "2").replace("3n", "3").split("_")
    phase = next((word for word in words if word in ("l1", "l2", "l3")), "")
    for word, what in KINDS.items():
        if word in name:
            return f"{what} {phase}".strip()
    return f"{name} {phase}".strip()


KINDS = {
    "thd": "thd",
    "import_energy_reactive": "reactive import",
    "export_energy_reactive": "reactive export",
    "total_energy_reactive": "reactive sum",
    "import_energy_active": "import",
    "export_energy_active": "export",
    "total_energy_active": "sum",
    "energy_reactive": "reactive sum",
    "energy_active": "sum",
    "reactive_import": "reactive import",
    "reactive_export": "reactive export",
    "reactive_sum": "reactive sum",
    "reactive_power": "reactive power",
    "power_reactive": "reactive power",
    "apparent_power": "apparent power",
    "power_apparent": "apparent power",
    "phase_angle": "phase angle",
    "voltage": "voltage",
    "current": "current",
    "power": "power",
    "frequency": "frequency",
    "import": "import",
    "export": "export",
    "sum": "sum",
}
"""The first that a name contains tells."""
