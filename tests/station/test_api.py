"""The read API: its description is complete, tokens and roles are obeyed, numbers come exactly as they are stored."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from metergate.station.access.services import issue
from metergate.station.archive.models import Estate, Register
from metergate.station.collect import history
from metergate.station.staff.models import Operator
from metergate.station.staff.services import create_operator

POINT = "E1-B03-U2-F09-0901-EL"
PATHS = ("/service-points", f"/service-points/{POINT}/registers", f"/latest?service_point={POINT}", "/new-devices")


@pytest.fixture
def bearer(operator: Operator) -> dict[str, str]:
    """The headers of a program with a token."""
    return {"Authorization": f"Bearer {issue(operator, 'test')}"}


def get(client: Client, path: str, headers: dict[str, str] | None = None) -> Any:
    return client.get(f"/api/v1{path}", headers=headers or {})


@pytest.mark.parametrize("path", PATHS)
def test_nobody_reads_without_a_token(client: Client, estate: Estate, path: str) -> None:
    assert get(client, path).status_code == 401
    assert get(client, path, {"Authorization": "Bearer mgt_wrong"}).status_code == 401


@pytest.mark.parametrize("path", PATHS)
def test_a_token_reads(client: Client, estate: Estate, bearer: dict[str, str], path: str) -> None:
    assert get(client, path, bearer).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_an_operator_who_is_signed_in_reads(desk: Client, estate: Estate, path: str) -> None:
    assert get(desk, path).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_household_reads_nothing(client: Client, estate: Estate, path: str) -> None:
    create_operator("flat", "household", password="correct horse battery")
    client.login(username="flat", password="correct horse battery")
    assert get(client, path).status_code == 403


def test_an_old_token_is_worth_nothing(client: Client, estate: Estate, operator: Operator) -> None:
    token = issue(operator, "old", timezone.now() - timedelta(seconds=1))
    assert get(client, "/new-devices", {"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_token_ends_with_its_operator(client: Client, operator: Operator, bearer: dict[str, str]) -> None:
    Operator.objects.update(is_active=False)
    assert get(client, "/new-devices", bearer).status_code == 401


def test_service_points_are_filtered_and_paged(client: Client, estate: Estate, bearer: dict[str, str]) -> None:
    found = get(client, "/service-points?medium=gas&limit=3", bearer).json()
    assert (found["count"], len(found["items"])) == (8, 3)
    assert {row["medium"] for row in found["items"]} == {"gas"}


def test_profiles_come_exactly_as_stored(client: Client, estate: Estate, bearer: dict[str, str]) -> None:
    register = Register.objects.filter(unit="m3").first()
    assert register is not None
    end = timezone.now().replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(hours=6)
    query = urlencode({"start": start.isoformat(), "end": end.isoformat()})
    found = get(client, f"/registers/{register.pk}/profile?{query}", bearer).json()
    stored = history.load([register], start, end)[register.pk]
    assert [Decimal(text) for text in found["values"]] == [stored.exact(int(value)) for value in stored.values[:-1]]
    assert found["quality"] == [4] * 24
    deltas = get(client, f"/registers/{register.pk}/profile?{query}&deltas=true", bearer).json()
    assert sum(map(Decimal, deltas["values"])) == stored.exact(int(stored.values[-1] - stored.values[0]))


@pytest.mark.parametrize(
    "query",
    [
        {"start": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00"},
        {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
        {"start": "2020-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
        {"start": "soon", "end": "later"},
    ],
)
def test_a_range_that_makes_no_sense(
    client: Client, estate: Estate, bearer: dict[str, str], query: dict[str, str]
) -> None:
    register = Register.objects.first()
    assert register is not None
    assert get(client, f"/registers/{register.pk}/profile?{urlencode(query)}", bearer).status_code == 422


def test_absent_is_null_not_zero(client: Client, estate: Estate, bearer: dict[str, str]) -> None:
    register = Register.objects.first()
    assert register is not None
    query = urlencode({"start": "2020-01-01T00:00:00Z", "end": "2020-01-01T01:00:00Z"})
    found = get(client, f"/registers/{register.pk}/profile?{query}", bearer).json()
    assert (found["values"], found["quality"]) == ([None] * 4, [0] * 4)


def test_completeness_of_yesterday_is_whole(client: Client, estate: Estate, bearer: dict[str, str]) -> None:
    day = (timezone.localtime() - timedelta(days=1)).date()
    found = get(client, f"/completeness?estate=E1&first={day}", bearer).json()
    [yesterday] = found["days"]
    assert yesterday["present"] == yesterday["expected"] > 0


def test_every_operation_is_described(client: Client, db: None) -> None:
    described = client.get("/api/v1/openapi.json").json()
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len(operations) >= 6
    assert all(operation.get("description") and operation.get("security") for operation in operations)
