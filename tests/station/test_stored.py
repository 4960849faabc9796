"""What is missing of meters that store their values is fetched from them: that span, once, and into its place."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from metergate.errors import Unsupported
from metergate.gateway.hub import Hub, Sink
from metergate.gateway.lines import LineTask
from metergate.gateway.settings import Line as Wire
from metergate.gateway.settings import Meter as Wired
from metergate.links.loop import pair
from metergate.meters.pollers import POLLERS, Target
from metergate.model import Outcome, Reading, ReadNow, ReadProfile
from metergate.publish.sparkplug import order_of
from metergate.sim.bank import Bank
from metergate.sim.meters import responder
from metergate.sim.serve import address_of, bank_of, meter_of
from metergate.station.archive.models import Estate, Line, Meter, Register
from metergate.station.archive.seed import seed
from metergate.station.collect import history
from metergate.station.jobs import reread, services, stored
from metergate.station.jobs.models import Job, Order
from metergate.station.jobs.runner import message
from metergate.wire.sparkplug import Command, DataType, EdgeNode, Host, Metric
from station import street

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 20, 12, 0, 30, tzinfo=BERLIN).astimezone(UTC)
SILENT = "1HOT00000007"
FIRST, LAST = NOON - timedelta(hours=31), NOON - timedelta(hours=2)


@pytest.fixture
def estate(db: None) -> Estate:
    """The street up to noon; one meter at the bare line was silent for more than a day."""
    made = seed(street.estate_plan())
    for register in Register.objects.select_related("meter").order_by("pk"):
        silent = register.meter.identity == SILENT
        history.fill([register], NOON - timedelta(days=5), FIRST if silent else NOON, street.values)
        if silent:
            history.fill([register], LAST, NOON, street.values)
    return made


def speak(protocol: str) -> None:
    Line.objects.update(protocol=protocol)


def round_after(hours: float) -> Order:
    """The order for the silent meter of the round at that time; all else is there by then."""
    now = NOON + timedelta(hours=hours)
    for register in Register.objects.order_by("pk"):
        history.fill([register], NOON, now, street.values)
    for made in reread.look(now):
        assert made.job is not None
        return made.job.orders.get(meter__identity=SILENT)
    raise AssertionError("no round was due")


def ended(order: Order, outcome: str) -> None:
    for state in ("waiting", "sent"):
        Order.objects.filter(job=order.job, state=state).update(state="sent", ended=None)
    services.turn([services.Answer("gw-1", order.pk, outcome, "")], order.job.made)
    assert Order.objects.get(pk=order.pk).outcome == outcome
    Order.objects.filter(pk=order.pk).update(ended=NOON)


def test_exactly_what_is_missing_is_fetched(estate: Estate) -> None:
    speak("dlt645")
    order = round_after(0)
    register = Register.objects.get(meter=order.meter)
    series = history.load([register], NOON - timedelta(days=3), NOON)[register.pk]
    missing = [series.start + timedelta(seconds=place * 900) for place in (series.quality == 0).nonzero()[0].tolist()]
    begun = [at for at in missing if at < NOON - timedelta(minutes=15)]
    assert (order.act, order.register) == ("read-profile", "9-0:1.0.0")
    assert (order.begin, order.end) == (begun[0], begun[-1] + timedelta(minutes=15))
    others = Order.objects.filter(job=order.job).exclude(pk=order.pk)
    assert not others.filter(act="read-profile").exists()


@pytest.mark.parametrize("protocol", ["mgc1", "mbus", "", "sml"])
def test_what_stores_nothing_is_read_as_it_is_now(estate: Estate, protocol: str) -> None:
    speak(protocol)
    assert (round_after(0).act, round_after(6).act) == ("read-now", "read-now")


def test_who_was_heard_only_is_asked_in_the_protocol_that_it_spoke(estate: Estate) -> None:
    speak("")
    Meter.objects.filter(identity=SILENT).update(protocol="dlms-wrapper")
    assert round_after(0).act == "read-profile"


def test_what_was_fetched_in_vain_is_not_fetched_again_but_midnights_are_tried_where_days_are_frozen(
    estate: Estate,
) -> None:
    speak("dlt645")
    first = round_after(0)
    ended(first, "done")
    second = round_after(6)
    night = datetime(2026, 11, 20, tzinfo=BERLIN)
    assert (second.register, second.begin) == ("daily/9-0:1.0.0", night)
    assert second.end == night + timedelta(minutes=15)
    ended(second, "done")
    assert round_after(12.1).act == "read-now"


def test_only_what_came_to_be_missing_later_is_fetched_later(estate: Estate) -> None:
    speak("dlms-hdlc")
    first = round_after(0)
    ended(first, "done")
    register = Register.objects.get(meter=first.meter)
    now = NOON + timedelta(hours=6)
    for each in Register.objects.exclude(pk=register.pk):
        history.fill([each], NOON, now, street.values)
    (made,) = reread.look(now)
    assert made.job
    later = made.job.orders.get(meter=first.meter)
    assert later.begin == NOON.replace(second=0) + timedelta(minutes=15)
    assert later.end
    assert later.end > later.begin + timedelta(hours=5)


@pytest.mark.parametrize("outcome", ["unsupported", "refused", "unsure"])
def test_a_meter_without_profile_is_read_as_it_is_now(estate: Estate, outcome: str) -> None:
    speak("dlms-hdlc")
    ended(round_after(0), outcome)
    assert round_after(6).act == "read-now"


def test_a_meter_that_did_not_answer_is_asked_for_the_same_again(estate: Estate) -> None:
    speak("dlms-hdlc")
    first = round_after(0)
    ended(first, "no answer")
    second = round_after(6)
    assert (second.register, second.begin, second.end) == (first.register, first.begin, first.end)
    ended(second, "no answer")
    _, spans = services.failed(second.job)
    assert spans == {second.meter_id: services.span_of(second)}


def test_a_profile_has_more_time(estate: Estate) -> None:
    speak("dlms-hdlc")
    order = round_after(0)
    (sent,) = [row for row in services.turn([], NOON) if row.pk == order.pk]
    assert sent.expires == NOON + services.LONG_LIFE > NOON + services.LIFE


def test_the_gateway_understands_the_order(estate: Estate) -> None:
    speak("dlms-hdlc")
    order = round_after(0)
    edge, host = EdgeNode("g", "gw-1"), Host("metergate")
    edge.connect(NOON)
    for out in (*edge.birth(NOON), *edge.define(SILENT, {"x": Metric(type=DataType.DOUBLE, value=1.0)}, NOON)):
        list(host.receive(out.topic, out.payload, NOON))
    for each, kind in (
        (order, ReadProfile),
        (Order(id="2", act="read-now", meter=order.meter, gateway="gw-1"), ReadNow),
    ):
        out = message(host, "g", each, NOON)
        (heard,) = [said for said in edge.receive(out.topic, out.payload, NOON) if isinstance(said, Command)]
        command = order_of(heard, SILENT, NOON, None)
        assert type(command) is kind
        if isinstance(command, ReadProfile):
            assert (command.register, command.begin, command.end) == (order.register, order.begin, order.end)


def test_which_protocols_store_is_what_pollers_can() -> None:
    for protocol in POLLERS:
        poller = POLLERS[protocol]({})
        target = Target("12", {"dlms-hdlc": "1:1", "gdw376": "02001234:1"}.get(protocol, "12"))
        try:
            next(poller.profile(target, "1-0:1.8.0", NOON - timedelta(hours=1), NOON))
        except (Unsupported, StopIteration):
            assert protocol not in stored.PROFILES
        else:
            assert protocol in stored.PROFILES


def test_the_page_says_what_was_ordered(desk: Client, estate: Estate) -> None:
    speak("dlms-hdlc")
    job = round_after(0).job
    body = desk.get(f"/jobs/{job.pk}").content.decode()
    assert "Profile <code>9-0:1.0.0</code>" in body
    assert ",read-profile,9-0:1.0.0,2026-11-19T" in desk.get(f"/jobs/{job.pk}?format=csv").content.decode()
    assert Job.objects.count() == 1


class Kept(Sink):
    """Whatever a gateway keeps."""

    keeps = True

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def keep(self, readings: tuple[Reading, ...]) -> None:
        self.readings += readings


async def fetched(protocol: str, table: str, begin: datetime, end: datetime) -> tuple[list[Reading], list[Reading]]:
    """What a simulated meter tells now, and of what it stored."""
    spec = meter_of(protocol, "", 0, "", 0, 1.0)
    bank = bank_of(spec, NOON, 1.0, seed=5)
    ours, theirs = pair()
    answering = asyncio.create_task(Bank(theirs, [responder(spec, bank)], bank.time, delay=(0.0, 0.0)).run())
    kept = Kept()
    meter = Wired(id=spec.id, address=address_of(spec))
    line = LineTask(Wire("loop://", protocol, meter=(meter,)), Hub("gw1", [kept]))
    serving = asyncio.create_task(line._own(ours, []))
    await asyncio.sleep(0)
    try:
        outcome, _ = await line.execute(ReadProfile("1", spec.id, None, f"{table}1-0:1.8.0", begin, end))
        assert outcome is Outcome.DONE
        past, kept.readings = kept.readings, []
        return list((await line.read(meter)).readings), past
    finally:
        serving.cancel()
        answering.cancel()
        await asyncio.gather(serving, answering, return_exceptions=True)


@pytest.mark.parametrize(
    ("protocol", "table"),
    [(protocol, table) for protocol in ("dlms-wrapper", "dlt645", "dlt698") for table in stored.PROFILES[protocol]],
)
def test_what_was_stored_belongs_to_the_register_that_is_read(protocol: str, table: str) -> None:
    begin = datetime(2026, 11, 19, tzinfo=BERLIN).astimezone(UTC)
    now, past = asyncio.run(fetched(protocol, table, begin, begin + timedelta(days=1)))
    (register,) = {one.register.key for one in past}
    assert register in {one.register.key for one in now}
    assert register.endswith("/1-0:1.8.0*255")
    assert len(past) >= (1 if table else 24)
    assert all(one.meter_time and begin <= one.meter_time < begin + timedelta(days=1) for one in past)
    assert all(isinstance(one.value, Decimal) for one in past)
