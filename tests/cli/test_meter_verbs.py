"""`metergate read`, `sniff` and `meters` against lines that are files or simulated."""

import os
import subprocess
import sys
import tty
from decimal import Decimal
from pathlib import Path

import pytest

from metergate.wire.mbus.records import record
from metergate.wire.wmbus import Address, Format, Sender
from metergate.wire.wmbus.sticks import im871a, lines
from smlmeter import PtyMeter, meter_id, telegram


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "metergate.cli", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def meter() -> PtyMeter:
    return PtyMeter(7)


def test_read_a_meter_that_speaks_by_itself(meter: PtyMeter) -> None:
    command = [sys.executable, "-m", "metergate.cli", "read", meter.path, "--protocol", "sml", "--format", "json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while child.poll() is None:
        meter.push()
        try:
            child.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    assert child.stdout is not None
    told = child.stdout.read()
    child.stdout.close()
    meter.close()
    assert child.returncode == 0
    assert meter_id(7) in told
    assert '"obis": "1-0:1.8.0*255"' in told


def test_read_says_what_is_wrong(meter: PtyMeter) -> None:
    silent = cli("read", meter.path, "--protocol", "sml", "--timeout", "0.2")
    assert silent.returncode == 1
    assert "no sml meter was heard within 0.2 s" in silent.stderr
    dead = cli("read", meter.path, "--protocol", "dlt645", "--address", "112233445566", "--timeout", "0.3")
    assert dead.returncode == 1
    assert "was heard within 0.3 s" in dead.stderr
    meter.close()
    unknown = cli("read", "/dev/ttyUSB0", "--protocol", "smll")
    assert unknown.returncode == 2
    assert "unknown protocol 'smll'" in unknown.stderr


def test_sniff_guesses_and_decodes(meter: PtyMeter) -> None:
    command = [sys.executable, "-m", "metergate.cli", "sniff", meter.path, "--seconds", "3"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while child.poll() is None:
        meter.say(b"\x00\xff" + telegram(7, 12345))
        try:
            child.wait(0.3)
        except subprocess.TimeoutExpired:
            continue
    assert child.stdout is not None
    told = child.stdout.read()
    child.stdout.close()
    meter.close()
    assert "this looks like sml" in told
    assert "1-0:1.8.0 = 1234.5 Wh" in told
    assert "1b 1b 1b 1b 01 01 01 01" in told


def test_meters_list_show_check(tmp_path: Path) -> None:
    assert "kamstrup_multical_21" in cli("meters", "list", "--protocol", "wmbus").stdout
    shown = cli("meters", "show", "kamstrup_multical_21").stdout
    assert "Multical 21" in shown
    assert "8-0:1.0.0" in shown
    assert cli("meters", "show", "nothing").returncode == 1
    checked = cli("meters", "check")
    assert checked.returncode == 0
    assert "0 mistakes" in checked.stdout
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('brand = "B"\nmodel = "M"\nprotocol = "mbus"\nmedium = "water"\n')
    found = cli("meters", "check", str(wrong))
    assert found.returncode == 1
    assert "at least one example" in found.stdout


RADIO = Address.named("12345678", "ELS", 1, 7)
KEY = bytes(range(16))


def heard_by_a_stick(*arguments: str) -> str:
    """What a command says of an encrypted telegram, once the stick was told its mode."""
    stick, line = os.openpty()
    tty.setraw(stick)
    tty.setraw(line)
    url = f"stick://im871a{os.ttyname(line)}?mode=C1"
    command = [sys.executable, "-m", "metergate.cli", arguments[0], url, *arguments[1:]]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    greeting, told = im871a.Im871a("C1").greeting, b""
    while len(told) < len(greeting):
        told += os.read(stick, len(greeting) - len(told))
    (frame,) = Sender(RADIO, KEY, 5, Format.NONE).frames([record(b"\x0c", b"\x13", Decimal("12.345"))])
    os.write(stick, im871a.indication(frame))
    said, _ = child.communicate(timeout=60)
    os.close(stick)
    os.close(line)
    assert told == greeting
    return said


def test_read_hears_a_radio_stick(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY.hex())
    told = heard_by_a_stick(
        "read", "--protocol", "wmbus", "--address", "12345678", "--key-file", str(tmp_path / "key"), "--format", "json"
    )
    assert '"value": "12.345"' in told
    assert '"id": "12345678"' in told


def test_sniff_shows_what_a_radio_stick_hears_and_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "right").write_text(KEY.hex())
    (tmp_path / "wrong").write_text(bytes(16).hex())
    right, wrong = (
        heard_by_a_stick("sniff", "--seconds", "3", "--key-file", str(tmp_path / name)) for name in ("right", "wrong")
    )
    assert "wmbus" in right
    assert "of ELS 12345678" in right
    assert "12.345 m3" in right
    assert "wrong_key" in wrong
    assert "key_missing" in heard_by_a_stick("sniff", "--seconds", "3")


def test_sniff_takes_lines_of_text(tmp_path: Path) -> None:
    (frame,) = Sender(RADIO, form=Format.NONE).frames([record(b"\x0c", b"\x13", Decimal("12.345"))])
    program = tmp_path / "radio.sh"
    program.write_text(f"#!/bin/sh\necho '{lines.rtl_line(frame, '2026-11-23 01:02:03.000').decode().strip()}'\n")
    program.chmod(0o700)
    told = cli("sniff", f"pipe://{program}", "--protocol", "wmbus")
    assert "12.345 m3" in told.stdout
