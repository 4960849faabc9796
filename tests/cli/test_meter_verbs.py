"""`metergate read`, `sniff` and `meters` against lines that are files or simulated."""

import subprocess
import sys
from pathlib import Path

import pytest

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
    assert unknown.returncode == 1
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
