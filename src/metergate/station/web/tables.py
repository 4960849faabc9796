"""Tables as CSV: exactly the rows that the page has."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from django.http import HttpResponse


def csv_answer(name: str, rows: Iterable[Sequence[object]]) -> HttpResponse:
    """The rows as a download. Texts that a spreadsheet would take for a formula are quoted with an apostrophe."""
    out = io.StringIO()
    csv.writer(out).writerows([[_safe(cell) for cell in row] for row in rows])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


def _safe(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if isinstance(cell, str) and text[:1] in "=+@\t" else text
