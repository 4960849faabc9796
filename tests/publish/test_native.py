"""Our own topics: exact numbers, missing keys for missing values, no more states than wanted."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import CARD, NOW, Clock, Collector, reading
from metergate.model import Event, Quality, Severity, TimeQuality, Unit
from metergate.publish import MeterCard, NativePublisher, NativeSettings

TOPIC = "metergate/gw1/meter/1023497978063"


@pytest.fixture
def native(collector: Collector, clock: Clock) -> NativePublisher:
    publisher = NativePublisher(collector, NativeSettings("gw1"), clock)
    publisher.meter(CARD)
    return publisher


def states(collector: Collector) -> list[dict[str, Any]]:
    taken = collector.take()
    return [json.loads(payload, parse_float=Decimal) for topic, payload, _ in taken if topic == f"{TOPIC}/state"]


def telegram(native: NativePublisher, wh: str, watts: str | None = "425", seconds: int = 0, **more: Any) -> None:
    at = NOW + timedelta(seconds=seconds)
    native.accept(reading("1-0:1.8.0", wh, Unit.WH, at=at, **more))
    native.accept(reading("1-0:16.7.0", watts, Unit.W, at=at, **more))
    native.flush(CARD.id)


def test_a_state_digit_by_digit(native: NativePublisher, collector: Collector) -> None:
    telegram(native, "15254827.30")
    state, totals = collector.take()
    assert state == (
        f"{TOPIC}/state",
        b'{"ts":"2026-11-22T18:30:00Z","import":15254.82730,"power":0.425,"rate":0.16401,"status":[]}',
        False,
    )
    assert totals[0] == f"{TOPIC}/totals"
    assert totals[2]


def test_missing_is_no_key(native: NativePublisher, collector: Collector) -> None:
    telegram(native, "1000", None)
    assert states(collector) == [{"ts": "2026-11-22T18:30:00Z", "import": 1, "rate": Decimal("0.16401"), "status": []}]


def test_not_more_than_one_state_in_the_interval_and_the_last_one_comes(
    native: NativePublisher, collector: Collector, clock: Clock
) -> None:
    for second in range(12):
        clock.now = 1000.0 + second
        telegram(native, str(1000 * second), seconds=second)
        native.tick()
    assert [state["import"] for state in states(collector)] == [0, 5, 10]
    clock.now = 1015.0
    native.tick()
    native.tick()
    assert [state["import"] for state in states(collector)] == [11]


def test_no_state_without_a_new_measurement(native: NativePublisher, collector: Collector, clock: Clock) -> None:
    telegram(native, "1000")
    collector.take()
    clock.now += 100
    native.flush(CARD.id)
    native.accept(reading("1-0:96.1.0", None, Unit.WH))
    native.flush(CARD.id)
    native.tick()
    assert collector.take() == []


@pytest.mark.parametrize(
    ("more", "flags"),
    [
        ({"quality": Quality.ESTIMATED}, ["estimated"]),
        ({"quality": Quality.SUSPECT}, ["suspect"]),
        ({"quality": Quality.BAD}, ["bad"]),
        ({"time_quality": TimeQuality.DOUBTFUL, "meter_time": NOW - timedelta(days=9000)}, ["clock-invalid"]),
    ],
)
def test_doubts_reach_the_output(
    more: dict[str, Any], flags: list[str], native: NativePublisher, collector: Collector
) -> None:
    telegram(native, "1000", **more)
    (state,) = states(collector)
    assert state["status"] == flags
    assert state["ts"] == "2026-11-22T18:30:00Z"
    assert ("import" in state) is (flags != ["bad"])


def test_the_meters_own_clock_is_the_time(native: NativePublisher, collector: Collector) -> None:
    telegram(native, "1000", meter_time=NOW - timedelta(seconds=7), time_quality=TimeQuality.UNCHECKED, status=260)
    (state,) = states(collector)
    assert (state["ts"], state["status_word"]) == ("2026-11-22T18:29:53Z", 260)


@given(st.integers(-(10**15), 10**15), st.integers(-9, 3))
def test_no_digit_is_lost(raw: int, scaler: int) -> None:
    collector, value = Collector(), Decimal(raw).scaleb(scaler)
    native = NativePublisher(collector, NativeSettings("gw1"), Clock())
    native.meter(MeterCard("7"))
    native.accept(reading("1-0:1.8.0", str(value), Unit.WH, "7"))
    native.flush("7")
    assert json.loads(collector.take()[0][1], parse_float=Decimal)["import"] * 1000 == value


@pytest.mark.anyio
async def test_availability_turns_and_is_said_again_after_a_reconnect(
    native: NativePublisher, collector: Collector
) -> None:
    running = asyncio.create_task(native.run())

    async def told(count: int) -> list[bytes]:
        await collector.wait(count)
        return [payload for topic, payload, retain in collector.take() if topic == f"{TOPIC}/availability" and retain]

    assert await told(1) == [b"online"]
    native.silent(CARD.id)
    assert await told(1) == [b"offline"]
    telegram(native, "1000")
    assert await told(3) == [b"online"]
    await collector.greeters[0]()
    assert await told(1) == [b"online"]
    running.cancel()


@pytest.mark.anyio
async def test_intervals_and_events(native: NativePublisher, collector: Collector) -> None:
    await native.interval(CARD.id, NOW, NOW + timedelta(minutes=15), 251, ["estimated"])
    await native.event(CARD.id, Event(NOW, "METER_SILENT", CARD.id, Severity.WARNING, {"since": 90}))
    (interval, event) = [(topic, json.loads(payload)) for topic, payload, _ in collector.take()]
    assert interval == (
        f"{TOPIC}/interval",
        {
            "start": "2026-11-22T18:30:00Z",
            "end": "2026-11-22T18:45:00Z",
            "import_wh": 251,
            "status": ["estimated"],
        },
    )
    assert event == (
        f"{TOPIC}/events",
        {"ts": "2026-11-22T18:30:00Z", "code": "METER_SILENT", "severity": "warning", "since": 90},
    )


def test_totals_count_from_their_last_reset(native: NativePublisher, collector: Collector, clock: Clock) -> None:
    for hours, wh in ((0, 1000), (5, 3000), (6, 3500)):
        clock.now += 3600 * hours
        at = NOW + timedelta(hours=hours)
        native.accept(reading("1-0:1.8.0", str(wh), Unit.WH, at=at))
        native.flush(CARD.id)
    *_, last = [json.loads(payload) for topic, payload, _ in collector.take() if topic.endswith("totals")]
    assert last["import"]["today"] == {"value": 0.5, "last_reset": "2026-11-23T00:00:00Z"}
    assert last["import"]["month"] == {"value": 2.5, "last_reset": "2026-11-01T00:00:00Z"}


def test_strange_ids_stay_in_their_level(collector: Collector) -> None:
    native = NativePublisher(collector, NativeSettings("gw/1"), Clock())
    native.meter(MeterCard("a/#+b"))
    native.accept(reading("1-0:1.8.0", "1", Unit.WH, "a/#+b"))
    native.flush("a/#+b")
    assert collector.take()[0][0] == "metergate/gw_1/meter/a___b/state"
