"""A newcomer adds a meter and a protocol by the documentation alone: one file, and two.

What the pages print is put where they say, into a copy of the package, and tried by the commands they name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from metergate.bits import sum8
from metergate.meters.map import load_maps

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    """What a page prints in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "howto" / page).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a newcomer has it, without pages' scripts and the station."""
    place = tmp_path_factory.mktemp("newcomer")
    shutil.copytree(
        ROOT / "src" / "metergate", place / "metergate", ignore=shutil.ignore_patterns("station", "__pycache__")
    )
    return place


def metergate(copy: Path, *words: str) -> str:
    """What the command of the copy prints."""
    environment = os.environ | {"PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "metergate.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(copy: Path) -> dict[str, bytes]:
    """The copy as it is now."""
    found = (path for path in copy.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(copy)): path.read_bytes() for path in found}


def touched(before: dict[str, bytes], now: dict[str, bytes]) -> set[str]:
    """Files that are new or different."""
    return {name for name, content in now.items() if before.get(name) != content}


def test_a_new_meter_is_one_file(copy: Path) -> None:
    (page,) = blocks("add-a-meter.md", "toml")
    before = files(copy)
    shipped = load_maps()["abb_delta"]
    telegram = "".join((shipped.example[0].telegram or "").split())
    file = copy / "metergate/meters/maps/acme_flow_7.toml"
    file.write_text(page.replace("6898…", telegram).replace('brand = "ABB"', 'brand = "Acme"'))
    assert touched(before, files(copy)) == {"metergate/meters/maps/acme_flow_7.toml"}
    assert "acme_flow_7" in metergate(copy, "meters", "list")
    assert "1 examples, 0 mistakes" in metergate(copy, "meters", "check", str(file))


def test_a_new_protocol_is_two_files(copy: Path) -> None:
    (page,) = blocks("add-a-protocol.md", "python")
    before = files(copy)
    registry = copy / "metergate/wire/__init__.py"
    known = registry.read_text()
    (copy / "metergate/wire/toy.py").write_text(page)
    registry.write_text(re.sub(r"_MODULES = \(", '_MODULES = ("toy", ', known, count=1))
    assert touched(before, files(copy)) == {"metergate/wire/toy.py", "metergate/wire/__init__.py"}
    content = bytes.fromhex("a578563412") + (5430157).to_bytes(4, "little")
    frame = content + bytes((sum8(content),))
    told = metergate(copy, "decode", f"ffff{frame.hex()}00", "--protocol", "toy", "--explain")
    assert "12345678" in told
    assert "1-0:1.8.0" in told
    assert str(Decimal(5430157)) in told
    assert "meter's number" in told
    assert "toy" in metergate(copy, "decode", frame.hex())
    assert "bad_checksum" in metergate(copy, "decode", frame.hex() + content.hex() + "00", "--protocol", "toy")
