"""DL/T 645-2007 against a program of somebody else: the `dlt645` package, over TCP on the loopback.

It puts an address on the wire in the order in which it is written, the standard sends the low octet first: so it is
given the octets in reverse.
"""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from metergate.errors import ApplicationError, Refused
from metergate.model import Obis, Unit
from metergate.wire.base import Ask, Dialogue
from metergate.wire.dlt645 import Meter, dialogue
from metergate.wire.dlt645.dialogue import Authority

stranger = pytest.importorskip("dlt645")
T = TypeVar("T")
ADDRESS = "202611220001"
REVERSED = bytes.fromhex(ADDRESS)[::-1].hex()
NOW = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
SHOWN = {
    "1-0:1.8.0": "12345.67",
    "1-0:1.8.1": "345.60",
    "1-0:2.8.0": "3.21",
    "1-0:32.7.0": "230.1",
    "1-0:31.7.0": "4.348",
    "1-0:16.7.0": "1.0004",
    "1-0:14.7.0": "50.02",
}


def source(obis: Obis, at: datetime) -> Decimal | None:
    found = SHOWN.get(str(obis))
    return Decimal(found) if found else None


def serve(listener: socket.socket, meter: Meter) -> None:
    line, _ = listener.accept()
    with line:
        while data := line.recv(4096):
            for answer in meter.receive(data, NOW):
                line.sendall(answer)


@pytest.fixture
def their_client() -> Iterator[Any]:
    from dlt645.service.clientsvc.client_service import MeterClientService

    meter = Meter(ADDRESS, source, datetime(2020, 1, 1, tzinfo=UTC), passwords={0: b"\x12\x34\x56"})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener, meter), daemon=True)
        server.start()
        client = MeterClientService.new_tcp_client("127.0.0.1", listener.getsockname()[1], 5.0)
        client.set_address(REVERSED)
        yield client
        client.client.disconnect()
        server.join(5)
    assert not server.is_alive()


def test_their_client_reads_our_meter(their_client: Any) -> None:
    reads = {
        0x00010000: "1-0:1.8.0",
        0x00010100: "1-0:1.8.1",
        0x00020000: "1-0:2.8.0",
        0x02010100: "1-0:32.7.0",
        0x02020100: "1-0:31.7.0",
        0x02030000: "1-0:16.7.0",
        0x02800002: "1-0:14.7.0",
    }
    for di, obis in reads.items():
        read = their_client.read_02 if di >> 24 else their_client.read_00
        assert Decimal(str(read(di).value)) == Decimal(SHOWN[obis])
    assert their_client.read_04(0x04000204).value == "04"
    assert their_client.read_04(0x04000102).value == "123000"
    address = their_client.read_address().value
    assert (address if isinstance(address, str) else bytes(address).hex()) in (REVERSED, ADDRESS)
    assert their_client.read_00(0x00090000) is None


def test_their_client_writes_to_our_meter(their_client: Any) -> None:
    their_client.write_04(0x04000103, "30", "00999999")
    assert their_client.read_04(0x04000103).value == "15"
    their_client.write_04(0x04000103, "30", "00123456")
    assert their_client.read_04(0x04000103).value == "30"
    assert their_client.change_baud_rate(1200) is not None


@pytest.fixture
def their_server() -> Iterator[Any]:
    from dlt645.service.serversvc.server_service import MeterServerService

    service = MeterServerService.new_tcp_server("127.0.0.1", 0, 5.0)
    service.set_address(REVERSED)
    service.set_password("00123456")
    assert service.server.start()
    yield service
    assert service.server.stop()


def over(line: socket.socket, talk: Dialogue[T]) -> T:
    """Run a dialogue over a blocking socket."""
    try:
        step = next(talk)
        while True:
            if isinstance(step, Ask):
                line.sendall(step.data)
                line.settimeout(step.timeout)
            try:
                data = line.recv(4096)
            except TimeoutError:
                data = b""
            step = talk.send(data)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def test_we_read_their_server(their_server: Any) -> None:
    from dlt645.model.types.dlt645_type import Demand

    their_server.set_00(0x00010000, 12345.67)
    their_server.set_00(0x00000001, -42.5)
    their_server.set_01(0x01010000, Demand(1.807, datetime(2023, 11, 15, 9, 30)))
    their_server.set_02(0x02010100, 230.1)
    their_server.set_02(0x02020100, -4.348)
    with socket.create_connection(("127.0.0.1", their_server.server.port)) as line:
        assert over(line, dialogue.read_address()) == ADDRESS
        want = {
            0x00010000: ("12345.67", Unit.KWH),
            0x02010100: ("230.1", Unit.V),
            0x02020100: ("-4.348", Unit.A),
            0x01010000: ("1.807", Unit.KW),
        }
        for di, (value, unit) in want.items():
            reading = over(line, dialogue.read(ADDRESS, di))[0]
            assert (reading.value, reading.unit) == (Decimal(value), unit)
        assert over(line, dialogue.read(ADDRESS, 0x01010000))[1].value == "2023-11-15T09:30"
        with pytest.raises(ApplicationError):
            over(line, dialogue.read(ADDRESS, 0x1D000001))


def test_we_write_to_their_server(their_server: Any) -> None:
    with socket.create_connection(("127.0.0.1", their_server.server.port)) as line:
        over(line, dialogue.write(ADDRESS, 0x04000103, b"\x30", Authority(b"\0\x12\x34\x56")))
        assert over(line, dialogue.read(ADDRESS, 0x04000103))[0].value == Decimal(30)
        with pytest.raises(Refused):
            over(line, dialogue.write(ADDRESS, 0x04000103, b"\x15", Authority(b"\0\x99\x99\x99")))


def test_their_client_administers_our_meter(their_client: Any) -> None:
    assert their_client.clear_event("00123456") is not None
    assert their_client.clear_event("00999999") is None
    their_client.change_password("00123456", "00654321")  # tells nobody whether it was done
    their_client.write_04(0x04000103, "30", "00123456")
    assert their_client.read_04(0x04000103).value == "15"
    their_client.write_04(0x04000103, "30", "00654321")
    assert their_client.read_04(0x04000103).value == "30"
    assert their_client.write_address(bytes.fromhex("050000000000")) is not None
    assert Decimal(str(their_client.read_00(0x00010000).value)) == Decimal(SHOWN["1-0:1.8.0"])


def test_we_administer_their_server(their_server: Any) -> None:
    level = b"\0\x12\x34\x56"
    with socket.create_connection(("127.0.0.1", their_server.server.port)) as line:
        over(line, dialogue.clear(ADDRESS, 0x1B, Authority(level), 0xFFFFFFFF))
        with pytest.raises(Refused):
            over(line, dialogue.clear(ADDRESS, 0x1B, Authority(b"\0\x99\x99\x99"), 0xFFFFFFFF))
        over(line, dialogue.change_password(ADDRESS, 0x04000C00, level, b"\0\x65\x43\x21"))
        with pytest.raises(Refused):
            over(line, dialogue.write(ADDRESS, 0x04000103, b"\x15", Authority(level)))
        over(line, dialogue.write(ADDRESS, 0x04000103, b"\x15", Authority(b"\0\x65\x43\x21")))
        over(line, dialogue.freeze(ADDRESS))
