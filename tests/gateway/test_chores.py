"""Besides reading values a line reads event logs and gaps of load profiles, and tells its meters the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from metergate.gateway.chores import EventReader, event_code, until
from metergate.gateway.cursors import Cursors
from metergate.gateway.hub import Hub, Sink
from metergate.gateway.lines import LineTask
from metergate.gateway.settings import Line, Meter
from metergate.links.loop import pair
from metergate.meters.pollers import Poller, Target
from metergate.meters.pollers.base import answered
from metergate.model import Event, MeterIdentity, Outcome, Reading, ReadProfile, Register
from metergate.sim.bank import Bank
from metergate.sim.meters import responder
from metergate.sim.serve import address_of, bank_of, meter_of
from metergate.wire.base import Dialogue, Telegram

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)


class Kept(Sink):
    keeps = True

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.events: list[Event] = []

    def keep(self, readings: tuple[Reading, ...]) -> None:
        self.readings += readings

    def event(self, event: Event) -> None:
        self.events.append(event)


@asynccontextmanager
async def line_with(protocol: str) -> AsyncIterator[tuple[LineTask, Kept, str]]:
    """A line that is open, its only meter simulated."""
    spec = meter_of(protocol, "", 0, "", 0, 1.0)
    bank = bank_of(spec, NOW, 1.0, seed=5)
    ours, theirs = pair()
    meters = asyncio.create_task(Bank(theirs, [responder(spec, bank)], bank.time, delay=(0.0, 0.0)).run())
    kept = Kept()
    meter = Meter(id=spec.id, address=address_of(spec))
    line = LineTask(Line("loop://", protocol, meter=(meter,)), Hub("gw1", [kept]))
    serving = asyncio.create_task(line._own(ours, []))
    await asyncio.sleep(0)
    try:
        yield line, kept, spec.id
    finally:
        serving.cancel()
        meters.cancel()
        await asyncio.gather(serving, meters, return_exceptions=True)


@pytest.mark.parametrize("protocol", ["dlt645", "dlms-wrapper", "iec62056-21"])
async def test_a_gap_is_read_by_order_and_kept_as_history(protocol: str) -> None:
    register = "1.5.0" if protocol == "iec62056-21" else "1-0:1.8.0"
    async with line_with(protocol) as (line, kept, meter):
        begin = NOW - timedelta(hours=6)
        outcome, text = await line.execute(ReadProfile("1", meter, None, register, begin, begin + timedelta(hours=2)))
        assert (outcome, text) == (Outcome.DONE, f"{len(kept.readings)} values")
        assert len(kept.readings) in range(2, 9)
        assert all(one.meter_time and begin <= one.meter_time < begin + timedelta(hours=2) for one in kept.readings)
        assert all(one.received and isinstance(one.value, Decimal) for one in kept.readings)


async def test_orders_that_make_no_sense_are_refused() -> None:
    async with line_with("dlt645") as (line, kept, meter):
        for begin, end in ((NOW, NOW), (NOW, NOW - timedelta(days=1)), (NOW - timedelta(days=400), NOW), (None, NOW)):
            assert (await line.execute(ReadProfile("1", meter, None, "1-0:1.8.0", begin, end)))[0] is Outcome.REFUSED
        odd = ReadProfile("1", meter, None, "1-0:99.7.0", NOW - timedelta(days=1), NOW)
        assert (await line.execute(odd))[0] is Outcome.UNSUPPORTED
        assert not kept.readings


class Logbook(Poller):
    """Events as they were told it, at any of the instants asked for."""

    def __init__(self) -> None:
        self.rows: list[tuple[datetime, str]] = []
        self.asked: list[datetime] = []

    def events(self, target: Target, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        yield from ()
        self.asked.append(begin)
        register = Register(target.id, None, "event", address="P.98")
        found = (Reading(register, text, meter_time=at) for at, text in self.rows if begin <= at < end)
        return answered("x", MeterIdentity(target.id), tuple(found))


async def test_events_are_told_once_over_restarts_too(tmp_path: Path) -> None:
    async with line_with("dlt645") as (line, kept, _):
        logbook, cursors = Logbook(), Cursors(tmp_path / "cursors.json")
        meter = line.settings.meter[0]
        reader = EventReader(line, meter, cursors)
        logbook.rows = [(NOW - timedelta(days=3), "long ago"), (NOW - timedelta(minutes=50), "power failure")]
        assert await reader.look(logbook, NOW) == 1
        assert await reader.look(logbook, NOW) == 0
        logbook.rows.append((NOW - timedelta(minutes=55), "cover opened"))  # another log, later told
        assert await reader.look(logbook, NOW + timedelta(minutes=1)) == 1
        again = EventReader(line, meter, Cursors(tmp_path / "cursors.json"))
        assert await again.look(logbook, NOW + timedelta(minutes=2)) == 0
        assert [(event.code, event.source) for event in kept.events] == [
            ("METER_POWER_FAILURE", meter.id),
            ("METER_COVER_OPENED", meter.id),
        ]
        assert kept.events[0].args == {"text": "power failure", "register": "P.98"}


async def test_a_simulated_meter_tells_its_events() -> None:
    async with line_with("dlt645") as (line, kept, meter):
        assert await EventReader(line, line.settings.meter[0], None).look(line._poller(), NOW) == len(kept.events)
        assert {event.source for event in kept.events} <= {meter}


def test_names_and_times() -> None:
    assert event_code("power failure, phase A") == "METER_POWER_FAILURE_PHASE_A"
    assert until(time(3, 7), datetime(2026, 1, 1, 3, 6, 59, tzinfo=UTC)) == timedelta(seconds=1)
    assert until(time(3, 7), datetime(2026, 1, 1, 3, 7, tzinfo=UTC)) == timedelta(days=1)


def _all(cls: type[Poller]) -> Iterator[str]:
    yield from (name for name in ("events", "broadcast_clock") if getattr(cls, name) is not getattr(Poller, name))


def test_what_settings_may_ask_for_is_what_pollers_can() -> None:
    from metergate.meters.options import BROADCAST, EVENTS
    from metergate.meters.pollers import POLLERS

    able = {protocol: set(_all(type(POLLERS[protocol]({})))) for protocol in POLLERS}
    assert {protocol for protocol, names in able.items() if "events" in names} - {"dlt645-1997"} == set(EVENTS)
    assert {protocol for protocol, names in able.items() if "broadcast_clock" in names} == set(BROADCAST)
