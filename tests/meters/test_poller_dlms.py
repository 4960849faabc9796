"""DLMS meters asked as the gateway asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dialogues import Talk
from dlmshome import AK, BANK, EK, NOON, SPEC, profile, truth
from dlmspeers import served
from metergate.errors import ApplicationError, ConfigError, Refused, StorageError
from metergate.meters.counters import CounterFile
from metergate.meters.once import read_once
from metergate.meters.pollers import POLLERS, Target
from metergate.model import (
    Connect,
    Disconnect,
    LimitPower,
    Obis,
    OpenValve,
    Outcome,
    SetClock,
    SetPassword,
    Unit,
)
from metergate.sim.meters.dlms import PASSWORD, Meter, physical
from metergate.wire.base import Responder
from metergate.wire.dlms.cosem.control import Limiter, State
from metergate.wire.dlms.cosem.objects import Place
from metergate.wire.dlms.server import over_hdlc, over_wrapper

WAYS: dict[str, Callable[[Meter], Responder]] = {
    "dlms-hdlc": lambda one: over_hdlc(one.server, physical=physical(SPEC)),
    "dlms-wrapper": lambda one: over_wrapper(one.server),
}
DOORS = {
    "none": Target("m", "1"),
    "low": Target("m", "1", keys={"password": PASSWORD}),
    "gmac": Target("m", "1", keys={"encryption": EK, "authentication": AK}),
    "gmac, one key": Target("m", "1", EK + AK),
    "client told": Target("m", "16/1"),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def line(way: str) -> tuple[Talk, Meter]:
    one = Meter(SPEC, BANK)
    return Talk([WAYS[way](one)], NOON), one


@pytest.mark.parametrize("door", DOORS)
def test_usual_registers(way: str, door: str) -> None:
    talk, _ = line(way)
    found = talk.run(POLLERS[way]({}).read(DOORS[door]))
    values = {str(one.obis): one.value for one in found.readings}
    assert values["1-0:1.8.0"] == truth("1-0:1.8.0") * 1000
    assert values["1-0:32.7.0"] == truth("1-0:32.7.0")
    assert {str(one.obis): one.register.quantity for one in found.readings} == {
        "1-0:1.8.0": "energy",
        "1-0:2.8.0": "energy",
        "1-0:16.7.0": "power",
        "1-0:1.7.0": "power",
        "1-0:32.7.0": "voltage",
        "1-0:31.7.0": "current",
        "1-0:14.7.0": "frequency",
    }
    assert (found.protocol, found.meter and found.meter.id) == (way, "m")
    assert {one.meter_time for one in found.readings} == {NOON}


def test_named_registers(way: str) -> None:
    talk, _ = line(way)
    target = Target("m", "1", registers=("1-0:2.8.0", "1/0-0:96.1.0"))
    found = talk.run(POLLERS[way]({}).read(target))
    assert [(one.value, one.unit) for one in found.readings] == [
        (truth("1-0:2.8.0") * 1000, Unit.WH),
        (SPEC.id, None),
    ]


def test_physical_address_is_met() -> None:
    talk, _ = line("dlms-hdlc")
    found = talk.run(POLLERS["dlms-hdlc"]({}).read(Target("m", f"16/1:{physical(SPEC)}")))
    assert found.readings


@pytest.mark.parametrize("register", ["1-0:99.1.0", "1-0:1.8.0"])
def test_load_profile(way: str, register: str) -> None:
    talk, _ = line(way)
    begin, end = datetime(2026, 11, 19, 22, tzinfo=UTC), datetime(2026, 11, 20, 2, tzinfo=UTC)
    found = talk.run(POLLERS[way]({}).profile(DOORS["gmac"], register, begin, end))
    energy = [(one.meter_time, one.raw) for one in found.readings if one.obis == Obis.parse("1-0:1.8.0")]
    assert energy == [row[:2] for row in profile(begin, end - timedelta(minutes=15))]
    assert (len(found.readings) == len(energy)) == (register == "1-0:1.8.0")


def test_orders(way: str) -> None:
    talk, one = line(way)
    poller, target = POLLERS[way]({}), DOORS["gmac"]
    one.device.add(Limiter(one.device, Place(3, Obis.parse("1-0:16.7.0"), 2), 10_000))
    assert talk.run(poller.execute(target, Disconnect("1", "m"), NOON)) is Outcome.DONE
    states = [one.relay.state]
    assert talk.run(poller.execute(target, Connect("2", "m"), NOON)) is Outcome.DONE
    assert [*states, one.relay.state] == [State.DISCONNECTED, State.CONNECTED]
    assert talk.run(poller.execute(target, LimitPower("3", "m", watts=4000), NOON)) is Outcome.DONE
    assert talk.run(poller.execute(target, SetClock("4", "m", time=NOON + timedelta(hours=1)), NOON)) is Outcome.DONE
    assert one.clock.offset == timedelta(hours=1)
    for unknown in (OpenValve("6", "m"), SetPassword("7", "m")):
        assert talk.run(poller.execute(target, unknown, NOON)) is Outcome.UNSUPPORTED


def test_an_expired_order_is_not_sent(way: str) -> None:
    talk, one = line(way)
    late = Disconnect("1", "m", expires=NOON - timedelta(seconds=1))
    assert talk.run(POLLERS[way]({}).execute(DOORS["gmac"], late, NOON)) is Outcome.EXPIRED
    assert talk.asked == 0
    assert one.relay.state is State.CONNECTED


def test_who_may_not_order_is_refused(way: str) -> None:
    talk, one = line(way)
    assert talk.run(POLLERS[way]({}).execute(DOORS["low"], Disconnect("1", "m"), NOON)) is Outcome.REFUSED
    assert one.relay.state is State.CONNECTED


def test_events(way: str) -> None:
    talk, _ = line(way)
    poller = POLLERS[way]({})
    talk.run(poller.execute(DOORS["gmac"], Disconnect("1", "m"), NOON))
    found = talk.run(poller.events(DOORS["low"], NOON - timedelta(hours=1), NOON + timedelta(hours=1)))
    assert [(one.value, one.meter_time) for one in found.readings] == [("60", NOON)]


def test_a_silent_meter_is_no_answer() -> None:
    talk = Talk([], NOON)
    assert talk.run(POLLERS["dlms-hdlc"]({}).execute(DOORS["none"], Connect("1", "m"), NOON)) is Outcome.NO_ANSWER


def test_counters_survive_a_restart(tmp_path: Path, way: str) -> None:
    talk, one = line(way)
    used = 0
    for _ in range(3):
        talk.run(POLLERS[way]({"counters": str(tmp_path)}).read(DOORS["gmac"]))
        assert one.identity.greatest > used
        used = one.identity.greatest
    (file,) = tmp_path.iterdir()
    assert int(file.read_text()) > used
    assert EK.hex() not in file.name


def test_a_counter_that_cannot_be_read_is_not_begun_anew(tmp_path: Path) -> None:
    file = CounterFile(tmp_path / "deep" / "counter")
    assert file.load() == 0
    file.store(17)
    assert file.load() == 17
    file.path.write_text("seventeen")
    with pytest.raises(StorageError):
        file.load()


def test_without_a_kept_counter_the_meter_is_asked_for_it(way: str) -> None:
    talk, one = line(way)
    talk.run(POLLERS[way]({}).read(DOORS["gmac"]))
    first = one.identity.greatest
    talk.run(POLLERS[way]({}).read(DOORS["gmac"]))
    assert one.identity.greatest > first


def test_a_wrong_key_is_refused_and_not_shown(way: str) -> None:
    talk, _ = line(way)
    target = Target("m", "1", keys={"encryption": bytes(range(100, 116)), "authentication": AK})
    with pytest.raises(Refused) as caught:
        talk.run(POLLERS[way]({}).read(target))
    assert "646566" not in str(caught.value) + repr(target)


@pytest.mark.parametrize("address", ["x", "1/2/3", "16/1:y"])
def test_wrong_addresses_are_named(address: str) -> None:
    with pytest.raises(ConfigError, match="DLMS address"):
        Talk([], NOON).run(POLLERS["dlms-hdlc"]({}).read(Target("m", address)))


def test_wrong_settings_are_named() -> None:
    talk, _ = line("dlms-hdlc")
    with pytest.raises(ConfigError, match="authentication"):
        talk.run(POLLERS["dlms-hdlc"]({"authentication": "trust"}).read(DOORS["none"]))
    with pytest.raises(ConfigError, match="key"):
        talk.run(POLLERS["dlms-hdlc"]({}).read(Target("m", "1", b"short")))


def test_unknown_registers_are_an_error(way: str) -> None:
    talk, _ = line(way)
    with pytest.raises(ApplicationError):
        talk.run(POLLERS[way]({}).read(Target("m", "1", registers=("1-0:77.7.0",))))


def test_read_once_over_tcp(way: str) -> None:
    one = Meter(SPEC, BANK)
    with served(lambda: WAYS[way](one), NOON) as (host, port):
        found = asyncio.run(read_once(f"tcp://{host}:{port}", way, DOORS["gmac"]))
    values = {str(each.obis): each.value for each in found.readings}
    assert values["1-0:1.8.0"] == truth("1-0:1.8.0") * 1000
    assert isinstance(values["1-0:16.7.0"], Decimal)
