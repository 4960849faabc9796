"""What commands print, wherever it goes: closed pipes, full disks, old locales, signs that steer terminals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from metergate.cli.screen import cell, plain

ENERGY = "6801062816262068910833333433ab896745a116"
"""An answer by DL/T 645-2007: 123456.78 kWh."""


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of shell in which `$metergate` is the command; its status is that of the whole pipe."""
    command = ["bash", "-o", "pipefail", "-c", line.replace("$metergate", f"{sys.executable} -m metergate.cli")]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    "line", ["$metergate meters list", "$metergate --help", f"$metergate decode {ENERGY} --explain"]
)
def test_a_reader_that_has_seen_enough_is_no_error(line: str) -> None:
    done = shell(f"{line} | true")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_told() -> None:
    done = shell(f"$metergate decode {ENERGY} > /dev/full")
    assert (done.returncode, done.stderr) == (1, "metergate: No space left on device\n")


def test_a_closed_input_is_told() -> None:
    done = shell("$metergate decode - <&-")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "standard input is closed" in done.stderr


def test_signs_that_a_locale_lacks_are_no_error() -> None:
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell("$metergate meters list", **bare)
    assert (done.returncode, done.stderr) == (0, "")
    assert "abb_delta" in done.stdout
    assert done.stdout.isascii()


@pytest.mark.parametrize("columns", ["40", "60", "200"])
def test_a_value_is_never_cut(columns: str) -> None:
    done = shell(f"$metergate decode {ENERGY}", COLUMNS=columns)
    assert "123456.78" in done.stdout
    assert "1-0:1.8.0" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= int(columns)


def test_what_a_meter_says_does_not_steer_the_terminal() -> None:
    assert plain("\x1b[2J\x9bHello\r") == "·[2J·Hello·"
    assert cell("a[/]b[red]") == r"a\[/]b\[red]"
    text = "/ABC5[x\r\n\r\n1-0:1.8.0(000001.000*kWh)\r\n0-0:96.13.0([/x])\r\n!\r\n"
    done = shell(f"$metergate decode --protocol p1 --explain {text.encode().hex()}")
    assert "1.000" in done.stdout, done.stderr
    assert "ABC-[x" in done.stdout
    assert " [/x]" in done.stdout


def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    port = tmp_path / "head"
    command = [sys.executable, "-m", "metergate.cli", "serve-meter", "sml", "--port", os.fspath(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as meter:
        assert meter.stdout is not None
        meter.stdout.readline()
        meter.send_signal(signal.SIGINT)
        _, told = meter.communicate(timeout=30)
    assert (meter.returncode, told) == (0, "")


def test_errors_of_the_system_name_the_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.touch()
    done = shell(f"$metergate demo --state {mine}")
    assert (done.returncode, done.stderr) == (1, f"metergate: {mine}: File exists\n")
    done = shell(f"$metergate scan tcp://127.0.0.1:1 --output {mine}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"metergate: {mine} is there already: give another file\n"
    assert not mine.read_text()
    done = shell(f"$metergate scan tcp://127.0.0.1:1 --output {tmp_path}/no/such.toml")
    assert "cannot be written" in done.stderr
