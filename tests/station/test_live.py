"""The live lane: what an edge node says becomes latest values and presence."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connections

from metergate.links.broker import Broker, BrokerSettings, gateway_user, station_user
from metergate.links.mqtt import MqttClient
from metergate.station.archive.models import Estate
from metergate.station.collect import live, services
from metergate.station.collect.models import Event, Latest, Presence
from metergate.station.conf import StationConfig
from metergate.wire.sparkplug import DataType, EdgeNode, Host, Metric, Out
from station import street

pytestmark = pytest.mark.django_db
METER, NAME = "1ELE00000000", "1-0:16.7.0*255"


class Lane:
    """An edge node and a host with nothing between."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC) + timedelta(minutes=1)
        self.edge, self.host = EdgeNode("g", "gw-1"), Host("metergate")
        self.will = self.edge.connect(self.now)
        self.say(*self.edge.birth(self.now))

    def say(self, *messages: Out) -> int:
        self.now += timedelta(seconds=1)
        heard = [said for out in messages for said in self.host.receive(out.topic, out.payload, self.now)]
        return live.note([said for said in heard if not isinstance(said, Out)], self.now)

    def born(self, value: float) -> int:
        at = int(self.now.timestamp() * 1000)
        return self.say(
            *self.edge.define(METER, {NAME: Metric(type=DataType.DOUBLE, value=value, timestamp=at)}, self.now)
        )


def power() -> Decimal | None:
    return Latest.objects.get(register__key=f"{METER}/{NAME}").value


def presence(kind: str) -> dict[str, str]:
    return dict(Presence.objects.filter(kind=kind).values_list("code", "state"))


def test_births_and_data_become_latest_values(estate: Estate) -> None:
    lane = Lane()
    assert lane.born(431.5) == 1
    assert power() == Decimal("431.5")
    lane.say(*lane.edge.data(METER, {NAME: 512.25}, lane.now, lane.now))
    assert power() == Decimal("512.25")
    assert presence("gateway") == {"gw-1": "ok"}
    assert presence("meter") == {METER: "ok"}


def test_a_death_is_noticed_and_leaves_the_value(estate: Estate) -> None:
    lane = Lane()
    lane.born(431.5)
    lane.say(lane.will)
    assert presence("gateway") == {"gw-1": "down"}
    assert power() == Decimal("431.5")


def test_what_comes_back_ends_the_report_of_its_silence(estate: Estate) -> None:
    lane = Lane()
    lane.born(431.5)
    lane.say(lane.will)
    reports = Event.objects.filter(code="GATEWAY_DOWN", source="gw-1")
    assert reports.filter(acknowledged_at=None).count() == 1
    services.heard(Presence.Kind.GATEWAY, "gw-1", lane.now)
    assert presence("gateway") == {"gw-1": "ok"}
    assert reports.filter(acknowledged_at=None).count() == 0
    assert reports.get().acknowledged_by is None


def test_registers_that_nobody_knows_are_left_to_the_record_lane(db: None) -> None:
    assert Lane().born(1) == 0
    assert not Latest.objects.exists()


def test_an_old_value_does_not_replace_a_newer_one(estate: Estate) -> None:
    lane = Lane()
    lane.born(431.5)
    lane.say(*lane.edge.data(METER, {NAME: 9.0}, lane.now - timedelta(hours=1), lane.now))
    assert power() == Decimal("431.5")


@pytest.mark.django_db(transaction=True)
def test_from_the_broker_to_the_page(tmp_path: Path) -> None:
    street.build(1)

    async def story() -> None:
        written: asyncio.Queue[int] = asyncio.Queue()
        async with Broker(BrokerSettings(tmp_path, port=0), [station_user(), gateway_user("g", "gw-1")]) as broker:
            config = StationConfig(broker=str(broker.address("station")), records=broker.native_url)
            listener = live.Listener(config, broker.password("station"), written.put_nowait)
            task = asyncio.create_task(listener.run())
            gateway = MqttClient(broker.address("gw-1"), "gw-1", password=broker.password("gw-1"), version=4)
            async with gateway, asyncio.timeout(30):
                heard = asyncio.Event()
                await gateway.subscribe("spBv1.0/STATE/metergate", lambda message: heard.set(), qos=1)
                await heard.wait()
                now = datetime.now(UTC) + timedelta(minutes=1)
                at = int(now.timestamp() * 1000)
                metric = Metric(type=DataType.DOUBLE, value=777.5, timestamp=at)
                edge = EdgeNode("g", "gw-1")
                edge.connect(now)
                for out in (*edge.birth(now), *edge.define(METER, {NAME: metric}, now)):
                    await gateway.publish(out.topic, out.payload, qos=1)
                while await written.get() == 0:
                    pass
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.to_thread(connections.close_all)

    asyncio.run(story())
    assert power() == Decimal("777.5")
