"""Tables of pages. What can be sorted, filtered, chosen and exported is said once, in columns and filters; the
database sorts, filters and pages. Everything chosen stands in the address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.safestring import SafeString

from metergate.station.web.tables.export import csv_answer, xlsx_answer

PAGE = 50
Words = str | Promise
Plain = str | int | Decimal | datetime | None
Rows = QuerySet[Any]


@dataclass(frozen=True, slots=True)
class Column:
    """`cell` draws it for the page, `plain` are the columns of exports that it stands for.

    `order`: what the database sorts by, none where it cannot. `shown` False: only where somebody chose it.
    """

    name: str
    title: Words
    cell: Callable[[Any], SafeString | str]
    plain: tuple[tuple[str, Callable[[Any], Plain]], ...]
    order: tuple[str, ...] = ()
    css: str = ""
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Filter:
    """`narrow(rows, text)` keeps what fits. `choices` None: free text."""

    name: str
    title: Words
    narrow: Callable[[Rows, str], Rows]
    choices: Callable[[], Iterable[tuple[str, Words]]] | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A filter as the page shows it: `words` its value for people, `without` the address that drops it."""

    name: str
    title: Words
    value: str
    choices: list[tuple[str, Words]] | None
    words: Words
    without: str


@dataclass(frozen=True, slots=True)
class Head:
    """A column's head: `sorted` is the value of aria-sort, `url` sorts by it."""

    title: Words
    css: str
    sorted: str
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the page."""

    key: str
    cells: list[tuple[str, SafeString | str]]


@dataclass(frozen=True, slots=True)
class Table:
    """`dress` turns rows of the database into what columns take, with few statements; `key` names a row."""

    name: str
    columns: tuple[Column, ...]
    filters: tuple[Filter, ...]
    sort: str
    key: Callable[[Any], str]
    dress: Callable[[Iterable[Any]], Sequence[Any]] = list

    def narrowed(self, query: QueryDict, rows: Rows) -> Rows:
        """The rows that a query's filters let through."""
        for each in self.filters:
            if text := query.get(each.name, "").strip():
                rows = each.narrow(rows, text)
        return rows

    def show(self, request: HttpRequest, rows: Rows) -> Shown:
        """What a request wants to see of `rows`."""
        return Shown(self, request, self.narrowed(request.GET, rows))


class Shown:
    """A table as one request asks for it."""

    def __init__(self, table: Table, request: HttpRequest, rows: Rows) -> None:
        self.table, self._query = table, request.GET
        chosen = set(self._query.getlist("col"))
        self.columns = [c for c in table.columns if (c.name in chosen if chosen else c.shown)] or list(table.columns)
        self.sort = self._query.get("sort", table.sort)
        self.rows = rows.order_by(*self._order())

    def _order(self) -> list[OrderBy | str]:
        """Nothing comes before anything, on every database; rows that are alike keep their places."""
        by = {column.name: column.order for column in self.table.columns if column.order}
        if self.sort.lstrip("-") not in by:
            self.sort = self.table.sort
        down = self.sort.startswith("-")
        names = by[self.sort.lstrip("-")]
        return [F(n).desc(nulls_last=True) if down else F(n).asc(nulls_first=True) for n in names] + ["pk"]

    @property
    def answer(self) -> HttpResponse | None:
        """The download, where one is asked for: all filtered rows, the chosen columns."""
        make = {"csv": csv_answer, "xlsx": xlsx_answer}.get(self._query.get("format", ""))
        return make(self.table.name, self._plain()) if make else None

    def _plain(self) -> Iterator[list[Plain]]:
        columns = [plain for column in self.columns for plain in column.plain]
        yield [name for name, _ in columns]
        for row in self.table.dress(self.rows):
            yield [value(row) for _, value in columns]

    def page(self) -> Page[Any]:
        """The page asked for; its rows are drawn by `lines`."""
        return Paginator(self.rows, PAGE).get_page(self._query.get("page"))

    def lines(self, page: Page[Any]) -> list[Line]:
        """Its rows."""
        return [
            Line(self.table.key(row), [(column.css, column.cell(row)) for column in self.columns])
            for row in self.table.dress(page.object_list)
        ]

    def words(self) -> dict[str, Any]:
        """What `web/parts/table.html` shows."""
        page, fields = self.page(), self.fields()
        return {
            "page": page,
            "lines": self.lines(page),
            "heads": [self._head(column) for column in self.columns],
            "fields": fields,
            "chips": [field for field in fields if field.value],
            "choice": [(c.name, c.title, c in self.columns) for c in self.table.columns],
            "chosen_columns": self._query.getlist("col"),
            "sort": self._query.get("sort", ""),
            "csv_url": self.url(format="csv", page=""),
            "xlsx_url": self.url(format="xlsx", page=""),
            "query": self._query.urlencode(),
        }

    def _head(self, column: Column) -> Head:
        if not column.order:
            return Head(column.title, column.css, "", "")
        state = {column.name: "ascending", f"-{column.name}": "descending"}.get(self.sort, "")
        turned = f"-{column.name}" if state == "ascending" else column.name
        return Head(column.title, column.css, state, self.url(sort=turned, page=""))

    def fields(self) -> list[Field]:
        """The filters with their values."""
        return [self._field(each) for each in self.table.filters]

    def _field(self, each: Filter) -> Field:
        value = self._query.get(each.name, "").strip()
        choices = list(each.choices()) if each.choices else None
        words = dict(choices or ()).get(value, value)
        return Field(each.name, each.title, value, choices, words, self.url(**{each.name: "", "page": ""}))

    def url(self, **changes: str) -> str:
        """This page's query with some parameters changed; an empty value drops one."""
        query = self._query.copy()
        for name, value in changes.items():
            query.pop(name, None)
            if value:
                query[name] = value
        return f"?{query.urlencode()}"


def picked(request: HttpRequest, table: Table, rows: Rows, key: str = "pk") -> Rows:
    """The rows that were selected: those ticked, or all that the page's filters let through."""
    if request.POST.get("all"):
        return table.narrowed(QueryDict(request.POST.get("query", "")), rows)
    return rows.filter(**{f"{key}__in": request.POST.getlist("pick")[: 10 * PAGE]})
