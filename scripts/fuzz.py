"""Feeds spoilt telegrams to the receivers of every protocol and says what came of it.

    scripts/fuzz.py --count 100000            all lines, two at a time
    scripts/fuzz.py sml mbus --seed 7         some, from another seed
    scripts/fuzz.py --minutes 30              guided by the coverage of the decoders, 30 minutes a line

A failure names line, seed and number of the telegram and prints it in hex, or names the file that holds it; the status
is then 1. What guided fuzzing found out is kept in `.fuzz/` and is where the next run begins.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from mutants import MAKERS, fuzz, line

ROOT = Path(__file__).resolve().parent.parent
STATS = ("number_of_executed_units", "new_units_added", "slowest_unit_time_sec", "peak_rss_mb")


def spoilt(count: int, seed: int, name: str) -> tuple[bool, str]:
    """`count` telegrams spoilt at random."""
    try:
        return True, str(fuzz(line(name), count, seed))
    except AssertionError as error:
        return False, str(error)


def guided(seconds: int, seed: int, name: str) -> tuple[bool, str]:
    """What the fuzzer makes of one line in so many seconds."""
    folder = ROOT / ".fuzz" / name
    command = [sys.executable, str(ROOT / "tests" / "guided.py"), name, str(folder)]
    done = subprocess.run(
        [*command, "--seconds", str(seconds), "--seed", str(seed)], capture_output=True, text=True, check=False
    )
    told = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stderr))
    inputs, fresh, slowest, rss = (told.get(stat, "?") for stat in STATS)
    reached = re.findall(r"\bcov: (\d+)", done.stderr)[-1:] or ["?"]
    text = (
        f"{name:12} {inputs} inputs in {seconds} s, {reached[0]} branches, {fresh} that reached new ones, "
        f"slowest {slowest} s, at most {rss} MB"
    )
    return done.returncode == 0, text if done.returncode == 0 else f"{text}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"


def run(work: Callable[[str], tuple[bool, str]], names: Iterable[str], jobs: int) -> bool:
    """All lines, some at a time; what came of each is printed as it ends."""
    good = True
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        for fine, told in pool.imap_unordered(work, names):
            print(told if fine else f"FAILED {told}", flush=True)
            good &= fine
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("line", nargs="*", help=f"of {', '.join(MAKERS)}; none given: all")
    parser.add_argument("--count", type=int, default=100_000, help="spoilt telegrams a line")
    parser.add_argument("--minutes", type=float, default=0.0, help="guided fuzzing of each line, instead of --count")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--jobs", type=int, default=2, help="lines at a time")
    given = parser.parse_args()
    if unknown := set(given.line) - set(MAKERS):
        parser.error(f"no line {', '.join(sorted(unknown))}; there are {', '.join(MAKERS)}")
    seconds = round(given.minutes * 60)
    work = partial(guided, seconds, given.seed) if seconds else partial(spoilt, given.count, given.seed)
    return 0 if run(work, given.line or MAKERS, given.jobs) else 1


if __name__ == "__main__":
    sys.exit(main())
