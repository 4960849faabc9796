"""Telegrams spoilt at random, fed to the receivers, and what must hold whatever they are.

`fuzz(line, count, seed)` feeds `count` spoilt telegrams to one protocol's receivers and checks every answer; on a
failure it says which one it was. The telegrams are those of the corpora, where they are there, and of simulated meters.

`lines` has what a line is, `spoil` the damages, `promises` what must hold; the lines themselves stand by families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from mutants import buses, china, dlms, texts
from mutants.lines import Line
from mutants.promises import Tally, check, fuzz, heard, left_behind

__all__ = ["MAKERS", "Line", "Tally", "check", "fuzz", "heard", "left_behind", "line"]

MAKERS: Mapping[str, Callable[[], Line]] = {**buses.MAKERS, **china.MAKERS, **texts.MAKERS, **dlms.MAKERS}
"""Every line by its name: a protocol, or a protocol and how its line is set up."""


@cache
def line(name: str) -> Line:
    """A line by its name."""
    return MAKERS[name]()
