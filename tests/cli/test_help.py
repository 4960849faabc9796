"""Help and completion: every command explains itself by an example that is understood."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from metergate.cli import app

ASIDE = {"--help", "-h", "--version", "--install-completion"}


def commands(group: App, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    for name in group:
        if name not in ASIDE:
            found = group[name]
            yield from commands(found, (*path, name)) if found.default_command is None else [((*path, name), found)]


COMMANDS = dict(commands(app))


def test_all_commands_are_looked_at() -> None:
    assert {("decode",), ("gateway", "check"), ("mqtt", "sub"), ("station", "run"), ("sim", "line")} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_its_examples_are_understood(path: tuple[str, ...]) -> None:
    text = COMMANDS[path].default_command.__doc__ or ""
    lines = re.findall(rf"^ {{8}}(?:\S.* \| |[A-Z_]+=\S+ )?(metergate {' '.join(path)}\b.*)$", text, re.MULTILINE)
    assert lines, f"no example in the help of metergate {' '.join(path)}"
    for line in lines:
        command, bound, _ = app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
        assert command is COMMANDS[path].default_command
        assert bound.arguments or bound.kwargs or len(shlex.split(line)) == 1 + len(path)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [("metergate gatew", "gateway"), ("metergate gateway che", "check"), ("metergate decode --exp", "--explain")],
)
def test_bash_completes_commands_and_options(typed: str, wanted: str, tmp_path: Path) -> None:
    script = tmp_path / "metergate.bash"
    script.write_text(app.generate_completion(shell="bash"))
    asked = f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={typed.count(' ')}; {completer(script)}"
    command = ["bash", "-c", f"{asked}; echo ${{COMPREPLY[@]}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert wanted in done.stdout.split(), done.stderr


def completer(script: Path) -> str:
    """The function that the script registers for `metergate`."""
    (name,) = set(re.findall(r"complete .*-F (\S+) metergate", script.read_text()))
    return str(name)


def test_help_fits_a_narrow_terminal() -> None:
    command = [sys.executable, "-m", "metergate.cli", "decode", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "40", "NO_COLOR": "1"})
    assert max(map(len, done.stdout.splitlines())) <= 40
    assert "\x1b" not in done.stdout
