"""The gateway as a process: kill -9 and restart, SIGHUP, wrong settings, the command line around it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brokers import Mosquitto, mosquitto
from metergate.gateway.status import ask_status
from metergate.profiles.spool import Spool
from smlmeter import PtyMeter


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def meter() -> Iterator[PtyMeter]:
    made = PtyMeter(1)
    yield made
    made.close()


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "metergate.cli", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def config(folder: Path, url: str, *paths: str) -> Path:
    file = folder / "gateway.toml"
    lines = "".join(f'[[line]]\nurl = "{path}"\nprotocol = "sml"\n' for path in paths)
    file.write_text(
        f'id = "gw1"\ndata = "{folder}/data"\n[mqtt]\nurl = "{url}"\n[station]\ngroup = "north"\n[spool]\n'
        f'sync = "20 ms"\n[publish.homeassistant]\nenabled = false\n{lines}'
    )
    return file


class Daemon:
    """`metergate gateway run` as a child; its log is read by whoever waits for something."""

    def __init__(self, file: Path) -> None:
        command = [sys.executable, "-m", "metergate.cli", "gateway", "run", str(file)]
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def until(self, words: str) -> None:
        """Wait until the log says so."""
        assert self.child.stderr is not None
        for line in self.child.stderr:
            if words in line:
                return
        raise AssertionError(f"the gateway ended without saying {words!r}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        self.child.send_signal(number)
        assert self.child.stderr is not None
        self.child.stderr.read()
        self.child.stderr.close()
        return self.child.wait(30)


def until(what: Callable[[], object]) -> None:
    """Wait for something that only shows in files."""
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def safe(folder: Path, telegrams: int) -> bool:
    """Has the gateway heard so many telegrams, and is everything of them on the disk?"""
    told = asyncio.run(ask_status(folder / "status.sock"))
    heard = sum(line["telegrams"] for line in told["lines"])
    return bool(heard == telegrams and told["spool"]["written"] == 5 * telegrams)


def imports(folder: Path) -> list[int]:
    """All import readings in a spool, in order."""
    with Spool(folder) as spool:
        batch = spool.read(0, 100_000)
        assert batch is not None
        rows = zip(batch.columns.register.tolist(), batch.columns.value.tolist(), strict=True)
        return [value for number, value in rows if str(batch.registers[number].obis) == "1-0:1.8.0"]


def test_kill_and_restart_continue_the_spool(broker: Mosquitto, tmp_path: Path, meter: PtyMeter) -> None:
    file, spool = config(tmp_path, broker.url, meter.path), tmp_path / "data" / "spool"
    for turn in range(3):
        daemon = Daemon(file)
        daemon.until("line open")
        for _ in range(5):
            meter.push()
        until(lambda: safe(tmp_path / "data", 5))
        assert daemon.end(signal.SIGKILL if turn < 2 else signal.SIGTERM) == (-9 if turn < 2 else 0)
    assert imports(spool) == list(range(1, 16))


def test_sighup_opens_a_new_line(broker: Mosquitto, tmp_path: Path, meter: PtyMeter) -> None:
    file = config(tmp_path, broker.url)
    daemon = Daemon(file)
    daemon.until("gateway runs")
    config(tmp_path, broker.url, meter.path)
    daemon.child.send_signal(signal.SIGHUP)
    daemon.until("line open")
    told = cli("gateway", "status", str(file), "--json-output")
    assert '"state": "open"' in told.stdout
    shown = cli("gateway", "status", str(file))
    assert "gateway gw1" in shown.stdout
    assert daemon.end() == 0


def test_wrong_settings_end_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[[line]]\nurl = "/dev/ttyUSB0"\nprotcol = "sml"\n')
    for verb in ("run", "check"):
        done = cli("gateway", verb, str(file))
        assert done.returncode == 1
        assert done.stderr.strip() == f"metergate: {file}:3: unknown key 'protcol'; did you mean 'protocol'?"


def test_check_and_status_of_nobody(tmp_path: Path) -> None:
    file = config(tmp_path, "mqtt://127.0.0.1", "/dev/ttyUSB0")
    assert "right" in cli("gateway", "check", str(file)).stdout
    done = cli("gateway", "status", str(file))
    assert done.returncode == 1
    assert "no gateway answers" in done.stderr


def test_two_gateways_do_not_share_a_spool(broker: Mosquitto, tmp_path: Path) -> None:
    file = config(tmp_path, broker.url)
    first = Daemon(file)
    first.until("gateway runs")
    second = subprocess.run(
        [sys.executable, "-m", "metergate.gatewayd", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )
    assert second.returncode == 1
    assert "another process" in second.stderr
    assert first.end() == 0
