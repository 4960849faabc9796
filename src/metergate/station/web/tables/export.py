"""Tables as files: exactly the rows that the page's filters let through."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.http import HttpResponse
from django.utils import timezone

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def csv_answer(name: str, rows: Iterable[Sequence[object]]) -> HttpResponse:
    """The rows as a download. Texts that a spreadsheet would take for a formula are quoted with an apostrophe."""
    out = io.StringIO()
    csv.writer(out).writerows([[_safe(cell) for cell in row] for row in rows])
    return _download(f"{name}.csv", out.getvalue().encode(), "text/csv; charset=utf-8")


def _safe(cell: object) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat()
    text = "" if cell is None else str(cell)
    return f"'{text}" if isinstance(cell, str) and text[:1] in "=+@\t" else text


def xlsx_answer(name: str, rows: Iterable[Sequence[object]]) -> HttpResponse:
    """The rows as a workbook of one sheet: the first row its head, numbers as numbers, instants in the station's zone.

    A spreadsheet keeps 15 digits; who needs more takes the CSV.
    """
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "remove_timezone": True})
    bold, instant = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet = book.add_worksheet(name[:31])
    count = width = 0
    for count, row in enumerate(rows):
        width = max(width, len(row))
        for column, cell in enumerate(row):
            if isinstance(cell, datetime):
                sheet.write_datetime(count, column, timezone.localtime(cell), instant)
            elif isinstance(cell, int | Decimal):
                sheet.write_number(count, column, cell)
            elif cell not in (None, ""):
                sheet.write_string(count, column, str(cell), None if count else bold)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, count, max(width - 1, 0))
    sheet.set_column(0, max(width - 1, 0), 18)
    book.close()
    return _download(f"{name}.xlsx", out.getvalue(), XLSX)


def _download(name: str, data: bytes, kind: str) -> HttpResponse:
    return HttpResponse(data, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
