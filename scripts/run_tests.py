"""Runs the tests: the browser tests in one process after the rest, which two processes share.

Afterwards the work tree must be as it was: a test that leaves files in it has failed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


def _status() -> str:
    done = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout


def main() -> int:
    before = _status()
    more = sys.argv[1:]
    ended = [
        subprocess.run([*PYTEST, "-n", "2", "--dist", "loadfile", "-m", "not browser", *more], cwd=ROOT, check=False),
        subprocess.run([*PYTEST, "-m", "browser", *more], cwd=ROOT, check=False),
    ]
    if _status() != before:
        print(f"the tests changed the work tree:\n{_status()}", file=sys.stderr)
        return 1
    return max(done.returncode for done in ended)


if __name__ == "__main__":
    sys.exit(main())
