"""P1 read by other people's programs: dsmr-parser over TCP and a pseudo terminal, clear and encrypted, and amshan."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from metergate.model import Obis
from metergate.sim import specs
from metergate.sim.clock import SimClock
from metergate.sim.household import Household
from metergate.sim.meters import Pusher, source
from metergate.sim.meters.p1 import GAS, KINDS
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.p1 import P1Receiver
from metergate.wire.p1.push import spoilt

telegram_specifications = pytest.importorskip("dsmr_parser.telegram_specifications")
parsers = pytest.importorskip("dsmr_parser.parsers")

NOON = datetime(2026, 11, 20, 12, 7, 30, tzinfo=UTC)
HOME = Household(77, persons=3, pv_watts=5000, since=date(2026, 11, 1))
STILL = 1e-6
"""Seconds of the meters that pass in a second."""
ID, KEY = "E0099000000471126", "000102030405060708090a0b0c0d0e0f"
AK = "00112233445566778899AABBCCDDEEFF"
SPECS = {
    2: "V2_2",
    3: "V3",
    4: "V4",
    5: "V5",
    32: "BELGIUM_FLUVIUS",
    36: "EON_HUNGARY",
    46: "SWEDEN",
    49: "Q3D",
    352: "LUXEMBOURG_SMARTY",
    353: "ISKRA_IE",
}
"""Their specification for each of our kinds."""
NAMES = {
    "ELECTRICITY_IMPORTED_TOTAL": "1-0:1.8.0",
    "ELECTRICITY_EXPORTED_TOTAL": "1-0:2.8.0",
    "ELECTRICITY_USED_TARIFF_1": "1-0:1.8.1",
    "ELECTRICITY_USED_TARIFF_2": "1-0:1.8.2",
    "ELECTRICITY_DELIVERED_TARIFF_1": "1-0:2.8.1",
    "ELECTRICITY_DELIVERED_TARIFF_2": "1-0:2.8.2",
    "CURRENT_ELECTRICITY_USAGE": "1-0:1.7.0",
    "CURRENT_ELECTRICITY_DELIVERY": "1-0:2.7.0",
    "INSTANTANEOUS_VOLTAGE_L1": "1-0:32.7.0",
    "INSTANTANEOUS_CURRENT_L1": "1-0:31.7.0",
    "INSTANTANEOUS_ACTIVE_POWER_L1_POSITIVE": "1-0:21.7.0",
    "INSTANTANEOUS_ACTIVE_POWER_L1_NEGATIVE": "1-0:22.7.0",
}


def bank(*meters: MeterSpec) -> Bank:
    return Bank((HOME,), meters, SimClock(time.time(), NOON, STILL), datetime(2026, 11, 1, tzinfo=UTC))


def meter(kind: int, key: str = "") -> MeterSpec:
    return MeterSpec("p1", ID, 0, kind, key, every=0.2 * STILL)


def pushed(kind: int, key: str = "") -> bytes:
    spec = meter(kind, key)
    (frame,) = Pusher(spec, bank(spec)).frames(NOON)
    return frame


def theirs(telegram: Any) -> dict[str, tuple[Decimal, str]]:
    """Codes, values and units of what dsmr-parser found."""
    found = {}
    for name, code in NAMES.items():
        item = getattr(telegram, name, None)
        if item is not None:
            found[code] = (item.value, item.unit)
    return found


def ours(frame: bytes, key: str = "") -> dict[str, tuple[Decimal, str]]:
    """The same from our reader."""
    receiver = P1Receiver({"encryption": bytes.fromhex(key)} if key else {})
    (told,) = [item for item in receiver.receive(frame) if hasattr(item, "readings")]
    return {
        str(reading.obis): (reading.value, reading.unit.value)
        for reading in told.readings
        if isinstance(reading.value, Decimal) and reading.unit and str(reading.obis) in NAMES.values()
    }


# --- what our encoder writes -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", SPECS)
def test_dsmr_parser_reads_what_our_meters_write(kind: int) -> None:
    specification = dict(getattr(telegram_specifications, SPECS[kind]), general_global_cipher=False)
    frame = pushed(kind)
    telegram = parsers.TelegramParser(specification).parse(frame.decode("ascii"), throw_ex=True)
    read = theirs(telegram)
    mine = ours(frame)
    assert read
    assert {code: mine[code] for code in read} == read
    if kind == 5:
        spec = meter(5)
        show = source(spec, bank(spec))
        gas = telegram.MBUS_DEVICES[0]
        hour = NOON.replace(minute=5, second=0)
        assert gas.MBUS_DEVICE_TYPE.value == GAS
        assert gas.MBUS_METER_READING.value == show(Obis.parse("7-0:3.0.0"), hour)
        assert gas.MBUS_METER_READING.datetime == hour
        assert bytes.fromhex(telegram.EQUIPMENT_IDENTIFIER.value).decode() == spec.id
        assert telegram.P1_MESSAGE_TIMESTAMP.value == NOON


@pytest.mark.parametrize(
    ("kind", "name"),
    [(352, "MSN"), (352, "LUXEMBOURG_SMARTY"), (43, "SAGEMCOM_T210_D_R"), (43, "AUSTRIA_ENERGIENETZE_STEIERMARK")],
)
def test_dsmr_parser_opens_what_our_meters_seal(kind: int, name: str) -> None:
    specification = dict(getattr(telegram_specifications, name), general_global_cipher=True)
    frame = pushed(kind, KEY)
    telegram = parsers.TelegramParser(specification).parse(frame.hex(), KEY, AK, throw_ex=True)
    read, mine = theirs(telegram), ours(frame, KEY)
    assert read
    assert {code: mine[code] for code in read} == read


def test_dsmr_parser_refuses_the_check_sums_that_we_spoil() -> None:
    exceptions = pytest.importorskip("dsmr_parser.exceptions")
    parser = parsers.TelegramParser(telegram_specifications.V5)
    parser.parse(pushed(5).decode())
    with pytest.raises(exceptions.InvalidChecksumError):
        parser.parse(spoilt(pushed(5)).decode())


# --- live ------------------------------------------------------------------------------------------------------------
@contextmanager
def running(folder: Path, port: str, spec: MeterSpec) -> Iterator[None]:
    """`metergate sim push` with this meter at `port`."""
    specs.save(folder / "bank.json", bank(spec))
    command = (sys.executable, "-m", "metergate.cli", "sim", "push", str(folder / "bank.json"), "--port", port)
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        child.send_signal(signal.SIGTERM)
        _, told = child.communicate(timeout=30)
    assert (child.returncode, told) == (0, "")


@contextmanager
def calling(spec: MeterSpec) -> Iterator[int]:
    """The meter behind a TCP port, as a serial server offers it; gives the port's number."""
    pusher, done = Pusher(spec, bank(spec)), threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        caller, _ = server.accept()
        with caller, suppress(OSError):
            caller.sendall(pusher.frames(NOON)[0][100:])
            while not done.wait(0.05):
                caller.sendall(pusher.frames(NOON)[0])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        done.set()
        thread.join(30)
        server.close()


_READ = """
import itertools
from dsmr_parser import telegram_specifications
from dsmr_parser.clients import SerialReader, SocketReader
from dsmr_parser.clients.settings import SERIAL_SETTINGS_V5
specification = telegram_specifications.{name}
for telegram in itertools.islice({reader}.read(), 3):
    print(telegram.to_json(), flush=True)
"""
"""A stranger that blocks, in a process of its own."""


def live(name: str, reader: str) -> list[dict[str, tuple[Decimal, str]]]:
    """What it found in the first three telegrams."""
    code = _READ.format(name=name, reader=reader)
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    trees = [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]
    return [
        {code: (Decimal(str(tree[key]["value"])), tree[key]["unit"]) for key, code in NAMES.items() if key in tree}
        for tree in trees
    ]


def agree(told: list[dict[str, tuple[Decimal, str]]], mine: dict[str, tuple[Decimal, str]]) -> None:
    assert len(told) == 3
    for found in told:
        assert found
        assert {code: mine[code] for code in found} == found


@pytest.mark.parametrize(("kind", "name"), [(5, "V5"), (4, "V4"), (32, "BELGIUM_FLUVIUS")])
def test_dsmr_parser_reads_a_live_meter_at_a_serial_port(kind: int, name: str, tmp_path: Path) -> None:
    port = tmp_path / "port"
    with running(tmp_path, f"pty://{port}", meter(kind)):
        deadline = time.monotonic() + 60
        while not port.is_symlink():
            assert time.monotonic() < deadline, "no port appeared"
            time.sleep(0.02)
        told = live(name, f"SerialReader({os.fspath(port)!r}, SERIAL_SETTINGS_V5, specification)")
    agree(told, ours(pushed(kind)))


@pytest.mark.parametrize(
    ("kind", "key", "name"), [(5, "", "V5"), (46, "", "SWEDEN"), (352, KEY, "MSN"), (43, KEY, "SAGEMCOM_T210_D_R")]
)
def test_dsmr_parser_reads_a_live_meter_over_tcp(kind: int, key: str, name: str) -> None:
    with calling(meter(kind, key)) as port:
        told = live(name, f"SocketReader('127.0.0.1', {port}, specification, {key!r}, {AK!r})")
    agree(told, ours(pushed(kind, key), key))


# --- amshan ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in (46, 5, 4, 36)])
def test_amshan_reads_what_our_meters_write(kind: int) -> None:
    dlde = pytest.importorskip("han.dlde")
    frame = pushed(kind)
    (readout,) = dlde.ModeDReader().read(frame)
    assert readout.is_valid
    found = dlde.decode_p1_readout(readout)
    mine = ours(frame)
    names = {"active_power_import_total": "1-0:1.8.0", "active_power_export_total": "1-0:2.8.0"}
    names |= {"active_power_import": "1-0:1.7.0", "active_power_export": "1-0:2.7.0"}
    shared = {name: code for name, code in names.items() if name in found and code in mine}
    assert shared
    for name, code in shared.items():
        assert found[name] == int(mine[code][0] * 1000), code
    assert found["meter_manufacturer_id"] == "MGT"


def test_amshan_refuses_the_check_sums_that_we_spoil() -> None:
    dlde = pytest.importorskip("han.dlde")
    assert not any(readout.is_valid for readout in dlde.ModeDReader().read(spoilt(pushed(46))))
