"""Jobs: orders go out a few at a time, each once, and come back with what became of them, whoever dies meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from metergate.model import Event as Told
from metergate.station.archive.models import Estate, Meter
from metergate.station.collect import services as collect
from metergate.station.collect.models import Event, Presence
from metergate.station.jobs import services
from metergate.station.jobs.models import Job, Order
from metergate.station.jobs.runner import Answers, message
from metergate.station.jobs.services import AGAIN, AT_ONCE, LIFE, Answer
from metergate.station.staff.services import create_operator
from metergate.wire.sparkplug import Command, DataType, EdgeNode, Host, Metric, Out
from station.conftest import PASSWORD

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def meters() -> list[str]:
    return list(Meter.objects.order_by("pk").values_list("pk", flat=True))


def states(job: Job) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in job.orders.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def done(order: Order, node: str = "gw-1", outcome: str = "done") -> Answer:
    return Answer(node, order.pk, outcome, "3 values")


@pytest.fixture
def job(estate: Estate) -> Job:
    return services.begin(Job.Kind.READ_NOW, meters(), "all", estate=estate)


@pytest.fixture
def clock() -> Callable[[float], datetime]:
    return lambda seconds: NOW + timedelta(seconds=seconds)


def test_a_job_runs_to_its_end_a_few_at_a_time(job: Job, clock: Callable[[float], datetime]) -> None:
    asked: list[str] = []
    answers: list[Answer] = []
    for second in range(60):
        ready = services.turn(answers, clock(second))
        assert Order.objects.filter(state="sent").count() <= AT_ONCE
        asked += [order.pk for order in ready]
        answers = [done(order, outcome="no answer" if order.rank % 7 == 0 else "done") for order in ready]
    job.refresh_from_db()
    assert len(asked) == len(set(asked)) == job.whole == Meter.objects.count()
    assert (job.state, job.failed) == ("done", -(-job.whole // 7))
    assert job.done + job.failed == job.whole
    assert job.ended is not None
    assert services.turn([], clock(61)) == []


def test_what_was_marked_and_never_sent_is_sent_again(job: Job, clock: Callable[[float], datetime]) -> None:
    lost = services.turn([], clock(0))
    assert services.turn([], clock(1)) == []
    again = services.turn([], clock(AGAIN.total_seconds()))
    assert [order.pk for order in again] == [order.pk for order in lost]


def test_after_a_long_sleep_the_orders_under_way_live_again(job: Job, clock: Callable[[float], datetime]) -> None:
    lost = services.turn([], clock(0))
    late = services.turn([], clock(3600))
    assert {order.pk for order in late} == {order.pk for order in lost}
    assert all(order.expires == clock(3600) + LIFE for order in late)


def test_no_answer_is_said_after_the_time(job: Job, clock: Callable[[float], datetime]) -> None:
    for second in range(0, 70, 5):
        services.turn([], clock(second))
    first = job.orders.order_by("rank")[:AT_ONCE]
    assert {(order.state, order.outcome, order.text) for order in first} == {
        ("failed", "no answer", "the gateway did not answer")
    }


def test_only_the_gateway_that_was_told_may_answer(job: Job, clock: Callable[[float], datetime]) -> None:
    told = services.turn([], clock(0))
    waiting = job.orders.filter(state="waiting")[0]
    services.turn([done(told[0], "gw-2"), done(waiting), Answer("gw-1", "no such order", "done", "")], clock(1))
    assert states(job) == {"sent": AT_ONCE, "waiting": job.whole - AT_ONCE}
    services.turn([done(told[0])], clock(2))
    services.turn([done(told[0], outcome="no answer")], clock(3))
    assert job.orders.get(pk=told[0].pk).state == "done"


def test_a_gateway_that_is_down_is_not_waited_for(job: Job, clock: Callable[[float], datetime]) -> None:
    collect.died(Presence.Kind.GATEWAY, "gw-1", NOW)
    assert services.turn([], clock(0)) == []
    job.refresh_from_db()
    assert (job.state, job.failed) == ("done", job.whole)
    assert set(job.orders.values_list("text", flat=True)) == {"the gateway is down"}


def test_cancelling_waits_for_what_is_under_way(job: Job, clock: Callable[[float], datetime]) -> None:
    told = services.turn([], clock(0))
    services.cancel(job)
    assert states(job) == {"sent": AT_ONCE, "cancelled": job.whole - AT_ONCE}
    services.turn([done(order) for order in told], clock(1))
    job.refresh_from_db()
    assert (job.state, job.done) == ("cancelled", AT_ONCE)


def test_two_jobs_do_not_ask_a_meter_at_once(job: Job, clock: Callable[[float], datetime]) -> None:
    other = services.begin(Job.Kind.READ_NOW, meters()[:2], "two")
    first = services.turn([], clock(0))
    assert {order.job_id for order in first} == {job.pk}
    second = services.turn([done(order) for order in first[:2]], clock(1))
    asked = [order.meter_id for order in first[2:] + second]
    assert len(asked) == len(set(asked))
    assert other.orders.count() == 2


def test_a_meter_that_hangs_nowhere_fails_at_once(estate: Estate) -> None:
    free = Meter.objects.create(identity="X", serial="X")
    heard = Meter.objects.create(identity="Y", serial="Y", first_gateway="gw-9")
    made = services.begin(Job.Kind.READ_NOW, [free.pk, heard.pk, free.pk], "two")
    assert (made.whole, made.failed) == (2, 1)
    assert made.orders.get(meter=heard).gateway == "gw-9"


class Lane:
    """A gateway's end of the live lane, and the host."""

    def __init__(self, meter: str) -> None:
        self.edge, self.host, self.answers = EdgeNode("g", "gw-1"), Host("metergate"), Answers()
        self.edge.connect(NOW)
        self.hear(self.edge.birth(NOW))
        self.hear(self.edge.define(meter, {"power": Metric(type=DataType.DOUBLE, value=1.0)}, NOW))

    def hear(self, messages: Iterator[Out]) -> list[Answer]:
        heard = [said for out in messages for said in self.host.receive(out.topic, out.payload, NOW)]
        return [answer for said in heard if (answer := self.answers.take(said))]


def test_an_order_is_understood_and_its_answer_too(job: Job) -> None:
    order = services.turn([], NOW)[0]
    lane = Lane(order.meter.identity)
    out = message(lane.host, "g", order, NOW)
    said = list(lane.edge.receive(out.topic, out.payload, NOW))
    assert [(each.name, each.value, each.id, each.device) for each in said if isinstance(each, Command)] == [
        ("read-now", True, order.pk, order.meter.identity)
    ]
    answers = lane.hear(lane.edge.answer(order.meter.identity, order.pk, "refused", "why not", NOW))
    assert answers == [Answer("gw-1", order.pk, "refused", "why not")]
    assert lane.hear(lane.edge.birth(NOW)) == answers


# --- the pages -------------------------------------------------------------------------------------------------------


def test_read_now_of_what_is_selected(desk: Client, estate: Estate) -> None:
    some = meters()[:3]
    answer = desk.post("/jobs/order/read-now?of=readings", {"pick": some})
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}"
    assert set(job.orders.values_list("meter", flat=True)) == set(some)
    assert job.asked_by is not None
    assert desk.get(f"/jobs/{job.pk}").status_code == 200
    assert desk.get(f"/parts/jobs/{job.pk}").status_code == 200
    assert str(job) in desk.get("/jobs").content.decode()


@pytest.mark.parametrize(
    ("address", "query", "wanted"),
    [
        ("readings", "medium=gas", {"gas"}),
        ("missing", "", {"electricity", "cold_water", "hot_water", "gas"}),
        ("line&line=L1", "medium=hot_water", {"hot_water"}),
        ("building&building=E1-B03", "", {"electricity", "cold_water", "hot_water", "gas"}),
        ("rooms", "text=0901", {"electricity", "cold_water", "hot_water", "gas"}),
    ],
)
def test_read_now_of_all_that_is_filtered(
    desk: Client, estate: Estate, address: str, query: str, wanted: set[str]
) -> None:
    desk.post(f"/jobs/order/read-now?of={address}", {"all": "1", "query": query})
    found = list(Job.objects.get().orders.values_list("meter__medium", flat=True))
    assert set(found) == wanted
    count = {"readings": 8, "missing": 4, "line&line=L1": 8, "rooms": 4}.get(address, Meter.objects.count())
    assert len(found) == count


def test_nothing_selected_is_no_job(desk: Client, estate: Estate) -> None:
    desk.post("/jobs/order/read-now?of=readings")
    assert not Job.objects.exists()
    assert desk.post("/jobs/order/read-now?of=nothing").status_code == 404
    assert desk.post("/jobs/order/explode?of=readings").status_code == 404


def test_setting_clocks_wants_a_reason(desk: Client, estate: Estate) -> None:
    asked = desk.post("/jobs/order/set-clock?of=readings", {"pick": meters()[:2]}).content.decode()
    assert not Job.objects.exists()
    assert "clocks of 2 meters" in asked
    assert all(f'name="pick" value="{meter}"' in asked for meter in meters()[:2])
    again = desk.post("/jobs/order/set-clock?of=readings", {"pick": meters()[:2], "reason": " "})
    assert "field-error" in again.content.decode()
    desk.post("/jobs/order/set-clock?of=readings", {"pick": meters()[:2], "reason": "after the power cut"})
    job = Job.objects.get()
    assert (job.reason, set(job.orders.values_list("act", flat=True))) == ("after the power cut", {"set-clock"})


def test_progress_rate_and_what_failed_are_shown(desk: Client, job: Job) -> None:
    began = timezone.now() - timedelta(seconds=30)
    first = services.turn([], began)
    services.turn([done(first[0]), done(first[1], outcome="unsupported")], began + timedelta(seconds=10))
    body = desk.get(f"/jobs/{job.pk}").content.decode()
    assert f'value="{200 // job.whole}"' in body
    assert "state=failed&amp;text=3%20values" in body
    assert desk.get(f"/jobs/{job.pk}?state=failed").content.decode().count("<tr>") == 2
    desk.post(f"/jobs/{job.pk}/cancel")
    services.turn([done(order) for order in Order.objects.filter(state="sent")], timezone.now())
    desk.post(f"/jobs/{job.pk}/again")
    newest = Job.objects.order_by("-made")[0]
    assert list(newest.orders.values_list("meter", flat=True)) == [first[1].meter_id]


def test_a_viewer_may_look_but_not_order(client: Client, job: Job) -> None:
    create_operator("eye", "viewer", password=PASSWORD)
    client.login(username="eye", password=PASSWORD)
    assert client.get(f"/jobs/{job.pk}").status_code == 200
    assert "Read now" not in client.get("/readings").content.decode()
    assert client.post("/jobs/order/read-now?of=readings", {"pick": meters()[:1]}).status_code == 403
    assert client.post(f"/jobs/{job.pk}/cancel").status_code == 403


def test_nobody_has_to_acknowledge_what_was_ordered(estate: Estate) -> None:
    before = Event.objects.filter(acknowledged_at=None).count()
    collect.note_events([Told(NOW, "COMMAND", "1ELE00000000"), Told(NOW, "COVER_OPEN", "1ELE00000000")], "gw-1")
    assert Event.objects.filter(acknowledged_at=None).count() == before + 1
