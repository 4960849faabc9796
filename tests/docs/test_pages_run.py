"""What the pages print is what the commands print: every command that a page shows with its output is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "tour.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
FENCE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def shown() -> Iterator[tuple[str, str, str]]:
    """Page, command and output of every command that is shown with output."""
    for page in PAGES:
        for block in FENCE.findall(page.read_text("utf-8")):
            for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = entry.partition("\n")
                if output.strip():
                    yield page.name, command, output


def test_there_is_something_to_run() -> None:
    assert {page for page, _, _ in shown()} >= {"README.md", "decode-what-you-have.md"}


@pytest.mark.parametrize(("page", "command", "output"), list(shown()))
def test_a_command_prints_what_the_page_shows(page: str, command: str, output: str, tmp_path: Path) -> None:
    """`…` stands for anything within a line."""
    binary = tmp_path / "metergate"
    binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m metergate.cli "$@"\n')
    binary.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "COLUMNS": "100"}
    command_line = ["bash", "-c", f"exec 2>&1; {command}"]
    done = subprocess.run(command_line, capture_output=True, text=True, check=False, env=environment)
    printed = [line.rstrip() for line in done.stdout.splitlines()]
    wanted = [".*".join(map(re.escape, line.rstrip().split("…"))) for line in output.splitlines()]
    assert re.fullmatch("\n".join(wanted), "\n".join(printed)), done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
