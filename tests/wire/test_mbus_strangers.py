"""M-Bus against a stranger: pyMeterBus decodes our slave's frames and reads it through a pseudo terminal."""

import os
import pty
import select
import threading
import tty
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from dialogues import NOW, Talk
from mbusbus import Bus, heat, heat_records, large
from metergate.wire.mbus import reader
from metergate.wire.mbus.slave import Slave
from metergate.wire.mbus.telegram import Receiver

meterbus = pytest.importorskip("meterbus")
serial = pytest.importorskip("serial")

REQUEST = {number: bytes((0x10, 0x7B, number, 0x7B + number & 0xFF, 0x16)) for number in (5, 6)}
TIMES = {"2026-11-22T04:30:00": "2026-11-22T04:30"}


def answer(meter: Slave, number: int) -> bytes:
    (found,) = meter.receive(REQUEST[number], NOW)
    return found


def theirs(frame: bytes) -> list[Any]:
    """Values as pyMeterBus has them; text as it shows it."""
    return [record.value for record in meterbus.load(frame).records]


def alike(ours: object, other: object) -> bool:
    if isinstance(ours, Decimal):
        return abs(ours - Decimal(str(other))) < Decimal("1e-6")
    return str(TIMES.get(str(ours), ours)) == str(other)


def test_their_decoder_on_our_frames() -> None:
    meter = heat("12345678", 5)
    frame = answer(meter, 5)
    ours = [reading.value for reading in Talk([heat("12345678", 5)]).run(reader.read(5)).readings]
    other = theirs(frame)
    assert len(other) == len(heat_records())
    assert all(map(alike, ours, other)), (ours, other)
    head = meterbus.load(frame).body.bodyHeader
    assert [head.id_nr, head.manufacturer_field.decodeManufacturer] == [[0x12, 0x34, 0x56, 0x78], "KAM"]


def test_their_decoder_sees_that_more_follows() -> None:
    frame = answer(large("12345678", 5), 5)
    loaded = meterbus.load(frame)
    assert loaded.body.bodyPayload.more_records_follow()
    (ours,) = Receiver().receive(frame)
    assert [record.value for record in loaded.records][:5] == [reading.value for reading in ours.readings][:5]  # type: ignore[union-attr]


def test_our_decoder_on_their_requests() -> None:
    """Their request and select frames reach the slave that they mean."""
    meter = heat("12345678", 5)
    request = bytes(meterbus.TelegramShort([0x10, 0x7B, 5, 0x80, 0x16]))
    assert next(iter(meter.receive(request, NOW)))[:4] == answer(heat("12345678", 5), 5)[:4]


def serve(line: int, bus: Bus, stop: threading.Event) -> None:
    while not stop.is_set():
        ready, _, _ = select.select([line], [], [], 0.05)
        if ready:
            for found in bus.receive(os.read(line, 4096), datetime(2026, 11, 22, 4, 30)):
                os.write(line, found)


@pytest.fixture
def port() -> Iterator[Any]:
    """A serial port with two heat meters and a water meter of several telegrams behind it."""
    bus = Bus(heat("12345678", 5), heat("87654321", 6), large("11223344", 7))
    line, end = pty.openpty()
    tty.setraw(line)
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(line, bus, stop), daemon=True)
    thread.start()
    try:
        with serial.Serial(os.ttyname(end), 2400, 8, "E", 1, timeout=2) as opened:
            yield opened
    finally:
        stop.set()
        thread.join()
        os.close(line)
        os.close(end)


def read_one(port: Any, address: int) -> Any:
    meterbus.send_request_frame(port, address)
    return meterbus.load(meterbus.recv_frame(port, meterbus.FRAME_DATA_LENGTH))


def test_their_reader_on_our_meter(port: Any) -> None:
    meterbus.send_ping_frame(port, 6)
    assert isinstance(meterbus.load(meterbus.recv_frame(port, 1)), meterbus.TelegramACK)
    found = read_one(port, 6)
    assert found.body.bodyHeader.id_nr == [0x87, 0x65, 0x43, 0x21]
    ours = [reading.value for reading in Talk([heat("87654321", 6)]).run(reader.read(6)).readings]
    assert all(map(alike, ours, [record.value for record in found.records]))


def test_their_selection_on_our_meters(port: Any) -> None:
    meterbus.send_select_frame(port, "12345678FFFFFFFF")
    assert isinstance(meterbus.load(meterbus.recv_frame(port, 1)), meterbus.TelegramACK)
    assert read_one(port, meterbus.ADDRESS_NETWORK_LAYER).body.bodyHeader.id_nr == [0x12, 0x34, 0x56, 0x78]


def test_their_readout_of_several_telegrams(port: Any) -> None:
    meterbus.send_ping_frame(port, 7)
    meterbus.recv_frame(port, 1)
    values: list[Any] = []
    for control in (0x7B, 0x5B) * 4:
        meterbus.serial_send(port, meterbus.TelegramShort([0x10, control, 7, control + 7 & 0xFF, 0x16]))
        found = meterbus.load(meterbus.recv_frame(port, meterbus.FRAME_DATA_LENGTH))
        values += [record.value for record in found.records if record.value is not None]
        if not found.body.bodyPayload.more_records_follow():
            break
    assert [int(value) for value in values] == list(range(120))
