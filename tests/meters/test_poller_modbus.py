"""Modbus meters that are asked by their maps: values, orders, settings that are wrong; and the simulated meter."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from dialogues import NOW, Talk
from faulty import FAULTS, serve, stop
from metergate.errors import ApplicationError, ConfigError
from metergate.links.loop import pair
from metergate.meters.driver import Line
from metergate.meters.map import MeterMap, load_map
from metergate.meters.pollers import POLLERS, Target
from metergate.meters.translate import Translator
from metergate.model import Command, Connect, Disconnect, LimitPower, Outcome, ReadNow
from metergate.sim.household import Household
from metergate.sim.meters import responder
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.modbus.meter import Meter

MAP = "eastron_sdm120_modbus"
BANK = Bank((Household(5, pv_watts=3000),), (), installed=datetime(2026, 1, 1, tzinfo=UTC))
SPEC = MeterSpec("modbus", "4711", 0)
TARGET = Target("4711", str(4711 % 247 + 1), map=MAP)


@pytest.mark.parametrize("protocol", ["modbus", "modbus-tcp"])
def test_a_simulated_meter_is_read(protocol: str) -> None:
    meter = responder(MeterSpec(protocol, "4711", 0), BANK)
    telegram = Talk([meter]).run(POLLERS[protocol]({}).read(TARGET))
    translate = Translator()
    told = {translate.name(reading.register): reading for reading in translate(telegram)}
    assert telegram.meter is not None
    assert telegram.meter.model == "SDM120"
    assert 220 < told["voltage"].value < 240  # type: ignore[operator]
    assert str(told["import"].obis) == "1-0:1.8.0"
    assert told["import"].meter == "4711"
    assert set(told) == {"voltage", "current", "power", "apparent_power", "reactive_power", "frequency"} | {
        name for name in told if name.split("_")[0] in ("import", "export", "sum", "reactive")
    }


def test_registers_by_name() -> None:
    wanted = Target("4711", TARGET.address, registers=("import", "voltage"), map=MAP)
    telegram = Talk([responder(SPEC, BANK)]).run(POLLERS["modbus"]({}).read(wanted))
    assert [str(reading.obis) for reading in telegram.readings] == ["1-0:1.8.0", "1-0:12.7.0"]


@pytest.mark.anyio
@pytest.mark.parametrize("fault", FAULTS)
async def test_through_faults(fault: str) -> None:
    ours, theirs = pair()
    line, serving = Line(ours), asyncio.create_task(serve(theirs, [responder(SPEC, BANK)], FAULTS[fault]))
    clean = Talk([responder(SPEC, BANK)], datetime(2026, 11, 22, 12, tzinfo=UTC))
    try:
        found = await line.ask(POLLERS["modbus"]({"timeout": Decimal("0.1")}).read(TARGET))
    finally:
        await stop(serving)
        await line.close()
    expected = clean.run(POLLERS["modbus"]({}).read(TARGET))
    assert [reading.value for reading in found.readings] == [reading.value for reading in expected.readings]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target("m", "5"), "needs its map"),
        (Target("m", "5", map="sdm"), "'sdm' is no map of Modbus"),
        (Target("m", "5", map="iskra_mt691"), "no map of Modbus"),
        (Target("m", "500", map=MAP), "no Modbus unit"),
        (Target("m", "x", map=MAP), "no Modbus unit"),
        (Target("m", "5", registers=("volts",), map=MAP), "no register 'volts'"),
    ],
)
def test_settings_that_cannot_be(target: Target, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Talk([]).run(POLLERS["modbus"]({}).read(target))


def test_a_map_for_the_whole_line() -> None:
    telegram = Talk([responder(SPEC, BANK)]).run(POLLERS["modbus"]({"map": MAP}).read(Target("a", TARGET.address)))
    assert len(telegram.readings) == 12


def test_a_wrong_map_is_named() -> None:
    empty = Meter(5, (), lambda point, now: None, strict=True)
    with pytest.raises(ApplicationError, match="is the map right"):
        Talk([empty]).run(POLLERS["modbus"]({}).read(Target("m", "5", map=MAP)))


OWN = """brand = "B"
model = "Switch"
protocol = "modbus"
medium = "electricity"

[[point]]
name = "relay"
address = 10
writable = true

[[point]]
name = "power_limit"
address = 20
type = "u32"
unit = "kW"
divisor = 1000
writable = true

[[point]]
name = "hidden"
address = 900
poll = false
"""


@pytest.fixture
def own(tmp_path: Path) -> MeterMap:
    file = tmp_path / "b_switch.toml"
    file.write_text(OWN)
    return load_map(file)


def test_orders(own: MeterMap, tmp_path: Path) -> None:
    meter = Meter(7, own.point, lambda point, now: Decimal(1))
    talk, target = Talk([meter]), Target("s", "7", map="b_switch")

    def execute(command: Command) -> Outcome:
        return talk.run(POLLERS["modbus"]({"maps": tmp_path}).execute(target, command, NOW))

    assert execute(Disconnect("1", "s")) is Outcome.DONE
    assert meter.written[3, 10] == 0
    assert execute(Connect("2", "s")) is Outcome.DONE
    assert meter.written[3, 10] == 1
    assert execute(LimitPower("3", "s", watts=70_000)) is Outcome.DONE
    assert (meter.written[3, 20], meter.written[3, 21]) == (1, 70_000 - 65_536)
    assert execute(LimitPower("4", "s")) is Outcome.UNSUPPORTED
    assert execute(ReadNow("5", "s")) is Outcome.UNSUPPORTED
    meter.trouble.busy = 9
    assert execute(Connect("6", "s")) is Outcome.REFUSED
    talk.meters.clear()
    assert execute(Connect("7", "s")) is Outcome.UNSURE


def test_points_that_are_read_only_by_name(own: MeterMap, tmp_path: Path) -> None:
    meter = Meter(7, own.point, lambda point, now: Decimal(1))
    usual = Talk([meter]).run(POLLERS["modbus"]({"maps": tmp_path}).read(Target("s", "7", map="b_switch")))
    assert [reading.register.address for reading in usual.readings] == ["3:10", "3:20"]
    asking = POLLERS["modbus"]({"maps": tmp_path})
    named = Talk([meter]).run(asking.read(Target("s", "7", registers=("hidden",), map="b_switch")))
    assert [reading.register.quantity for reading in named.readings] == ["hidden"]


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        ('name = "relay"\nadress = 1', 8, "did you mean 'address'"),
        ('name = "relay"\ntype = "u31"', 8, "u32"),
        ('name = "relay"\ndivisor = 3', 6, "power of ten"),
        ('name = "relay"\naddress = "10"', 8, "whole number"),
    ],
)
def test_mistakes_in_points(tmp_path: Path, change: str, line: int, words: str) -> None:
    file = tmp_path / "b_switch.toml"
    text = OWN.replace(
        'name = "relay"\naddress = 10', change if "adress" in change or '"10"' in change else f"{change}\naddress = 10"
    )
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_map(file)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{file}:{line}: ")
