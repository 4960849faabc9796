"""Meters of the Chinese grid asked through their pollers: values, orders, profiles, events."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dialogues import NOW, Talk
from metergate.errors import ConfigError, Unsupported
from metergate.meters.options import check_option
from metergate.meters.pollers import POLLERS, Target
from metergate.model import (
    Connect,
    Disconnect,
    Freeze,
    LimitPower,
    Obis,
    Outcome,
    Season,
    SetClock,
    SetPassword,
    SetTariffTable,
    Switching,
    TimeQuality,
)
from metergate.wire.cjt188 import Meter as MeterCjt
from metergate.wire.cjt188.frame import REPLY, WRITE, Frame
from metergate.wire.cjt188.values import moment
from metergate.wire.dlt645 import Meter as Meter645
from metergate.wire.dlt645 import schedule
from metergate.wire.dlt698.meter import Meter as Meter698
from metergate.wire.gdw376.terminal import Terminal

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


MAKERS: dict[str, Callable[[], Any]] = {
    "dlt645": lambda: Meter645(ADDRESS, source, INSTALLED),
    "dlt698": lambda: Meter698(ADDRESS, source, INSTALLED, tariffs=0),
}


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


@pytest.mark.parametrize(("table", "rows"), [("", 96), ("hourly/", 24), ("daily/", 1)])
def test_the_load_profile_of_645(table: str, rows: int) -> None:
    poller, talk = POLLERS["dlt645"]({}), Talk([MAKERS["dlt645"]()])
    telegram = talk.run(poller.profile(TARGET, f"{table}1-0:1.8.0", NOW - timedelta(days=1), NOW))
    assert len(telegram.readings) == rows
    for one in telegram.readings:
        assert one.meter_time is not None
        assert (one.value, str(one.obis)) == (shown(one.meter_time), "1-0:1.8.0")
    for register in ("1-0:99.8.0", "weekly/1-0:1.8.0"):
        with pytest.raises(Unsupported):
            talk.run(poller.profile(TARGET, register, NOW, NOW))


WEEK = (1, 1, 1, 1, 1, 2, 2)
DAYS = ((Switching(6, 0, 1), Switching(22, 30, 2)), (Switching(0, 0, 2),))
SEASONS = (Season(1, 1, WEEK), Season(7, 15, (3, 3, 3, 3, 3, 2, 2)))


def test_a_tariff_calendar_is_written_read_back_and_counts_from_its_time() -> None:
    meter = MAKERS["dlt645"]()
    poller, talk = POLLERS["dlt645"]({}), Talk([meter])
    order = SetTariffTable("1", ADDRESS, None, (*DAYS, DAYS[1]), SEASONS, NOW + timedelta(days=1))
    assert talk.run(poller.execute(TARGET, order, NOW)) is Outcome.DONE
    waiting = talk.run(schedule.read_calendar(ADDRESS, waiting=True))
    assert waiting == schedule.Calendar.of(order)
    assert waiting.rest == (5, 6)
    assert not talk.run(schedule.second_counts(ADDRESS))
    talk.now += timedelta(days=2)
    assert talk.run(schedule.second_counts(ADDRESS))
    assert talk.run(schedule.read_calendar(ADDRESS)) == waiting


@pytest.mark.parametrize(
    "order",
    [
        SetTariffTable("1", ADDRESS),
        SetTariffTable("1", ADDRESS, None, DAYS, (Season(1, 1, (1, 2, 1, 2, 1, 2, 3)),)),
        SetTariffTable("1", ADDRESS, None, DAYS, (Season(1, 1, WEEK), Season(2, 1, (1,) * 7))),
        SetTariffTable("1", ADDRESS, None, (tuple(Switching(hour, 0, 1) for hour in range(15)),)),
        SetPassword("1", ADDRESS, None, 2, "000000", "12345"),
    ],
)
def test_what_a_meter_cannot_hold_is_not_sent(order: Any) -> None:
    talk = Talk([MAKERS["dlt645"]()])
    assert talk.run(POLLERS["dlt645"]({}).execute(TARGET, order, NOW)) is Outcome.UNSUPPORTED
    assert talk.asked == 0


@pytest.mark.parametrize("edition", ["dlt645", "dlt645-1997"])
def test_a_password_is_changed_and_never_shown(edition: str) -> None:
    meter = MAKERS["dlt645"]()
    poller, talk = POLLERS[edition]({}), Talk([meter])
    order = SetPassword("1", ADDRESS, None, 2, "000000", "135791")
    assert "135791" not in repr(order)
    assert talk.run(poller.execute(TARGET, order, NOW)) is Outcome.DONE
    assert talk.run(poller.execute(TARGET, order, NOW)) is Outcome.REFUSED
    meter.state.clock_error = timedelta(minutes=4)
    clock = SetClock("3", ADDRESS)
    assert talk.run(poller.execute(TARGET, clock, NOW)) is Outcome.REFUSED
    keyed = Target(ADDRESS, ADDRESS, bytes.fromhex("02135791"))
    assert talk.run(poller.execute(keyed, clock, NOW)) is Outcome.DONE
    assert abs(meter.state.clock_error) < timedelta(seconds=5)


def test_1997_does_what_it_can() -> None:
    meter = MAKERS["dlt645"]()
    poller, talk = POLLERS["dlt645-1997"]({}), Talk([meter])
    found = {str(one.obis): one.value for one in talk.run(poller.read(TARGET)).readings}
    assert (found["1-0:1.8.0"], found["1-0:32.7.0"]) == (shown(), Decimal(230))
    assert talk.run(poller.execute(TARGET, Disconnect("1", ADDRESS), NOW)) is Outcome.UNSUPPORTED
    for question in (poller.profile(TARGET, "1-0:1.8.0", NOW, NOW), poller.events(TARGET, NOW, NOW)):
        with pytest.raises(Unsupported):
            talk.run(question)


# --- through a terminal ----------------------------------------------------------------------------------------------
TERMINAL = "02001234"


def concentrator() -> tuple[Terminal, Meter645]:
    meter = Meter645(ADDRESS, source, INSTALLED)
    return Terminal(TERMINAL, {1: source}, [meter], tariffs=0), meter


def test_the_same_meter_by_645_and_through_a_terminal() -> None:
    terminal, meter = concentrator()
    poller, target = POLLERS["gdw376"]({}), Target(ADDRESS, f"{TERMINAL}/{ADDRESS}")
    forwarded = Talk([terminal]).run(poller.read(target))
    directly = Talk([meter]).run(POLLERS["dlt645"]({}).read(TARGET))
    assert forwarded.readings == directly.readings
    assert forwarded.meter == directly.meter
    talk, later = Talk([terminal]), NOW + timedelta(hours=1)
    assert talk.run(poller.execute(target, Disconnect("1", ADDRESS, later), NOW)) is Outcome.DONE
    assert meter.state.relay_open
    assert len(talk.run(poller.profile(target, "daily/1-0:1.8.0", NOW - timedelta(days=3), NOW)).readings) == 3
    assert [one.value for one in talk.run(poller.events(target, NOW - timedelta(days=1), later)).readings] == [
        "RELAY_OPENED"
    ]


def test_a_point_of_a_terminal() -> None:
    terminal, _ = concentrator()
    talk, poller, target = Talk([terminal]), POLLERS["gdw376"]({}), Target("p1", f"{TERMINAL}:1")
    for _ in range(3):  # read again later, it is not the answer of before
        found = {str(one.obis): one.value for one in talk.run(poller.read(target)).readings}
        assert (found["1-0:1.8.0"], found["1-0:32.7.0"]) == (shown(talk.now), Decimal("230.1"))
        talk.now += timedelta(hours=1)
    begin, end = NOW - timedelta(days=3), NOW.replace(hour=4, minute=0)
    curve = talk.run(poller.profile(target, "1-0:1.8.0", begin, end)).readings
    assert len(curve) == (end - begin) // timedelta(minutes=15) + bool((end - begin) % timedelta(minutes=15))
    assert all(one.meter_time and one.value == shown(one.meter_time) for one in curve)
    terminal.report(14, NOW)
    assert [one.value for one in talk.run(poller.events(target, begin, NOW + timedelta(days=1))).readings] == ["ERC14"]
    terminal.state.clock_error = timedelta(minutes=4)
    assert talk.run(poller.execute(target, SetClock("1", "p1"), talk.now)) is Outcome.DONE
    assert abs(terminal.state.clock_error) < timedelta(seconds=5)
    assert talk.run(poller.execute(target, Disconnect("2", "p1"), talk.now)) is Outcome.DONE
    assert terminal.state.tripped == 1
    with pytest.raises(Unsupported):
        talk.run(poller.profile(target, "1-0:99.8.0", begin, end))


# ---- CJ/T 188 ----
WATER = "11223344556677"
COLD = Target(WATER, f"10:{WATER}")


class Settable(MeterCjt):
    """A water meter whose clock can be set, under an identifier of its maker."""

    def __init__(self, item: int = 0xA015, utc_offset: timedelta = timedelta(hours=8)) -> None:
        super().__init__(0x10, WATER, lambda obis, at: Decimal("12.34"), INSTALLED, utc_offset)
        self.item, self.orders = item, 0
        self.takes = True

    def answer(self, request: Frame, now: datetime) -> Frame | None:
        if (request.function, request.di) != (WRITE, self.item):
            return super().answer(request, now)
        self.orders += 1
        told = moment(request.payload)
        if told and self.takes:
            self.clock_error = datetime.fromisoformat(told).replace(tzinfo=self.zone) - now
        return Frame(self.meter_type, self.address, request.control | REPLY, request.data[:3])


@pytest.mark.parametrize(
    ("hours", "options"), [(8, {}), (8, {"utc_offset": 480}), (7, {"utc_offset": 420}), (0, {"utc_offset": 0})]
)
def test_the_clock_of_a_water_meter_is_local(hours: int, options: dict[str, object]) -> None:
    """What it counts now has its own clock's instant; what it kept of the settlement day has none."""
    talk = Talk([Settable(utc_offset=timedelta(hours=hours))])
    found = talk.run(POLLERS["cjt188"](options).read(COLD)).readings
    assert [(one.register.storage, one.meter_time, one.time_quality) for one in found] == [
        (0, NOW, TimeQuality.UNCHECKED),
        (1, None, TimeQuality.NONE),
    ]


def test_a_water_meter_that_shows_no_time_has_none() -> None:
    class Blind(Settable):
        def answer(self, request: Frame, now: datetime) -> Frame | None:
            told = super().answer(request, now)
            return told and replace(told, data=told.data[:-9] + bytes(7) + told.data[-2:])

    assert {one.meter_time for one in Talk([Blind()]).run(POLLERS["cjt188"]({}).read(COLD)).readings} == {None}


@pytest.mark.parametrize("at", [None, NOW + timedelta(hours=1), datetime(2026, 11, 22, 13, 30)])
def test_the_clock_of_a_water_meter_is_set_and_read_back(at: datetime | None) -> None:
    meter = Settable()
    meter.clock_error = timedelta(days=-400)
    poller = POLLERS["cjt188"]({"clock": "A015"})
    assert Talk([meter]).run(poller.execute(COLD, SetClock("1", "m", None, at), NOW)) is Outcome.DONE
    wanted = at or NOW
    instant = wanted if wanted.tzinfo else wanted.replace(tzinfo=meter.zone)
    assert NOW + meter.clock_error == instant


def test_a_water_meter_that_does_not_keep_the_time() -> None:
    meter = Settable()
    meter.takes, meter.clock_error = False, timedelta(hours=2)
    poller = POLLERS["cjt188"]({"clock": "A015"})
    assert Talk([meter]).run(poller.execute(COLD, SetClock("1", "m"), NOW)) is Outcome.UNSURE
    assert Talk([Settable(0xA055)]).run(poller.execute(COLD, SetClock("1", "m"), NOW)) is Outcome.REFUSED
    assert Talk([]).run(poller.execute(COLD, SetClock("1", "m"), NOW)) is Outcome.NO_ANSWER


def test_without_its_identifier_no_clock_is_set() -> None:
    meter = Settable()
    assert Talk([meter]).run(POLLERS["cjt188"]({}).execute(COLD, SetClock("1", "m"), NOW)) is Outcome.UNSUPPORTED
    assert not meter.orders
    with pytest.raises(ConfigError, match="A015"):
        POLLERS["cjt188"]({"clock": "015"})
    check_option("cjt188", "utc_offset", 420)
    with pytest.raises(ConfigError):
        check_option("cjt188", "utc_offset", "8 h")


# ---- DL/T 645 ----
@pytest.mark.parametrize("offset", [480, 420])
def test_the_time_of_a_demand_is_local(offset: int) -> None:
    meter = Meter645(ADDRESS, demand, INSTALLED, timedelta(minutes=offset))
    target = Target(ADDRESS, ADDRESS, registers=("01010000",))
    found = Talk([meter]).run(POLLERS["dlt645"]({"utc_offset": offset}).read(target)).readings
    times = {one.meter_time for one in found if isinstance(one.value, Decimal)}
    other = Talk([meter]).run(POLLERS["dlt645"]({"utc_offset": offset + 60}).read(target)).readings
    assert {one.meter_time for one in other if isinstance(one.value, Decimal)} == {
        time and time - timedelta(hours=1) for time in times
    }
    assert times
    assert None not in times


def demand(obis: Obis, at: datetime) -> Decimal | None:
    return Decimal("1.2345") if (obis.c, obis.d) in ((1, 6), (16, 7)) else source(obis, at)
