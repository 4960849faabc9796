"""Meters' clocks at the hours at which clocks go wrong: no reading is lost, and what a doubtful time is worth is said.

Every simulated meter that tells a time with its values is heard (or asked) at the switches of summer time, on a leap
day, around the turns of centuries, and with a clock that is an hour off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dialogues import Talk
from metergate.gateway.clock import MeterClocks
from metergate.meters.pollers import POLLERS, Target
from metergate.model import Reading, TimeQuality
from metergate.sim.household import Household
from metergate.sim.meters import Pusher, responder
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire import protocols
from metergate.wire.base import Telegram, received

NUMBER = "20261101"
OFFSET: dict[str, object] = {"utc_offset": 60}
KNOWN = (TimeQuality.UNCHECKED, TimeQuality.SYNCHRONISED)
STEP = timedelta(minutes=5)
"""How old a value may be that a meter has from another one."""
Hear = Callable[[datetime, datetime], tuple[Reading, ...]]
"""The readings of a meter whose clock shows one time while another is right."""


def _bank(at: datetime) -> Bank:
    begin = at - timedelta(days=3)
    return Bank((Household(5, pv_watts=4000, since=begin.date()),), (), installed=begin)


def _pushed(protocol: str, kind: int = 0, options: dict[str, object] | None = None) -> Hear:
    def hear(shown: datetime, right: datetime) -> tuple[Reading, ...]:
        receiver = protocols()[protocol].receiver({}, options or {})
        frames = Pusher(MeterSpec(protocol, NUMBER, 0, kind), _bank(right)).frames(shown)
        found = [item for frame in frames for item in received(receiver, frame, right)]
        return tuple(reading for item in found if isinstance(item, Telegram) for reading in item.readings)

    return hear


def _asked(protocol: str, target: Target, options: dict[str, object], kind: int = 0) -> Hear:
    def hear(shown: datetime, right: datetime) -> tuple[Reading, ...]:
        meter = responder(MeterSpec(protocol, NUMBER, 0, kind), _bank(right))
        return Talk([meter], shown).run(POLLERS[protocol](options).read(target)).readings

    return hear


TELL_TIME: dict[str, Hear] = {
    "p1": _pushed("p1", 5),
    "tic": _pushed("tic", 1),
    "dlms-push": _pushed("dlms-push", options={"layer": "hdlc"}),
    "dlms-wrapper": _asked("dlms-wrapper", Target("m", "16/1"), {}),
    "gdw376": _asked("gdw376", Target("m", f"{NUMBER}:1"), OFFSET),
    "cjt188": _asked("cjt188", Target("m", f"10:{NUMBER:0>14}"), OFFSET, 0x10),
}
"""Meters that tell the time with their values."""
SILENT: dict[str, Hear] = {
    "sml": _pushed("sml"),
    "iec62056-d": _pushed("iec62056-d"),
    "wmbus": _pushed("wmbus", 6),
    "dlt645": _asked("dlt645", Target("m", NUMBER), OFFSET),
    "dlt698": _asked("dlt698", Target("m", NUMBER), OFFSET),
    "iec62056-21": _asked("iec62056-21", Target("m", ""), OFFSET),
    "mbus": _asked("mbus", Target("m", str(int(NUMBER) % 250 + 1)), {}, 4),
}
"""Meters whose values come without a time of day: no clock can lose them."""
METERS = TELL_TIME | SILENT
USUAL = datetime(2026, 11, 18, 12, 0, 5, tzinfo=UTC)
HARD = {
    "before summer time": datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC),
    "summer time begins": datetime(2027, 3, 28, 1, 0, 0, tzinfo=UTC),
    "the hour that comes twice": datetime(2027, 10, 31, 0, 30, 0, tzinfo=UTC),
    "and again": datetime(2027, 10, 31, 1, 30, 0, tzinfo=UTC),
    "leap day": datetime(2028, 2, 29, 12, 0, 0, tzinfo=UTC),
    "the last of a leap year": datetime(2028, 12, 31, 23, 30, 0, tzinfo=UTC),
    "the last of a two-digit century": datetime(2099, 12, 31, 12, 0, 0, tzinfo=UTC),
}
FAR = {
    "2000 begins": datetime(2000, 1, 1, 12, 0, 0, tzinfo=UTC),
    "2127 ends": datetime(2127, 12, 31, 12, 0, 0, tzinfo=UTC),
    "2128 begins": datetime(2128, 1, 1, 12, 0, 0, tzinfo=UTC),
}
"""Years that some clocks cannot tell from others, a century off."""


def _told(readings: tuple[Reading, ...]) -> set[str]:
    return {reading.register.key for reading in readings if reading.value is not None}


def _times(
    readings: tuple[Reading, ...], right: datetime, clocks: MeterClocks | None = None
) -> list[tuple[datetime, TimeQuality]]:
    """The times of values that came at `right` and what they are worth once the gateway has looked at them."""
    found = (clocks or MeterClocks()).check(tuple(replace(reading, received=right) for reading in readings))
    return [(one.meter_time, one.time_quality) for one in found if one.meter_time is not None]


@pytest.mark.parametrize("hour", HARD)
@pytest.mark.parametrize("meter", METERS)
def test_no_reading_is_lost_and_the_time_is_right(meter: str, hour: str) -> None:
    right = HARD[hour]
    readings = METERS[meter](right, right)
    assert _told(readings) == _told(METERS[meter](USUAL, USUAL)) != set()
    times = _times(readings, right)
    assert bool(times) == (meter in TELL_TIME)
    for at, quality in times:
        assert quality in KNOWN
        assert timedelta(0) <= right - at <= STEP


@pytest.mark.parametrize("year", FAR)
@pytest.mark.parametrize("meter", METERS)
def test_in_far_years_a_time_is_right_or_doubtful(meter: str, year: str) -> None:
    right = FAR[year]
    readings = METERS[meter](right, right)
    assert _told(readings) == _told(METERS[meter](USUAL, USUAL))
    for at, quality in _times(readings, right):
        assert quality is TimeQuality.DOUBTFUL or abs(at - right) <= timedelta(minutes=1)


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("meter", METERS)
def test_a_clock_an_hour_off_is_doubted_and_the_values_are_kept(meter: str, hours: int) -> None:
    """One that is ahead at once; one that is behind when it goes back, for values of an hour ago are told as well."""
    clocks = MeterClocks()
    _times(METERS[meter](USUAL, USUAL), USUAL, clocks)
    later = USUAL + timedelta(minutes=15)
    readings = METERS[meter](later + timedelta(hours=hours), later)
    assert _told(readings) == _told(METERS[meter](USUAL, USUAL))
    times = _times(readings, later, clocks)
    assert bool(times) == (meter in TELL_TIME)
    assert all(quality is TimeQuality.DOUBTFUL for _, quality in times)


def test_a_counter_of_seconds_that_begins_anew_loses_nothing() -> None:
    """secIndex of SML after a reset: the values come all the same, and nobody takes it for a time of day."""
    before, after = (SILENT["sml"](USUAL + timedelta(days=days), USUAL) for days in (2, 0))
    assert _told(before) == _told(after) != set()
    assert {reading.time_quality for reading in (*before, *after)} <= {TimeQuality.COUNTER, TimeQuality.NONE}
