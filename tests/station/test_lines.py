"""What gateways tell of their lines becomes rows; an open page makes the gateway show the line."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from metergate.links.broker import Broker, BrokerSettings, gateway_user, station_user
from metergate.links.mqtt import Message, MqttClient
from metergate.station.archive import services as archive
from metergate.station.archive.models import Estate, Meter, Register, Room, ServicePoint
from metergate.station.collect import queries, services
from metergate.station.collect.lines import WAITING, Heard, Lines, watched
from metergate.station.collect.live import Listener
from metergate.station.collect.models import Presence, Quarter, Trace, Watch
from metergate.station.conf import StationConfig
from metergate.wire.lines import LineReport, Report, Sight, encode_report, encode_sight, report_topic, trace_topic
from station import street

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 7, tzinfo=UTC)


def said(*lines: LineReport, began: str = "a", at: datetime = NOON, gateway: str = "gw-1") -> Heard:
    return Heard(gateway, "", at, Report(began, lines))


def seen(number: int, line: str = "L1", gateway: str = "gw-1") -> Heard:
    return Heard(gateway, line, NOON, Sight(NOON, "rx", number.to_bytes(4, "big"), "mgc1", f"message {number}"))


def quarter(start: datetime) -> tuple[int, int, dict[str, int]]:
    row = Quarter.objects.get(kind="line", code="L1", start=start)
    return row.asked, row.answered, row.errors


def test_counters_become_quarters(estate: Estate) -> None:
    lines, first, later = Lines(), NOON.replace(minute=0), NOON.replace(minute=15)
    lines.write([said(LineReport("L1", "open", 1000, 900, 0, 500, {"no_answer": 7}))])
    assert not Quarter.objects.exists()
    lines.write([said(LineReport("L1", "open", 1010, 908, 0, 612, {"no_answer": 8, "bad_checksum": 1}))])
    assert quarter(first) == (10, 8, {"no_answer": 1, "bad_checksum": 1})
    assert Presence.objects.get(kind="line", code="L1").round_ms == 612
    lines.write([said(LineReport("L1", "open", 1012, 910, 0, 600, {"no_answer": 8, "bad_checksum": 1}))])
    assert quarter(first) == (12, 10, {"no_answer": 1, "bad_checksum": 1})
    lines.write([said(LineReport("L1", "open", 5, 4, 0, 600, {"no_answer": 1}), began="b", at=later)])
    assert quarter(later) == (5, 4, {"no_answer": 1})
    assert quarter(first) == (12, 10, {"no_answer": 1, "bad_checksum": 1})


def test_nothing_is_expected_of_a_meter_before_it_was_installed(estate: Estate) -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    old = Register.objects.filter(billing=True).first()
    assert old
    whole = queries.quarters([old], now, 8)
    assert [share.expected for share in whole] == [1] * 8
    meter = Meter.objects.create(identity="new", serial="new", medium="electricity")
    new = Register.objects.create(meter=meter, key="new/1-0:1.8.0*255", obis="1-0:1.8.0", unit="Wh", billing=True)
    point = ServicePoint.objects.create(room=Room.objects.get(number="0902"), code="new-EL", medium="electricity")
    archive.install_meter(meter, point, now - timedelta(minutes=30))
    assert [share.expected for share in queries.quarters([new], now, 8)] == [0] * 5 + [1] * 3
    (day,) = queries.completeness([new], timezone.localdate(now, estate.zone), 1, estate, now)
    assert day.expected <= 3


def test_a_station_that_begins_anew_goes_on_counting(estate: Estate) -> None:
    for count in (10, 100):
        lines = Lines()
        lines.write([said(LineReport("L1", "open", count, count))])
        lines.write([said(LineReport("L1", "open", count + 3, count + 2))])
    assert quarter(NOON.replace(minute=0)) == (6, 4, {})


def test_telegrams_of_a_line_that_speaks_by_itself_are_its_answers(estate: Estate) -> None:
    lines = Lines()
    for telegrams in (50, 62, 2):
        lines.write([said(LineReport("L1", "open", telegrams=telegrams))])
    assert quarter(NOON.replace(minute=0)) == (0, 14, {})


def test_a_gateway_is_believed_about_its_own_lines_only(estate: Estate) -> None:
    lines = Lines()
    Trace.objects.all().delete()
    for count in (1, 2):
        lines.write(
            [said(LineReport("L1", "open", count, count), gateway="gw-2"), said(LineReport("L9", "open", count))]
        )
    lines.write([seen(1, gateway="gw-2"), seen(1, line="L9")])
    assert not Quarter.objects.exists()
    assert not Trace.objects.exists()
    assert lines.junk == 6


def test_the_trace_is_bounded_line_by_line(estate: Estate) -> None:
    services.note_trace("L2", NOON, "tx", b"other")
    Lines().write([seen(number) for number in range(services.KEPT_TRACES + 20)])
    kept = [bytes(row.data) for row in Trace.objects.filter(line="L1")]
    assert len(kept) == services.KEPT_TRACES
    assert kept[0] == (services.KEPT_TRACES + 19).to_bytes(4, "big")
    assert Trace.objects.filter(line="L2").count() == 1


def test_junk_is_counted_and_a_flood_gives_way() -> None:
    lines = Lines()
    for topic in (report_topic("gw-1"), trace_topic("gw-1", "L1")):
        for payload in (b"", b"\xff", b"[]", b'{"lines": 3}', b"[" * 50_000):
            lines.take(Message(topic, payload))
    assert lines.junk == 10
    sight = encode_sight(Sight(NOON, "rx", b"x"))
    for _ in range(WAITING + 50):
        lines.take(Message(trace_topic("gw-1", "L1"), sight))
    assert len(lines._heard) == WAITING
    assert lines.junk == 10


def test_an_open_page_is_a_watch_that_ends(estate: Estate, desk: Client) -> None:
    assert watched(timezone.now()) == []
    desk.get("/parts/lines/L1/trace")
    now = timezone.now()
    assert watched(now) == [("gw-1", "L1")]
    until = Watch.objects.get().until
    desk.get("/parts/lines/L1/trace")
    assert Watch.objects.get().until == until
    assert watched(now + timedelta(seconds=31)) == []
    assert desk.get("/parts/lines/L9/trace").status_code == 404
    assert Watch.objects.count() == 1


def test_strangers_watch_nothing(estate: Estate, client: Client) -> None:
    client.get("/parts/lines/L1/trace")
    assert not Watch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_from_the_page_to_the_gateway_and_back(tmp_path: Path) -> None:
    street.build(1)
    Trace.objects.all().delete()
    services.watch_line("L1", timezone.now())

    async def story() -> None:
        async with Broker(BrokerSettings(tmp_path, port=0), [station_user(), gateway_user("g", "gw-1")]) as broker:
            config = StationConfig(broker=str(broker.address("station")), records=broker.native_url)
            listener = Listener(config, broker.password("station"))
            gateway = MqttClient(broker.address("gw-1"), "gw-1", password=broker.password("gw-1"), version=4)
            async with gateway, asyncio.timeout(30):
                asked: asyncio.Queue[str] = asyncio.Queue()
                await gateway.subscribe("metergate/gw-1/watch/+", lambda message: asked.put_nowait(message.topic))
                task = asyncio.create_task(listener.run())
                assert await asked.get() == "metergate/gw-1/watch/L1"
                for count in (1, 4):
                    report = encode_report("a", [LineReport("L1", "open", count, count)])
                    await gateway.publish(report_topic("gw-1"), report, qos=0)
                sight = Sight(datetime.now(UTC), "tx", b"\x7e\x01", "mgc1", "STATUS 18")
                await gateway.publish(trace_topic("gw-1", "L1"), encode_sight(sight), qos=0)
                found = False
                while not found:
                    async with listener.lines.written:
                        await listener.lines.written.wait()
                    async with listener.turn:
                        found = await asyncio.to_thread(Trace.objects.exists)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.to_thread(connections.close_all)

    asyncio.run(story())
    row = Trace.objects.get()
    assert (row.line, row.direction, bytes(row.data), row.text) == ("L1", "tx", b"\x7e\x01", "STATUS 18")
    assert Quarter.objects.get(code="L1").asked == 3
