"""`python -m bench [NAME ...]`: all benchmarks, or those named; a table, and bench/results.json.

Rows of benchmarks that are not run this time stay in the file as they were.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.rows import Row

HERE = Path(__file__).resolve().parent
MODULES = tuple(
    sorted(
        path.stem
        for path in HERE.glob("*.py")
        if path.stem not in ("__init__", "__main__", "rows") and not path.stem.startswith("_")
    )
)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


def _table(rows: list[Row]) -> Table:
    table = Table("what", "value", "unit", "peer in the same run", "ratio", "goal", "met")
    for line in rows:
        met = {True: "yes", False: "[red]no[/]", None: ""}[line["met"]]
        table.add_row(
            line["name"],
            _number(line["value"]),
            line["unit"],
            line["peer"] or "",
            _number(line["ratio"]),
            line["goal"],
            met,
        )
    return table


def _write(rows: list[Row], whole: bool) -> None:
    file = HERE / "results.json"
    new = {(line["name"], line["peer"] and line["peer"].partition(":")[0]) for line in rows}
    old = [] if whole or not file.exists() else json.loads(file.read_text())
    kept = [line for line in old if (line["name"], line["peer"] and line["peer"].partition(":")[0]) not in new]
    file.write_text(json.dumps(kept + rows, indent=1) + "\n")


def main() -> int:
    console = Console()
    rows: list[Row] = []
    failed = 0
    for name in sys.argv[1:] or MODULES:
        try:
            with console.status(f"measuring {name}"):
                rows += import_module(f"bench.{name}").run()
        except (Exception, SystemExit) as error:
            console.print(f"[red]{name}[/]: {error!r}")
            failed += 1
    console.print(_table(rows))
    _write(rows, whole=not sys.argv[1:] and not failed)
    judged = [line for line in rows if line["met"] is not None]
    console.print(
        f"{sum(line['met'] is True for line in judged)} of {len(judged)} goals met; bench/results.json written"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
