"""A map made from a captured telegram proves itself, and the gateway finds the meter by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from metergate.errors import BadValue, ConfigError
from metergate.meters.examples import check_map
from metergate.meters.map import known_maps, load_map, load_maps
from metergate.meters.new import Draft, Sheet, draft, renamed, text
from metergate.meters.translate import Translator
from metergate.wire import protocols
from metergate.wire.base import Telegram, received

SHIPPED = [one for one in load_maps().values() if any(example.telegram for example in one.example)]
SHEET = Sheet("Acme", "Flow 7/b", "own meter", "MIT")


def telegrams(data: bytes, protocol: str, key: bytes | None = None) -> list[Telegram]:
    receiver = protocols()[protocol].receiver({"key": key} if key else {}, {})
    return [item for item in received(receiver, data) if isinstance(item, Telegram)]


@pytest.mark.parametrize("name", [one.name for one in SHIPPED])
def test_a_map_made_from_any_telegram_proves_itself(name: str, tmp_path: Path) -> None:
    one = load_maps()[name]
    example = next(example for example in one.example if example.telegram)
    data = bytes.fromhex(example.telegram or "")
    key = bytes.fromhex(example.key) if example.key else None
    found = [each for each in telegrams(data, one.protocol, key) if each.readings and each.meter]
    if not found or one.options:
        pytest.skip("needs options of its map")
    file = tmp_path / SHEET.file
    file.write_text(text(SHEET, draft(found), data, key), "utf-8")
    made = load_map(file)
    assert check_map(made) == []
    assert made.register
    values = {reading.value for telegram in found for reading in telegram.readings if reading.value is not None}
    assert len(made.example[0].values) >= min(1, len(values))


def test_names_can_be_changed_and_rows_dropped(tmp_path: Path) -> None:
    one = load_maps()["abb_delta"]
    data = bytes.fromhex(one.example[0].telegram or "")
    made = draft(telegrams(data, "mbus"))
    first = renamed(made.proposals[0], "grand_total")
    file = tmp_path / "acme.toml"
    file.write_text(text(SHEET, Draft(made.protocol, made.meter, (first,)), data), "utf-8")
    mine = load_map(file)
    assert [row.name for row in mine.register] == ["grand_total"]
    assert check_map(mine) == []
    with pytest.raises(BadValue, match="no name"):
        renamed(first, "Grand total")


def test_a_map_of_ones_own_goes_before_the_shipped_one(tmp_path: Path) -> None:
    data = bytes.fromhex(load_maps()["abb_delta"].example[0].telegram or "")
    (telegram,) = telegrams(data, "mbus")
    (tmp_path / "mine.toml").write_text(text(SHEET, draft([telegram]), data), "utf-8")
    found = Translator(known_maps(tmp_path)).map_of(telegram)
    assert found is not None
    assert found.name == "mine"
    with pytest.raises(ConfigError, match="no such folder"):
        known_maps(tmp_path / "nowhere")


def test_what_is_no_telegram_is_said() -> None:
    with pytest.raises(BadValue, match="no telegram with values"):
        draft([])


def ask(*words: str, answers: str = "", folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "metergate.cli", "meters", "new", *words, "--folder", str(folder)]
    return subprocess.run(command, input=answers, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_asks_and_writes_the_file(tmp_path: Path) -> None:
    capture = tmp_path / "capture.hex"
    capture.write_text(load_maps()["abb_delta"].example[0].telegram or "")
    answers = "Acme\n\nMeter One\n\n\nenergy now\ntotal\n-\n" + "\n" * 40
    done = ask(str(capture), answers=answers, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    made = load_map(tmp_path / "acme_meter_one.toml")
    assert made.register[0].name == "total"
    assert "its example agrees" in done.stdout
    assert (made.example[0].origin, made.example[0].licence) == ("own meter", "MIT")
    again = ask(str(capture), "--brand", "Acme", "--model", "Meter One", "--origin", "me", "--licence", "MIT", "--yes",
                folder=tmp_path)  # fmt: skip
    assert again.returncode == 1
    assert "is there already" in again.stderr
