"""Feeds spoilt telegrams to the receivers of every protocol and says what came of it.

    scripts/fuzz.py --count 100000            all lines, two at a time
    scripts/fuzz.py sml mbus --seed 7         some, from another seed

A failure names line, seed and number of the telegram and prints it in hex; the status is then 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from mutants import MAKERS, fuzz, line


def _run(task: tuple[str, int, int]) -> tuple[bool, str]:
    name, count, seed = task
    try:
        return True, str(fuzz(line(name), count, seed))
    except AssertionError as error:
        return False, str(error)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("line", nargs="*", help=f"of {', '.join(MAKERS)}; none given: all")
    parser.add_argument("--count", type=int, default=100_000, help="spoilt telegrams a line")
    parser.add_argument("--seed", type=int, default=2026)
    given = parser.parse_args()
    if unknown := set(given.line) - set(MAKERS):
        parser.error(f"no line {', '.join(sorted(unknown))}; there are {', '.join(MAKERS)}")
    tasks = [(name, given.count, given.seed) for name in given.line or MAKERS]
    good = True
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        for fine, told in pool.imap_unordered(_run, tasks):
            print(told if fine else f"FAILED {told}", flush=True)
            good &= fine
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
