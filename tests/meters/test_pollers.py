"""Meters that are asked, over lines that go wrong: the right values or an error, never wrong values."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from faulty import FAULTS, Fault, serve, stop
from metergate.errors import DecodeError, MetergateError, NoAnswer
from metergate.links.loop import pair
from metergate.meters.driver import Line
from metergate.meters.pollers import POLLERS, Poller, Target
from metergate.meters.translate import Translator
from metergate.model import CloseValve, Command, Disconnect, Obis, OpenValve, Outcome, SetClock
from metergate.wire.base import Responder, Telegram
from metergate.wire.cjt188 import Meter as CjtMeter
from metergate.wire.cjt188 import dialogue as cjt
from metergate.wire.dlt645 import Meter as Dlt645Meter
from metergate.wire.dlt645 import dialogue as dlt
from metergate.wire.mbus import reader as mbus
from metergate.wire.mbus.records import record
from metergate.wire.mbus.slave import Slave, pages
from metergate.wire.mbus.telegram import LongHeader

pytestmark = pytest.mark.anyio
INSTALLED = datetime(2026, 1, 1, tzinfo=UTC)
ENERGY, WATER = Obis.parse("1-0:1.8.0"), Obis.parse("8-0:1.0.0")
VOLUME = Obis.parse("6-0:2.0.0")
VALUES = {VOLUME: Decimal("12.34"), ENERGY: Decimal("1234.56"), WATER: Decimal("87.65")}


def source(obis: Obis, at: datetime) -> Decimal | None:
    return VALUES.get(obis)


def dlt645(address: str = "112233445566") -> Dlt645Meter:
    return Dlt645Meter(address, source, INSTALLED)


def water(address: str = "11223344556677") -> CjtMeter:
    return CjtMeter(0x10, address, source, INSTALLED)


def heat() -> Slave:
    """A wired M-Bus heat meter at primary address 5: energy and volume."""
    records = [record(b"\x04", b"\x06", Decimal(5_000_000)), record(b"\x0c", b"\x14", Decimal("12.34"))]
    return Slave(LongHeader("12345678", "KAM", 8, 4), pages(records), 5)


MODELS: dict[str, tuple[Callable[[], Responder], Target, Obis]] = {
    "dlt645": (dlt645, Target("112233445566", "112233445566"), ENERGY),
    "mbus": (heat, Target("12345678", "5"), VOLUME),
    "cjt188": (water, Target("11223344556677", "10:11223344556677"), WATER),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory nobody has to be waited for long."""
    monkeypatch.setattr(dlt.ask, "__defaults__", (dlt.Line(timeout=0.05), None))
    monkeypatch.setattr(cjt, "LINE", cjt.Line(timeout=0.05))
    monkeypatch.setattr(mbus, "_BITS", 24)


QUICK = {"delay": Decimal(0)}
"""Options of a line without converters."""


async def read(poller: Poller, target: Target, meters: list[Responder], fault: Fault | None = None) -> Telegram:
    ours, theirs = pair()
    line, serving = Line(ours), asyncio.create_task(serve(theirs, meters, fault))
    try:
        telegram = await line.ask(poller.read(target))
        return replace(telegram, readings=Translator()(telegram))
    finally:
        await stop(serving)
        await line.close()


def value(telegram: Telegram, obis: Obis) -> object:
    return next((reading.value for reading in telegram.readings if reading.obis == obis), None)


@pytest.mark.parametrize("protocol", MODELS)
async def test_a_meter_is_read(protocol: str) -> None:
    make, target, obis = MODELS[protocol]
    telegram = await read(POLLERS[protocol](QUICK), target, [make()])
    assert value(telegram, obis) == VALUES[obis]
    assert telegram.meter is not None
    assert telegram.meter.id == target.id
    assert telegram.meter.medium is not None


@pytest.mark.parametrize("protocol", MODELS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_end_in_right_values(protocol: str, fault: str) -> None:
    make, target, obis = MODELS[protocol]
    telegram = await read(POLLERS[protocol](QUICK), target, [make()], FAULTS[fault])
    assert value(telegram, obis) == VALUES[obis]


@pytest.mark.parametrize("protocol", MODELS)
async def test_a_dead_meter_is_no_answer(protocol: str) -> None:
    _, target, _ = MODELS[protocol]
    with pytest.raises(NoAnswer):
        await read(POLLERS[protocol](QUICK), target, [])


@pytest.mark.parametrize("protocol", MODELS)
async def test_other_meters_on_the_line_do_not_matter(protocol: str) -> None:
    make, target, obis = MODELS[protocol]
    others: list[Responder] = [dlt645("998877665544"), water("99887766554433")]
    telegram = await read(POLLERS[protocol](QUICK), target, [*others, make()])
    assert value(telegram, obis) == VALUES[obis]


@pytest.mark.parametrize("protocol", MODELS)
async def test_two_meters_with_one_address_give_no_wrong_value(protocol: str) -> None:
    make, target, _ = MODELS[protocol]

    def collide(number: int, answer: bytes) -> list[bytes]:
        return [bytes(byte & 0x5A for byte in answer)]

    with pytest.raises((NoAnswer, DecodeError)):
        await read(POLLERS[protocol](QUICK), target, [make(), make()], collide)


async def execute(command: Command, meter: Responder, protocol: str, target: Target) -> Outcome:
    ours, theirs = pair()
    line, serving = Line(ours), asyncio.create_task(serve(theirs, [meter]))
    try:
        return await line.ask(POLLERS[protocol](QUICK).execute(target, command, datetime.now(UTC)))
    finally:
        await stop(serving)
        await line.close()


async def test_orders_of_a_protocol_that_knows_them_not() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    _, electricity, _ = MODELS["dlt645"]
    _, cold, _ = MODELS["cjt188"]
    assert await execute(CloseValve("1", "m", later), dlt645(), "dlt645", electricity) is Outcome.UNSUPPORTED
    assert await execute(Disconnect("1", "m", later), water(), "cjt188", cold) is Outcome.UNSUPPORTED


async def test_a_valve_that_is_open_already() -> None:
    _, target, _ = MODELS["cjt188"]
    assert await execute(OpenValve("1", "m"), water(), "cjt188", target) is Outcome.DONE


async def test_setting_a_clock() -> None:
    meter = dlt645()
    meter.state.clock_error = timedelta(minutes=3)
    _, target, _ = MODELS["dlt645"]
    now = datetime(2026, 11, 22, 20, 0)
    assert await execute(SetClock("1", "m", None, now), meter, "dlt645", target) is Outcome.DONE
    assert abs(meter.state.clock_error) < timedelta(minutes=1)


def test_our_errors_have_a_root() -> None:
    assert issubclass(NoAnswer, MetergateError)


async def test_an_mbus_meter_by_its_secondary_address() -> None:
    other = Slave(LongHeader("87654321", "KAM", 8, 4), [b""], 5)
    telegram = await read(POLLERS["mbus"](QUICK), Target("12345678", "12345678"), [other, heat()])
    assert value(telegram, VOLUME) == VALUES[VOLUME]
