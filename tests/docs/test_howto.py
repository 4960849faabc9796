"""What the documentation shows works: every block of settings is right, every command line is understood."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from metergate.cli import app
from metergate.config import load_gateway
from metergate.meters.options import KEYS, OPTIONS
from metergate.meters.pollers import POLLERS
from metergate.wire import protocols

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(metergate (?:read|clock|relay|valve|scan|serve-meter) [^`]*)`")
SECRET = re.compile(r'"/etc/metergate/([\w.]+)"')


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for language, text in FENCE.findall(page.read_text("utf-8")):
            if language in languages:
                yield page.name, text


SETTINGS = [(page, text) for page, text in blocks("toml") if {"line", "mqtt", "publish"} & set(tomllib.loads(text))]
COMMANDS = sorted(
    {
        line.removeprefix("$ ").partition("  #")[0].strip()
        for _, text in blocks("sh", "console")
        for line in text.splitlines()
        if re.match(r"(\$ )?metergate (read|clock|relay|valve|scan|serve-meter) ", line)
    }
    | {found for page in PAGES for found in INLINE.findall(page.read_text("utf-8")) if not found.isupper()}
)


@pytest.mark.parametrize(("page", "text"), SETTINGS)
def test_settings_in_the_pages_are_right(page: str, text: str, tmp_path: Path) -> None:
    for name in SECRET.findall(text):
        (tmp_path / name).write_text("00112233445566778899aabbccddeeff")
    file = tmp_path / "gateway.toml"
    file.write_text(SECRET.sub(rf'"{tmp_path}/\1"', text))
    load_gateway(file)


@pytest.mark.parametrize("line", [line for line in COMMANDS if " URL" not in line and " PROTOCOL" not in line])
def test_commands_in_the_pages_are_understood(line: str) -> None:
    command, bound, _ = app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
    assert callable(command)
    given = shlex.split(line)
    if "--protocol" in given:
        assert given[given.index("--protocol") + 1] in protocols()
    assert bound.arguments or bound.kwargs


def test_every_protocol_that_a_line_speaks_is_shown() -> None:
    shown = {line["protocol"] for _, text in SETTINGS for line in tomllib.loads(text).get("line", ())}
    read = {words[words.index("--protocol") + 1] for words in map(str.split, COMMANDS) if "--protocol" in words}
    speaks = set(OPTIONS)
    assert speaks - shown <= {"dlt645-1997"}
    assert speaks - read <= {"mgc1"}
    assert set(KEYS) <= speaks
    assert set(POLLERS) <= speaks
    assert set(protocols()) - speaks == {"dlms-apdu"}
