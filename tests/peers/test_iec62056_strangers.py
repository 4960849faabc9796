"""A stranger's client (PyPI iec62056-21) reads our meter on loopback: data readout, and programming mode."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from metergate.links.base import Link
from metergate.links.tcp import listen
from metergate.wire.iec62056 import Access, Identification, Meter, Setup
from metergate.wire.iec62056.datasets import DataSet, data_set

pytestmark = pytest.mark.anyio
messages = pytest.importorskip("iec62056_21.messages")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSWORD = "12345678"
SHOWN = [
    data_set("C.1.0", "4711"),
    data_set("1-0:1.8.0*255", "000285.4*kWh"),
    data_set("1-0:16.7.0*255", "-00.512*kW"),
    data_set("0.2.2", "ABC"),
]


def show(now: datetime) -> Sequence[DataSet]:
    return SHOWN


def meter() -> Meter:
    access = Access({1: PASSWORD}, write={"0.2.2": 1}, read=1)
    return Meter(Setup(Identification("MGT", "5", "\\M1"), "4711", access), show)


@asynccontextmanager
async def served(one: Meter) -> AsyncIterator[int]:
    """The meter behind a converter to TCP; gives its port, and ends when the meter has heard the caller out."""
    heard_out = asyncio.Event()

    async def accept(link: Link) -> None:
        while data := await link.read():
            for answer in one.receive(data, NOW):
                await link.write(answer)
        heard_out.set()

    listener = await listen("127.0.0.1", 0, accept)
    yield listener.port
    await asyncio.wait_for(heard_out.wait(), 20)
    await listener.close()


async def with_client(port: int, work: Callable[[Any], Any]) -> Any:
    """What `work` does with the stranger's client, in a thread."""
    from iec62056_21.client import Iec6205621Client

    def run() -> Any:
        client = Iec6205621Client.with_tcp_transport(("127.0.0.1", port), device_address="4711")
        client.transport.timeout = 20
        client.transport.socket.settimeout(20)
        client.connect()
        try:
            return client, work(client)
        finally:
            client.disconnect()

    return await asyncio.to_thread(run)


async def test_the_stranger_reads_our_meter_out() -> None:
    async with served(meter()) as port:
        client, answer = await with_client(port, lambda client: client.standard_readout())
    assert (client.manufacturer_id, client.identification, client.switchover_baudrate) == ("MGT", "M1", 9600)
    assert [(one.address, one.value, one.unit) for one in answer.data] == [
        (one.address, one.items[0].text, one.items[0].unit) for one in SHOWN
    ]


def log_in(client: Any, password: str) -> str:
    """Its own `send_password` cannot build its message in this version."""
    operand = client.access_programming_mode()
    assert (operand.command, operand.data_set.value) == ("P", "00000000")
    told = messages.CommandMessage("P", 1, messages.DataSet(address="", value=password))
    client.transport.send(told.to_bytes())
    return str(client._recv_ack())


async def test_the_stranger_programs_our_meter_with_its_password() -> None:
    one = meter()

    def work(client: Any) -> Any:
        assert log_in(client, PASSWORD) == "\x06"
        before = client.read_single_value("1-0:1.8.0*255")
        client.write_single_value("0.2.2", "NEW")
        after = client.read_single_value("0.2.2")
        client.send_break()
        return before, after

    async with served(one) as port:
        _, (before, after) = await with_client(port, work)
    assert (before.address, before.value, before.unit) == ("1-0:1.8.0*255", "000285.4", "kWh")
    assert after.value == "NEW"
    assert one.written == {"0.2.2": "NEW"}
    assert one.level is None


async def test_the_stranger_gets_nowhere_with_a_wrong_password() -> None:
    one = meter()

    def work(client: Any) -> str:
        assert log_in(client, "87654321") != "\x06"
        client.transport.send(messages.CommandMessage.for_single_write("0.2.2", "NEW").to_bytes())
        return str(client.read_response().data[0].value)

    async with served(one) as port:
        _, answer = await with_client(port, work)
    assert answer.startswith("ER")
    assert one.written == {}
