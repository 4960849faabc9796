"""Clocks: a doubtful meter time is flagged and kept; a set host clock is noticed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from metergate.gateway.clock import HostClock, MeterClocks
from metergate.model import Obis, Reading, Register, TimeQuality

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REGISTER = Register("m", Obis.parse("1-0:1.8.0"))


def reading(time: datetime | None, register: Register = REGISTER) -> Reading:
    return Reading(register, Decimal(1), meter_time=time, received=NOW, time_quality=TimeQuality.UNCHECKED)


def qualities(clocks: MeterClocks, *times: datetime | None) -> list[TimeQuality]:
    return [clocks.check((reading(time),))[0].time_quality for time in times]


@pytest.mark.parametrize(
    ("time", "doubtful"),
    [
        (NOW, False),
        (NOW - timedelta(days=400), False),
        (NOW + timedelta(minutes=9), False),
        (NOW + timedelta(minutes=11), True),
        (datetime(1999, 12, 31, tzinfo=UTC), True),
        (None, False),
    ],
)
def test_what_is_doubtful(time: datetime | None, doubtful: bool) -> None:
    clocks = MeterClocks()
    (found,) = clocks.check((reading(time),))
    assert (found.time_quality is TimeQuality.DOUBTFUL) == doubtful
    assert (found.meter_time, found.received, found.value) == (time, NOW, Decimal(1))
    assert clocks.doubtful == doubtful


def test_going_backwards_is_said_once_and_per_register() -> None:
    clocks = MeterClocks()
    hour = timedelta(hours=1)
    assert qualities(clocks, NOW, NOW - hour, NOW - hour) == [
        TimeQuality.UNCHECKED,
        TimeQuality.DOUBTFUL,
        TimeQuality.UNCHECKED,
    ]
    stored = reading(NOW - 5 * hour, Register("m", Obis.parse("1-0:1.8.0*1"), storage=1))
    assert clocks.check((stored,)) == (stored,)


def test_one_time_in_the_future_does_not_spoil_the_rest() -> None:
    ahead = NOW + timedelta(days=1)
    assert qualities(MeterClocks(), NOW, ahead, NOW) == [
        TimeQuality.UNCHECKED,
        TimeQuality.DOUBTFUL,
        TimeQuality.UNCHECKED,
    ]


def test_the_host_clock() -> None:
    clock = HostClock(1000.0, 10.0)
    assert clock.jumped(1060.5, 70.0) == 0  # slewed
    assert clock.jumped(4720.5, 130.0) == pytest.approx(3600)
    assert clock.jumped(4780.5, 190.0) == 0
    assert clock.jumped(1000.5, 250.0) == pytest.approx(-3840)
    assert clock.jumps == 2
