"""The size laws of the design: file <= 400 lines, function <= 50, median function under 10."""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LIMIT, FUNCTION_LIMIT, MEDIAN_LIMIT = 400, 50, 10
ROOT = Path(__file__).resolve().parent.parent


def functions(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """Name, first line and length (without decorators and docstring) of every function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None:
                lines -= (first.end_lineno or first.lineno) - first.lineno + 1
            yield node.name, node.lineno, lines


def main() -> int:
    broken, lengths = [], []
    for path in sorted((ROOT / "src").rglob("*.py")):
        text = path.read_text()
        name = path.relative_to(ROOT)
        if (count := text.count("\n")) > FILE_LIMIT:
            broken.append(f"{name}: {count} lines, at most {FILE_LIMIT}")
        if "migrations" in path.parts:
            continue
        for function, line, length in functions(ast.parse(text)):
            lengths.append(length)
            if length > FUNCTION_LIMIT:
                broken.append(f"{name}:{line}: {function} has {length} lines, at most {FUNCTION_LIMIT}")
    median = statistics.median(lengths)
    if median >= MEDIAN_LIMIT:
        broken.append(f"the median function has {median} lines, under {MEDIAN_LIMIT} is the law")
    print("\n".join(broken) or f"size laws: kept ({len(lengths)} functions, median {median:.0f} lines)")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
