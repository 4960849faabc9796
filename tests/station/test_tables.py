"""Tables: what the address says is what is shown, selected and exported; the database does the work."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from metergate.station.archive.models import Estate, Register
from metergate.station.collect import missing
from metergate.station.collect.models import Event, Latest, Presence
from metergate.station.web import numbers
from metergate.station.web.tables.export import csv_answer
from metergate.station.web.tables.readings import READINGS, rows

TABLES = ("/readings", "/readings/missing", "/events?all=1", "/lines/L1", "/estate?view=list")
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def with_(address: str, more: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{more}"


def table_rows(desk: Client, address: str) -> list[str]:
    body = desk.get(address).content.decode()
    return re.findall(r"<tr>.*?</tr>", body[body.rindex("<tbody>") :], re.S)


def exported(desk: Client, address: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(desk.get(with_(address, "format=csv")).content.decode())))


def sheet(data: bytes) -> list[list[str]]:
    """A workbook's cells as texts; numbers as they are written in it."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        shared = [
            "".join(text.itertext())
            for text in ElementTree.fromstring(book.read("xl/sharedStrings.xml")).iter(f"{SHEET}si")
        ]
        grid = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    return [
        [
            shared[int(cell.findtext(f"{SHEET}v") or 0)] if cell.get("t") == "s" else cell.findtext(f"{SHEET}v") or ""
            for cell in row
        ]
        for row in grid.iter(f"{SHEET}row")
    ]


@pytest.mark.parametrize("address", TABLES)
def test_csv_and_xlsx_have_every_row_that_is_shown(desk: Client, estate: Estate, address: str) -> None:
    total = re.search(r"(\d+) rows?</span>", desk.get(address).content.decode())
    assert total is not None
    rows = exported(desk, address)
    book = sheet(desk.get(with_(address, "format=xlsx")).content)
    assert len(rows) == int(total[1]) == len(book) - 1 > 0
    assert book[0] == list(rows[0])


def test_values_keep_their_digits_in_both_files(desk: Client, estate: Estate) -> None:
    address = "/readings?medium=gas&sort=meter"
    rows, book = exported(desk, address), sheet(desk.get(with_(address, "format=xlsx")).content)
    column = book[0].index("value")
    assert [Decimal(row["value"]) for row in rows] == [Decimal(row[column]) for row in book[1:]]
    known = dict(Latest.objects.filter(register__meter__medium="gas").values_list("register__meter__serial", "value"))
    assert {row["meter"]: Decimal(row["value"]) for row in rows} == known


@pytest.mark.parametrize("state", missing.STATES)
def test_the_database_finds_the_states_that_the_page_draws(estate: Estate, state: str) -> None:
    now = timezone.now()
    for place, row in enumerate(Latest.objects.order_by("pk")):
        Latest.objects.filter(pk=row.pk).update(meter_time=now - timedelta(seconds=300 * place))
    Latest.objects.filter(register__obis="7-0:3.0.0").delete()
    Register.objects.filter(obis="9-0:1.0.0").update(period_s=1800)
    Register.objects.filter(obis="1-0:16.7.0").update(period_s=10)
    found = set(Register.objects.filter(missing.in_state(state, now)).values_list("pk", flat=True))
    drawn = {
        row.pk
        for row in Register.objects.select_related("latest")
        if numbers.freshness(row.latest.meter_time if hasattr(row, "latest") else None, row.period_s, now) == state
    }
    assert found == drawn != set()


@pytest.mark.parametrize("column", [column.name for column in READINGS.columns if column.order])
def test_each_column_sorts_both_ways_and_loses_nothing(desk: Client, estate: Estate, column: str) -> None:
    Latest.objects.filter(register__meter__medium="gas").delete()
    up, down = (exported(desk, f"/readings?sort={sign}{column}") for sign in ("", "-"))
    assert sorted(map(str, up)) == sorted(map(str, down))
    assert len(up) == Register.objects.count()
    name = {"room": "service_point", "register": "obis", "read": "time"}.get(column, column)
    named = {"model": "maker"}.get(name, name)
    if named not in up[0]:
        return
    keys = [Decimal(row[named] or -1) if named == "value" else row[named] for row in up]
    assert keys == sorted(keys)


def test_an_unknown_sort_or_column_or_page_is_no_error(desk: Client, estate: Estate) -> None:
    assert len(table_rows(desk, "/readings?sort=nothing&col=none&page=999")) > 0


def test_columns_are_chosen_in_the_address(desk: Client, estate: Estate) -> None:
    body = desk.get("/readings?col=meter&col=protocol").content.decode()
    assert re.findall(r'<th scope="col"[^>]*><a[^>]*>(\w+)</a>', body) == ["Meter", "Protocol"]
    assert list(exported(desk, "/readings?col=meter&col=protocol")[0]) == ["meter", "protocol"]


def test_chips_drop_one_filter_and_keep_the_others(desk: Client, estate: Estate) -> None:
    body = desk.get("/readings?medium=gas&text=090&sort=-read&page=1").content.decode()
    chips = re.findall(r'class="chip" href="([^"]*)"', body)
    queries = [QueryDict(chip.replace("&amp;", "&").lstrip("?")).dict() for chip in chips]
    assert queries == [{"medium": "gas", "sort": "-read"}, {"text": "090", "sort": "-read"}]


def test_fifty_a_page_in_as_many_statements_as_ever(desk: Client, estate: Estate) -> None:
    meter = Register.objects.values_list("meter", flat=True)[0]
    counts = []
    for more in (70, 700):
        Register.objects.bulk_create(
            Register(meter_id=meter, key=f"many{more}/{i}", obis=f"1-1:{i}.8.0") for i in range(more)
        )
        with CaptureQueriesContext(connection) as seen:
            assert len(table_rows(desk, "/readings?sort=-value&text=1&state=absent")) == 50
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_causes_name_the_highest_that_is_down(estate: Estate) -> None:
    later = timezone.now() + timedelta(hours=2)

    def causes() -> set[str]:
        return {gap.cause for gap in missing.dressed(missing.missing(estate, later))}

    assert causes() == {"METER_NO_ANSWER"}
    Presence.objects.create(kind="collector", code="L1-18", state="down")
    assert causes() == {"METER_NO_ANSWER", "COLLECTOR_DOWN"}
    Presence.objects.filter(kind="line").update(state="down")
    assert causes() == {"LINE_DOWN"}
    Presence.objects.filter(kind="gateway").update(state="down")
    assert causes() == {"GATEWAY_DOWN"}


def test_selected_events_are_acknowledged_together(desk: Client, estate: Estate) -> None:
    for number in range(3):
        Event.objects.create(time=timezone.now(), source=f"S{number}", code="COVER_OPEN", severity=2)
    some = list(Event.objects.filter(code="COVER_OPEN").values_list("pk", flat=True))[:2]
    desk.post("/events/acknowledge", {"pick": some})
    assert set(Event.objects.filter(acknowledged_by__isnull=False).values_list("pk", flat=True)) == set(some)
    desk.post("/events/acknowledge", {"all": "1", "query": "text=COVER"})
    assert list(Event.objects.filter(acknowledged_at=None).values_list("code", flat=True)) == ["GAS_ALARM"]


def test_formulas_stay_texts() -> None:
    answer = csv_answer("x", [["=1+1", Decimal("-1.50"), None, "@x"]])
    assert answer.content.decode().strip() == "'=1+1,-1.50,,'@x"


def test_a_meter_is_missed_once_however_many_registers_it_has(estate: Estate) -> None:
    later = timezone.now() + timedelta(days=1)
    meters = list(missing.missing(estate, later).values_list("meter", flat=True))
    assert len(meters) == len(set(meters)) == 32
    assert {row.register.billing for row in missing.dressed(missing.missing(estate, later))} == {True}
    assert rows().count() == Register.objects.count()
