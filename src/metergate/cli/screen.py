"""Where commands print: a terminal of any width, a file, a pipe whose reader went away."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.markup import escape

WIDE = 200
"""Columns of a table that nobody's terminal cuts."""


class Screen(Console):
    """A console that leaves a closed pipe to the caller, as every other `print` does."""

    def on_broken_pipe(self) -> None:
        """BrokenPipeError: whoever read this has seen enough."""
        raise BrokenPipeError


def screen() -> Screen:
    """For tables: as wide as the terminal; in files and pipes as wide as they need."""
    piped = sys.stdout is None or not sys.stdout.isatty()
    return Screen(width=WIDE if piped and "COLUMNS" not in os.environ else None)


def plain(text: object) -> str:
    """What a meter or a broker said, without signs that would steer the terminal."""
    signs = "" if text is None else str(text)
    return "".join(sign if sign.isprintable() or sign == "\n" else "·" for sign in signs)


def cell(text: object) -> str:
    """As `plain`, for tables and lines with markup: brackets are brackets."""
    return escape(plain(text))


def forgive() -> None:
    """Signs that the locale cannot show become question marks, never an error."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def hush() -> None:
    """What is left to print goes nowhere, and nobody complains at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
