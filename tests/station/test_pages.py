"""Every page, with and without data: it answers, in few statements, under a policy without inline anything."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from metergate.station.archive import plan
from metergate.station.archive.models import Estate, Register, Room
from metergate.station.archive.seed import seed
from metergate.station.collect import services
from metergate.station.collect.models import Event, Intake, Latest, Presence
from metergate.station.staff.models import FailedSignIn, Operator
from metergate.station.staff.services import create_operator
from metergate.station.web import numbers
from station import street
from station.conftest import PASSWORD

ROOM = "/rooms/E1-B03-U2-F09-0901"
PAGES = (
    "/",
    "/parts/overview",
    "/estate",
    "/estate?view=list",
    "/buildings/E1-B03",
    "/buildings/E1-B03?view=list",
    ROOM,
    f"{ROOM}?span=week",
    f"{ROOM}?span=month",
    f"{ROOM}?span=year",
    "/rooms/E1-B03-U2-F11-1103",
    "/parts/rooms/E1-B03-U2-F09-0901",
    "/readings",
    "/readings?medium=gas&state=live&sort=-value",
    "/readings/missing",
    "/events",
    "/events?all=1",
    "/lines",
    "/lines/L1",
    "/parts/lines",
    "/devices/new",
    "/tools/telegram",
    "/search?q=09",
    "/display/E1-B03-U2-F09-0901",
    "/password",
)


@pytest.mark.parametrize("address", PAGES)
def test_page(desk: Client, estate: Estate, address: str) -> None:
    answer = desk.get(address)
    assert answer.status_code == 200
    body = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon(click|load|change)=|<style", body)
    assert "unsafe" not in answer["Content-Security-Policy"]
    if not address.startswith("/parts"):
        assert len(re.findall(r"<h1\b", body)) == 1
        assert re.search(r"<title>[^<]+ — metergate</title>", body)


@pytest.mark.parametrize(
    "address", ["/", "/estate", "/readings", "/readings/missing", "/events", "/lines", "/devices/new"]
)
def test_empty_station_says_what_to_do(desk: Client, address: str) -> None:
    answer = desk.get(address)
    assert answer.status_code == 200
    assert 'class="empty"' in answer.content.decode()


@pytest.mark.parametrize("address", PAGES)
def test_nothing_without_signing_in(client: Client, estate: Estate, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in")


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/estate",
        "/estate?view=list",
        "/buildings/E1-B03",
        "/readings",
        "/readings?state=stale&sort=-value&text=1",
        "/lines",
        "/lines/L1",
        "/readings/missing",
        "/events?all=1",
    ],
)
def test_twice_the_meters_take_no_more_statements(desk: Client, estate: Estate, address: str) -> None:
    desk.get(address)
    with CaptureQueriesContext(
        connection,
    ) as before:
        desk.get(address)
    building = plan.BuildingPlan(
        4, "", [plan.StaircasePlan(1, [plan.FloorPlan(1, [_flat(number) for number in range(100, 130)])])]
    )
    other = seed(plan.EstatePlan("E2", "Other", [building], since=street.SINCE))
    other.buildings.update(estate=estate)
    with CaptureQueriesContext(connection) as after:
        desk.get(address)
    assert len(after) <= len(before) + 1


def _flat(number: int) -> plan.RoomPlan:
    return plan.RoomPlan(str(number), [plan.PointPlan("electricity", street.meter("electricity", number))], "Someone")


def test_the_alarm_is_on_top_and_goes_when_acknowledged(desk: Client, estate: Estate) -> None:
    assert "alarm-bar" in desk.get("/").content.decode()
    event = Event.objects.get(code="GAS_ALARM")
    desk.post(f"/events/{event.pk}/acknowledge")
    event.refresh_from_db()
    assert event.acknowledged_by is not None
    assert "alarm-bar" not in desk.get("/").content.decode()


def test_silent_meters_are_missing_with_a_cause(desk: Client, estate: Estate) -> None:
    body = desk.get("/readings/missing").content.decode()
    assert body.count("<td><code>METER_NO_ANSWER") == 4
    assert body.count(">1002<") == 4


def test_csv_is_what_is_filtered(desk: Client, estate: Estate) -> None:
    rows = desk.get("/readings?medium=gas&format=csv").content.decode().splitlines()
    assert len(rows) == 1 + Register.objects.filter(meter__medium="gas").count()
    assert all(",7-0:3.0.0," in row for row in rows[1:])


def test_the_chart_gets_what_the_counter_moved(desk: Client, estate: Estate) -> None:
    day = (timezone.localtime() - timedelta(days=1)).date().isoformat()
    code = "E1-B03-U2-F09-0901-EL"
    found = desk.get(f"/data/profile/{code}?day={day}&compare=1").json()
    assert (found["unit"], len(found["y"]), len(found["x"])) == ("kWh", 96, 97)
    assert Decimal(found["total"]) / 1000 == sum(Decimal(str(value)) for value in found["y"])
    assert found["power"]["unit"] == "W"
    rows = desk.get(f"/data/profile/{code}?day={day}&format=csv").content.decode().splitlines()
    assert len(rows) == 97
    assert sum(Decimal(row.split(",")[2]) for row in rows[1:]) == Decimal(found["total"])


@pytest.mark.parametrize("query", ["?day=nonsense", "?span=century", "?day=9999-12-31", "?day=0001-01-01"])
def test_nonsense_in_an_address_does_no_harm(desk: Client, estate: Estate, query: str) -> None:
    assert desk.get(ROOM + query).status_code == 200


def test_live_values_only_when_they_changed(desk: Client, estate: Estate) -> None:
    row = Latest.objects.select_related("register").filter(register__unit="W").first()
    assert row is not None
    first = desk.get(f"/data/live?ids={row.pk}").json()
    assert list(first["changed"]) == [str(row.pk)]
    assert desk.get(f"/data/live?ids={row.pk}&since={first['now'] + 1}").json()["changed"] == {}
    Latest.objects.filter(pk=row.pk).update(value=777, changed_ms=first["now"] + 2)
    again = desk.get(f"/data/live?ids={row.pk}&since={first['now'] + 1}").json()
    assert again["changed"][str(row.pk)]["text"] == "777"


def test_parts_are_sent_only_when_they_changed(desk: Client, estate: Estate) -> None:
    first = desk.get("/parts/overview")
    same = desk.get("/parts/overview", headers={"If-None-Match": first["ETag"]})
    assert same.status_code == 304
    Event.objects.update(code="POWER_FAIL")
    assert desk.get("/parts/overview", headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_the_lines_are_sent_again_when_one_of_them_changed(desk: Client, estate: Estate) -> None:
    services.heard(Presence.Kind.LINE, "L1", timezone.now(), round_ms=840)
    first = desk.get("/parts/lines")
    assert "840" in first.content.decode()
    known = {"If-None-Match": first["ETag"]}
    assert desk.get("/parts/lines", headers=known).status_code == 304
    services.note_round("L1", 917)
    second = desk.get("/parts/lines", headers=known)
    assert "917" in second.content.decode()
    start = timezone.now().replace(minute=0, second=0, microsecond=0)
    services.count_quarter(Presence.Kind.LINE, "L1", start, 9, 6, {"no_answer": 3})
    third = desk.get("/parts/lines", headers={"If-None-Match": second["ETag"]}).content.decode()
    assert re.search(r"no_answer <b[^>]*>3<", third)
    Presence.objects.filter(kind=Presence.Kind.LINE).update(state=Presence.State.DOWN)
    assert "lamp fault" in desk.get("/parts/lines").content.decode()


def test_an_age_that_ticks_is_no_change_but_a_newer_instant_is(
    desk: Client, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = Intake.objects.create(gateway="gw-1", cursor=4, stored_at=timezone.now() - timedelta(seconds=58))
    known = {"If-None-Match": desk.get("/parts/lines")["ETag"]}
    monkeypatch.setattr(numbers, "age", lambda at, now: "long ago")
    assert desk.get("/parts/lines", headers=known).status_code == 304
    Intake.objects.filter(pk=intake.pk).update(stored_at=timezone.now() - timedelta(seconds=7))
    assert desk.get("/parts/lines", headers=known).status_code == 200


def test_an_error_has_an_id(desk: Client) -> None:
    answer = desk.get("/nothing/here")
    assert answer.status_code == 404
    assert answer["X-Request-ID"] in answer.content.decode()


def test_search_finds_rooms_people_and_meters(desk: Client, estate: Estate) -> None:
    assert desk.get("/search?q=0901")["Location"].endswith("0901")
    assert "0903" in desk.get("/search?q=Carla", follow=True).content.decode()
    assert "1GAS00000003" in desk.get("/search?q=1GAS00000003").content.decode()


def test_the_workbench_takes_a_telegram_apart_and_forgets_the_key(desk: Client) -> None:
    status = "7e0100120502000012cf"
    answer = desk.post("/tools/telegram", {"hex": status, "protocol": "mgc1", "key": "00" * 16})
    body = answer.content.decode()
    assert "data-from" in body
    assert f"hex={status}" in body
    assert "00" * 16 not in body
    assert desk.get(f"/tools/telegram?protocol=mgc1&hex={status}").status_code == 200


def test_the_workbench_says_which_key_is_wrong_and_does_not_repeat_it(desk: Client) -> None:
    answer = desk.post("/tools/telegram", {"hex": "7e0100120502000012cf", "key": "authentikation=00ff"})
    assert answer.status_code == 400
    assert "authentication" in answer.content.decode()
    assert "00ff" not in answer.content.decode()


@pytest.mark.parametrize("text", ["7e0", "xyz", "00" * 9000])
def test_the_workbench_says_what_is_wrong(desk: Client, text: str) -> None:
    answer = desk.post("/tools/telegram", {"hex": text})
    assert answer.status_code == 400
    assert "field-error" in answer.content.decode()


def test_a_household_sees_its_own_display_and_nothing_else(client: Client, estate: Estate) -> None:
    create_operator("flat", "household", Room.objects.get(number="0901"), PASSWORD)
    client.login(username="flat", password=PASSWORD)
    assert client.get("/")["Location"] == "/display/E1-B03-U2-F09-0901"
    assert client.get("/display/E1-B03-U2-F09-0901").status_code == 200
    assert client.get("/display/E1-B03-U2-F09-0902").status_code == 403


def test_a_viewer_may_look_but_not_act(client: Client, estate: Estate) -> None:
    create_operator("eye", "viewer", password=PASSWORD)
    client.login(username="eye", password=PASSWORD)
    event = Event.objects.get()
    assert client.get("/events").status_code == 200
    assert client.post(f"/events/{event.pk}/acknowledge").status_code == 403


def test_a_one_time_password_must_be_changed(client: Client, db: None) -> None:
    given = create_operator("new", "operator")
    answer = client.post("/sign-in", {"username": "new", "password": given}, follow=True)
    assert answer.redirect_chain[-1][0] == "/password"
    assert client.get("/readings")["Location"] == "/password"
    chosen = "a long sentence of mine 7"
    client.post("/password", {"new_password1": chosen, "new_password2": chosen})
    assert client.get("/readings").status_code == 200
    client.logout()
    assert client.login(username="new", password=chosen)


def test_guessing_is_slowed_down(client: Client, operator: Operator) -> None:
    for _ in range(5):
        client.post("/sign-in", {"username": "ops", "password": "wrong"})
    answer = client.post("/sign-in", {"username": "ops", "password": PASSWORD})
    assert answer.status_code == 200
    assert "Too many wrong passwords" in answer.content.decode()
    FailedSignIn.objects.update(at=timezone.now() - timedelta(minutes=16))
    assert client.post("/sign-in", {"username": "ops", "password": PASSWORD}).status_code == 302


def test_health(client: Client, db: None) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["database"] == "ok"
