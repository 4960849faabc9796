"""`metergate scan`: what it prints is a gateway's file; what was found is kept when it is stopped."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from metergate.cli import scan as verb
from metergate.config import load_gateway
from metergate.errors import ConfigError, LinkError
from metergate.meters.scan import Hit, Scope, Survey
from metergate.sim.household import Household
from metergate.sim.meters import responder
from metergate.sim.meters.modbus import unit
from metergate.sim.specs import Bank, MeterSpec

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BANK = Bank((Household(5),), (), installed=datetime(2026, 1, 1, tzinfo=UTC))
ENERGY = MeterSpec("dlt645", "202611000042", 0)
CHECK = MeterSpec("modbus", "2", 0, map="eastron_sdm120_modbus")


@contextmanager
def meters(*specs: MeterSpec) -> Iterator[str]:
    """A serial port at which these meters are, served by a thread."""
    ours, theirs = os.openpty()
    answering = [responder(spec, BANK) for spec in specs]

    def serve() -> None:
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:
                return
            if data == b"\0" * 16:
                return
            for meter in answering:
                for answer in meter.receive(data, NOW):
                    os.write(ours, answer)

    import tty

    tty.setraw(theirs)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        os.write(theirs, b"\0" * 16)
        thread.join(10)
        os.close(theirs)
        os.close(ours)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "metergate.cli", "scan", *words)
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_settings_of_a_bus(tmp_path: Path) -> None:
    """Two protocols at two speeds on one port: the gateway takes what comes out."""
    file = tmp_path / "gateway.toml"
    with meters(ENERGY, CHECK) as port:
        url = f"{port}?format=8N1"
        words = ("--protocol", "dlt645", "modbus", "--baud", "2400", "--last", "4", "--timeout", "0.2")
        done = run(url, *words, "--output", os.fspath(file))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == "2 meters found"
    (line,) = load_gateway(file).line
    assert (line.protocol, line.meter[0].id, line.url) == ("dlt645", ENERGY.id, f"{port}?format=8N1&baud=2400")
    text = file.read_text()
    assert f'# id = "modbus-{unit(CHECK)}"' in text
    assert '# map = "eastron_sdm' in text


def test_printed_where_no_file_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def search(url: str, protocols: object, bauds: object, scope: Scope, surveys: dict[str, Survey]) -> None:
        assert (scope.first, scope.last, scope.secondary) == (3, 9, False)
        surveys[url] = Survey(hits=[Hit("mbus", "12345678", "5", "KAM")])

    monkeypatch.setattr(verb, "search", search)
    verb.scan("/dev/ttyX", first=3, last=9, secondary=False)
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "[[line]]",
        'url = "/dev/ttyX"',
        'protocol = "mbus"',
        "",
        "# KAM",
        "[[line.meter]]",
        'id = "12345678"',
        'address = "5"',
    ]
    assert told.err == "1 meter found\n"


def test_ctrl_c_keeps_what_was_found(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def search(url: str, protocols: object, bauds: object, scope: Scope, surveys: dict[str, Survey]) -> None:
        surveys[url] = Survey(hits=[Hit("mbus", "12345678", "5", "KAM")])
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "search", search)
    verb.scan("/dev/ttyX")
    assert 'id = "12345678"' in capsys.readouterr().out


def test_what_cannot_be_looked_for() -> None:
    with pytest.raises(ConfigError, match="no probe for 'sml'"):
        verb.scan("/dev/ttyX", protocol=["sml"])
    with pytest.raises(LinkError):
        verb.scan("/dev/no-such-port", protocol=["modbus"])
