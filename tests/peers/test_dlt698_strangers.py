"""DL/T 698.45 against a program of somebody else: the `dlt698` package, over TCP on the loopback and as a codec."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from metergate.errors import ApplicationError, Refused
from metergate.model import Obis, Unit
from metergate.wire.base import Ask, Dialogue
from metergate.wire.dlt698 import Address, Apdu, Data, Frame, dialogue, values
from metergate.wire.dlt698.dialogue import Line, Reader, between, last, nth_last
from metergate.wire.dlt698.frame import SCRAMBLED, STARTED, USER
from metergate.wire.dlt698.meter import Meter
from metergate.wire.dlt698.session import Presence, Terminal

stranger = pytest.importorskip("dlt698")
native = pytest.importorskip("dlt698._native")
T = TypeVar("T")
ADDRESS = "202611220001"
NOW = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
SHOWN = {
    "1-0:1.8.0": "12345.67",
    "1-0:1.8.1": "345.60",
    "1-0:2.8.0": "3.21",
    "1-0:32.7.0": "230.1",
    "1-0:52.7.0": "230.2",
    "1-0:72.7.0": "230.3",
    "1-0:16.7.0": "1.0004",
    "1-0:14.7.0": "50.02",
}


def source(obis: Obis, at: datetime) -> Decimal | None:
    """Each midnight one kWh more."""
    found = SHOWN.get(str(obis))
    days = (at - datetime(2026, 11, 22, tzinfo=UTC)) // timedelta(days=1)
    return Decimal(found) + (days if obis.d == 8 else 0) if found else None


def oad(number: int) -> Any:
    return native.Oad(oi=number >> 16, attribute=number >> 8 & 0x1F, index=number & 0xFF)


# --- their client, our meter -----------------------------------------------------------------------------------------
def serve(listener: socket.socket, terminal: Terminal) -> None:
    line, _ = listener.accept()
    with line:
        line.sendall(terminal.open(NOW))
        while data := line.recv(4096):
            for answer in terminal.receive(data, NOW):
                line.sendall(answer)


@pytest.fixture(params=["plain", "split", "blocks"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Meter]]:
    meter = Meter(ADDRESS, source, datetime(2020, 1, 1, tzinfo=UTC), tariffs=1)
    if request.param == "split":
        meter.most = 128
    if request.param == "blocks":
        meter.apdu_size = 200
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener, Terminal(meter)), daemon=True)
        server.start()
        session = native.SessionOptions(server=native.ServerAddress(bytes=bytes.fromhex(ADDRESS)[::-1]))
        with stranger.Client(native.ClientOptions(protocol=session)) as client:
            client.connect_tcp("127.0.0.1", listener.getsockname()[1])
            yield client, meter
        server.join(10)
    assert not server.is_alive()


def test_their_client_reads_our_meter(served: tuple[Any, Meter]) -> None:
    client, _ = served
    forward = client.get(oad(0x00100200)).require_data()
    assert [one.as_uint32() for one in forward.value] == [1234567, 34560]
    assert client.get(oad(0x00100201)).require_data().as_uint32() == 1234567
    assert client.get(oad(0x200F0200)).require_data().as_uint16() == 5002
    found = client.get_list([oad(0x20000200), oad(0x20040201), oad(0x20010200)])
    volts, watts, amperes = (one.result for one in found.attributes)
    assert [one.as_uint16() for one in volts.value] == [2301, 2302, 2303]
    assert watts.as_int32() == 10004
    assert amperes == 4
    assert client.get(oad(0x40010200)).require_data().as_octet_string() == bytes.fromhex(ADDRESS)


def test_their_client_reads_what_our_meter_froze(served: tuple[Any, Meter]) -> None:
    client, _ = served
    query = native.GetRecord(
        attribute=oad(0x50040200),
        rows=native.Selector10(latest=30, meters=native.AllMeters()),
        columns=[oad(0x20210200), oad(0x00100201)],
    )
    rows = client.get_record(query).result
    assert len(rows) == 30
    assert list(rows[-1][0].as_date_time_s()) == [*(2026).to_bytes(2, "big"), 11, 22, 0, 0, 0]
    assert rows[-1][1].as_uint32() - rows[0][1].as_uint32() == 29_00


def test_their_client_writes_to_our_meter(served: tuple[Any, Meter]) -> None:
    client, meter = served
    assert client.set(oad(0x41000200), native.Data.uint8(30)) == 0
    assert client.get(oad(0x41000200)).require_data().as_uint8() == 30
    assert client.set(oad(0x41000200), native.Data.boolean(True)) == 7
    assert client.set(oad(0x00100200), native.Data.uint8(30)) == 3
    trip = native.Omd(oi=0x8000, method=0x81, mode=0)
    order = native.Data.structure(
        [native.Data.oad(oad(0xF2050201)), native.Data.uint8(0), native.Data.uint16(0), native.Data.boolean(False)]
    )
    assert client.action(trip, native.Data.array([order])).dar == 0
    assert meter.state.relay_open


# --- our reader, their server ----------------------------------------------------------------------------------------
@pytest.fixture
def line() -> Iterator[tuple[socket.socket, Any]]:
    with stranger.Server() as server:
        server.start_tcp("127.0.0.1", 0)
        with socket.create_connection(("127.0.0.1", server.local_port)) as link:
            link.settimeout(10)
            heard = Frame.decode(link.recv(4096))
            presence = Presence()
            answer = presence.hear(heard, NOW)
            assert answer is not None
            link.sendall(answer.encode())
            assert presence.online(NOW)
            yield link, server


def over(link: socket.socket, talk: Dialogue[T]) -> T:
    """Run a dialogue over a blocking socket."""
    try:
        step = next(talk)
        while True:
            if isinstance(step, Ask):
                link.sendall(step.data)
                link.settimeout(max(step.timeout, 0.001))
            try:
                data = link.recv(4096)
            except TimeoutError:
                data = b""
            step = talk.send(data)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


READER = Line(timeout=10, wake=0, client=0)


def test_we_read_their_server(line: tuple[socket.socket, Any]) -> None:
    link, server = line
    u32, reader = native.Data.uint32, Reader(Address("00"), READER)
    server.set(oad(0x00100200), native.Data.array([u32(1234567), u32(1), u32(2), u32(3), u32(4)]))
    server.set(oad(0x20000200), native.Data.array([native.Data.uint16(one) for one in (2301, 2302, 2303)]))
    server.set(oad(0x200F0200), native.Data.uint16(5001))
    assert over(link, reader.connect()).fields["result"] == 0
    readings = over(link, reader.read((0x00100200, 0x20000200, 0x200F0200, 0x20010200)))
    found = {str(reading.obis): (reading.value, reading.unit) for reading in readings}
    assert found["1-0:1.8.0"] == (Decimal("12345.67"), Unit.KWH)
    assert found["1-0:1.8.4"] == (Decimal("0.04"), Unit.KWH)
    assert found["1-0:72.7.0"] == (Decimal("230.3"), Unit.V)
    assert found["1-0:14.7.0"] == (Decimal("50.01"), Unit.HZ)
    assert "1-0:31.7.0" not in found
    with pytest.raises(ApplicationError, match="undefined"):
        over(link, reader.clock())
    with pytest.raises(Refused):
        over(link, reader.write(0x00100200, Data(values.UINT8, 1)))
    over(link, reader.release())


# --- one and the same octets -----------------------------------------------------------------------------------------
AT = datetime(2026, 11, 22, 1, 2, 3)
OADS = (0x00100200, 0x20000201)
QUERY = {"oad": 0x50040200, "columns": ((0, 0x20210200), (1, (0x50040200, OADS)))}
VALUE = Data(values.STRUCTURE, (Data(values.UINT16, 7), Data(values.ARRAY, (Data(values.INT8, -1),))))
TABLE = (0x50040200, ((0, 0x20210200), (0, 0x00100200)), (1, ((Data(values.DATE_TIME_S, AT), VALUE),) * 2))
REPLY = {"piid": 5, "follow_report": (1, ((0x20000201, (0, 4)),)), "time_tag": {"sent": AT, "allowed": (1, 15)}}
PROXY = (bytes.fromhex("050102030405 06"), 4, OADS)
APDUS = [
    Apdu("link-request", {"piid": 1, "pdu": 1, "heartbeat_s": 60, "sent": AT}),
    Apdu("link-response", {"piid": 1, "result": 0x80, "sent": AT, "received": AT, "answered": AT}),
    Apdu("connect-request", {"piid": 1, **dialogue.limits(), "mechanism": (0, b"")}),
    Apdu("connect-request", {"piid": 1, **dialogue.limits(), "mechanism": (1, "secret")}),
    Apdu("connect-request", {"piid": 1, **dialogue.limits(), "mechanism": (2, (b"ab", b"cd"))}),
    Apdu("connect-response", {**REPLY, **dialogue.limits(), "maker": b"m" * 32, "result": 0, "proof": (b"a", b"b")}),
    Apdu("release-request", {"piid": 1}),
    Apdu("release-response", {**REPLY, "result": 0}),
    Apdu("release-notification", {**REPLY, "made": AT, "ended": AT}),
    Apdu("get-request-normal", {"piid": 1, "oad": OADS[0], "time_tag": REPLY["time_tag"]}),
    Apdu("get-request-list", {"piid": 1, "oads": OADS}),
    *(
        Apdu("get-request-record", {"piid": 1, "query": {**QUERY, "rows": rows}})
        for rows in (
            (0, None),
            (1, (0x20210200, Data(values.DATE_TIME_S, AT))),
            between(0x20210200, AT, AT + timedelta(days=1)),
            (3, (between(0x20210200, AT, AT)[1],)),
            (4, (AT, (1, None))),
            (6, (AT, AT, (1, 15), (3, (bytes.fromhex("050102030405 06"),)))),
            nth_last(3),
            last(7),
        )
    ),
    Apdu("get-request-record-list", {"piid": 1, "queries": ({**QUERY, "rows": last(1)},) * 2}),
    Apdu("get-request-next", {"piid": 1, "block": 3}),
    Apdu("get-request-md5", {"piid": 1, "oad": OADS[0]}),
    Apdu("get-response-normal", {**REPLY, "attribute": (OADS[0], (1, VALUE))}),
    Apdu("get-response-list", {**REPLY, "attributes": ((OADS[0], (1, VALUE)), (OADS[1], (0, 3)))}),
    Apdu("get-response-record", {**REPLY, "table": TABLE}),
    Apdu("get-response-record-list", {**REPLY, "tables": (TABLE, (*TABLE[:2], (0, 4)))}),
    Apdu("get-response-next", {**REPLY, "last": 0, "block": 1, "part": (2, (TABLE,))}),
    Apdu("get-response-next", {**REPLY, "last": 1, "block": 1, "part": (0, 9)}),
    Apdu("set-request-normal", {"piid": 1, "setting": (OADS[0], VALUE)}),
    Apdu("set-request-list", {"piid": 1, "settings": ((OADS[0], VALUE),) * 2}),
    Apdu("set-response-normal", {**REPLY, "done": (OADS[0], 3)}),
    Apdu("set-response-list", {**REPLY, "all_done": ((OADS[0], 3),) * 2}),
    Apdu("action-request-normal", {"piid": 1, "setting": (0x80008100, VALUE)}),
    Apdu("action-response-normal", {**REPLY, "called": (0x80008100, 0, VALUE)}),
    Apdu("action-response-list", {**REPLY, "all_called": ((0x80008100, 0, None),) * 2}),
    Apdu("report-notification-list", {**REPLY, "attributes": ((OADS[0], (1, VALUE)),)}),
    Apdu("report-notification-record-list", {**REPLY, "tables": (TABLE,)}),
    Apdu("report-response-list", {"piid": 1, "oads": OADS}),
    Apdu("proxy-request-get-list", {"piid": 1, "wait_s": 9, "meters": (PROXY,)}),
    Apdu("proxy-response-get-list", {**REPLY, "meters": ((PROXY[0], ((OADS[0], (1, VALUE)),)),)}),
    Apdu(
        "proxy-request-transparent",
        {"piid": 1, "port": 0xF2010201, "line": (3, 1, 8, 1, 0), "answer_s": 5, "octet_ms": 7, "forward": b"abc"},
    ),
    Apdu("proxy-response-transparent", {**REPLY, "port": 0xF2010201, "answer": (1, b"abc")}),
    Apdu("error-response", {**REPLY, "error": 2}),
]


@pytest.mark.parametrize("apdu", APDUS, ids=lambda apdu: apdu.service)
def test_their_codec_reads_what_we_write(apdu: Apdu) -> None:
    octets = apdu.encode()
    assert native.encode_apdu(native.decode_apdu(octets)).hex() == octets.hex()
    assert Apdu.decode(octets).encode() == octets


def test_their_frames_are_ours() -> None:
    for size in (1, 6):
        for control in (STARTED | USER, STARTED | USER | SCRAMBLED):
            address = Address("123456789012"[: 2 * size], logical=1)
            ours = Frame(address, bytes.fromhex("0501 01 00100200 00"), control, 0x10).encode()
            theirs = native.decode_frame(ours)
            assert theirs.payload == bytes.fromhex("05010100100200 00")
            assert native.encode_frame(theirs) == ours
            assert Frame.decode(ours).encode() == ours
