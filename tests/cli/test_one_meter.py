"""Verbs that talk to one meter, as they are typed, against meters served by `metergate serve-meter`."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from metergate.cli import main
from metergate.cli.reach import keys_of, options_of
from metergate.errors import ConfigError

EK, AK = bytes(range(16)).hex(), bytes(range(16, 32)).hex()


def cli(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "metergate.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def meter(protocol: str, *more: str) -> Iterator[list[str]]:
    """Serves a meter; what to type behind `metergate` to read it."""
    command = [sys.executable, "-m", "metergate.cli", "serve-meter", protocol, *more]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield shlex.split(child.stdout.readline().removeprefix("read it: "))[1:]
    finally:
        child.terminate()
        child.communicate()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("keys")
    (folder / "ek").write_text(EK)
    (folder / "ak").write_text(AK)
    return ["--key-file", f"encryption={folder}/ek", "--key-file", f"authentication={folder}/ak"]


def test_a_ciphered_meter_is_read_set_and_switched(keys: list[str]) -> None:
    with meter("dlms-wrapper", *keys) as typed:
        said = cli(*typed, "--registers", "1-0:1.8.0", "--registers", "1-0:32.7.0", "--format", "json")
        assert said.returncode == 0, said.stderr
        rows = {row["obis"]: row for row in json.loads(said.stdout)["readings"]}
        assert set(rows) == {"1-0:1.8.0*255", "1-0:32.7.0*255"}
        where, rest = typed[1], typed[2:]
        since = datetime.now(UTC) - timedelta(hours=3)
        profile = cli(*typed, "--profile", "1-0:1.8.0", "--from", f"{since:%Y-%m-%dT%H:%M:%SZ}", "--format", "json")
        values = [row["value"] for row in json.loads(profile.stdout)["readings"]]
        assert len(values) in (11, 12, 13)
        assert values == sorted(values, key=float)
        for verb in (["clock", where], ["relay", where, "off"], ["relay", where, "on"]):
            done = cli(*verb, *rest)
            assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
        later = datetime.now(UTC) + timedelta(hours=1)
        events = cli(*typed, "--events", "--to", f"{later:%Y-%m-%dT%H:%M:%SZ}", "--format", "json")
        told = [row["value"] for row in json.loads(events.stdout)["readings"]]
        assert {"60", "61"} <= set(told)


def test_what_a_protocol_cannot_do_has_an_answer_and_status_1() -> None:
    with meter("cjt188") as typed:
        where, rest = typed[1], typed[2:]
        assert cli("valve", where, "closed", *rest).stdout == "done\n"
        for words in (["clock", where, *rest], ["relay", where, "on", *rest], [*typed, "--events"]):
            said = cli(*words)
            assert said.returncode == 1
            assert "cannot" in said.stderr
            assert "Traceback" not in said.stderr


def test_a_meter_that_pushes_is_read_as_it_says_itself() -> None:
    with meter("p1", "--every", "0.2", "--kind", "43") as typed:
        said = cli(*typed)
        assert said.returncode == 0, said.stderr
        assert "1-0:1.8.0" in said.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["read"], 2, "URL"),
        (["read", "/dev/ttyUSB0"], 2, "--protocol"),
        (["red"], 2, 'Did you mean "read"'),
        (["read", "/dev/ttyUSB0", "--protocol", "sml", "--protocl", "x"], 2, "--protocl"),
        (["relay", "/dev/ttyUSB0", "up", "--protocol", "dlt645"], 2, "on"),
        (["read", "/dev/ttyUSB0", "--protocol", "sml", "--format", "xml"], 2, '"table", "json"'),
        (["read", "/dev/ttyUSB0", "--protocol", "sml", "--from", "2026-01-01"], 2, "belong to --profile"),
        (["read", "/dev/ttyUSB0", "--protocol", "sml", "--profile", "x", "--events"], 2, "ask one"),
        (["read", "/dev/ttyUSB0", "--protocol", "dlt645", "--option", "utc_ofset=60"], 1, "did you mean 'utc_offset'"),
        (["read", "/dev/ttyUSB0", "--protocol", "sml", "--profile", "1-0:1.8.0"], 1, "speaks by itself"),
        (["serve-meter", "dlt646"], 2, "did you mean dlt645"),
        (["serve-meter", "mbus", "--id", "abc"], 2, "digits only"),
        (["sim", "line", "--pty", "a", "b", "--format", "8X"], 1, "as 8N1"),
        (["sim", "line", "--pty", "a", "b", "--baud", "0"], 2, "--baud 0"),
        (["sniff", "/dev/ttyUSB0", "--protocol", "smll"], 2, "did you mean sml"),
        (["meters", "list", "--protocol", "smll"], 2, "did you mean sml"),
        (["meters", "show", "abb_delt"], 1, "did you mean abb_delta"),
        (["meters", "check", "/nowhere.toml"], 1, "/nowhere.toml"),
        (["decode", "--bogus", "x"], 2, "unknown option --bogus"),
        (["gatway"], 2, 'Did you mean "gateway"'),
        (["read", "/dev/ttyUSB0", "sml"], 2, "--protocol"),
        (["demo", "now"], 2, "'now' is too much"),
        (["serve-meter", "p1", "--kind", "x"], 2, "no number"),
        (["serve-meter", "mbus", "--port"], 2, "--port"),
        (["scan", "/dev/ttyUSB0", "--protocol", "sml"], 2, "no probe"),
        (["sniff"], 2, "URL"),
        (["decode", "--format"], 2, "--format"),
        (["gateway", "check", "/nowhere.toml"], 1, "/nowhere.toml"),
        (["meters", "show"], 2, "NAME"),
        (["mqtt", "sub"], 2, ""),
        (["station", "runn"], 2, "run"),
    ],
)
def test_wrong_usage_is_told_and_has_a_status(
    words: list[str], status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["metergate", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_keys_and_options_by_name(tmp_path: Path) -> None:
    for name in ("one", "a=b"):
        (tmp_path / name).write_text(EK)
    key = bytes.fromhex(EK)
    assert keys_of([str(tmp_path / "one")], "wmbus") == (key, {})
    assert keys_of([str(tmp_path / "a=b")], "wmbus") == (key, {})
    assert keys_of([f"encryption={tmp_path}/one"], "p1") == (None, {"encryption": key})
    with pytest.raises(ConfigError, match="did you mean 'encryption'"):
        keys_of([f"encrypton={tmp_path}/one"], "p1")
    assert options_of(["utc_offset=60", "operator=00000001"], "dlt645") == {"utc_offset": 60, "operator": "00000001"}
    for wrong in ("utc_offset", "utc_offset=now", "nothing=1"):
        with pytest.raises(ConfigError):
            options_of([wrong], "dlt645")
