"""Meters of the Chinese grid asked through their pollers: values, orders, profiles, events."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dialogues import NOW, Talk
from metergate.errors import Unsupported
from metergate.meters.pollers import POLLERS, Target
from metergate.model import Connect, Disconnect, Freeze, LimitPower, Obis, Outcome, SetClock
from metergate.wire.dlt698.meter import Meter as Meter698

ADDRESS = "202611220001"
INSTALLED = datetime(2025, 1, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
TARGET = Target(ADDRESS, ADDRESS)


def source(obis: Obis, at: datetime) -> Decimal | None:
    """One kWh an hour since the year began."""
    if obis == Obis.parse("1-0:1.8.0"):
        return Decimal((at - START) // timedelta(seconds=36)).scaleb(-2)
    return Decimal("230.1") if obis == Obis.parse("1-0:32.7.0") else None


def shown(at: datetime = NOW) -> Decimal:
    value = source(Obis.parse("1-0:1.8.0"), at)
    assert value is not None
    return value


MAKERS: dict[str, Callable[[], Any]] = {"dlt698": lambda: Meter698(ADDRESS, source, INSTALLED, tariffs=0)}


@pytest.fixture(params=MAKERS)
def meeting(request: pytest.FixtureRequest) -> tuple[Any, Any, Talk]:
    """A poller, the meter it asks, and how they talk."""
    meter = MAKERS[request.param]()
    return POLLERS[request.param]({}), meter, Talk([meter])


def test_values(meeting: tuple[Any, Any, Talk]) -> None:
    poller, _, talk = meeting
    telegram = talk.run(poller.read(TARGET))
    found = {str(one.obis): one.value for one in telegram.readings}
    assert found["1-0:1.8.0"] == shown()
    assert found["1-0:32.7.0"] == Decimal("230.1")
    assert telegram.meter.id == ADDRESS


def test_orders(meeting: tuple[Any, Any, Talk]) -> None:
    poller, meter, talk = meeting
    later = NOW + timedelta(hours=1)
    assert talk.run(poller.execute(TARGET, Disconnect("1", ADDRESS, later), NOW)) is Outcome.DONE
    assert meter.state.relay_open
    assert talk.run(poller.execute(TARGET, Connect("2", ADDRESS, later), NOW)) is Outcome.DONE
    assert not meter.state.relay_open
    meter.state.clock_error = timedelta(minutes=4)
    assert talk.run(poller.execute(TARGET, SetClock("3", ADDRESS, later), NOW)) is Outcome.DONE
    assert abs(meter.state.clock_error) < timedelta(seconds=5)
    assert talk.run(poller.execute(TARGET, Freeze("4", ADDRESS, later), NOW)) is Outcome.DONE
    assert len(meter.state.frozen) == 1
    assert talk.run(poller.execute(TARGET, LimitPower("5", ADDRESS, later), NOW)) is Outcome.UNSUPPORTED


def test_the_clock_is_told_to_all(meeting: tuple[Any, Any, Talk]) -> None:
    poller, meter, talk = meeting
    meter.state.clock_error = timedelta(minutes=-3)
    assert talk.run(poller.broadcast_clock(NOW)) is Outcome.DONE
    assert abs(meter.state.clock_error) < timedelta(seconds=5)


def test_events(meeting: tuple[Any, Any, Talk]) -> None:
    poller, _, talk = meeting
    talk.run(poller.execute(TARGET, SetClock("3", ADDRESS, NOW + timedelta(hours=1)), NOW))
    telegram = talk.run(poller.events(TARGET, NOW - timedelta(days=1), NOW + timedelta(days=1)))
    assert "CLOCK_SET" in [one.value for one in telegram.readings]
    assert all(one.meter_time and abs(one.meter_time - NOW) < timedelta(minutes=1) for one in telegram.readings)
    assert talk.run(poller.events(TARGET, NOW - timedelta(days=9), NOW - timedelta(days=8))).readings == ()


@pytest.mark.parametrize(("table", "rows"), [("", 96), ("5003/", 24), ("5004/", 1)])
def test_the_load_profile_of_698(table: str, rows: int) -> None:
    poller, talk = POLLERS["dlt698"]({}), Talk([MAKERS["dlt698"]()])
    telegram = talk.run(poller.profile(TARGET, f"{table}1-0:1.8.0", NOW - timedelta(days=1), NOW))
    assert len(telegram.readings) == rows
    for one in telegram.readings:
        assert one.meter_time is not None
        assert (one.value, str(one.obis)) == (shown(one.meter_time), "1-0:1.8.0")
    with pytest.raises(Unsupported):
        talk.run(poller.profile(TARGET, "1-0:99.8.0", NOW, NOW))
