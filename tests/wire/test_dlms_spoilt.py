"""DLMS, both ends: whatever the other side says, only our own errors, and never an end without one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dlmshome import BANK, SPEC
from dlmsways import KEYS, Bench, admissions, identity
from metergate.errors import MetergateError
from metergate.model import Obis
from metergate.sim.meters.dlms import Meter
from metergate.wire.base import Dialogue
from metergate.wire.dlms.apdu import Attribute, Method
from metergate.wire.dlms.client import Client, image, meter, orders, profile
from metergate.wire.dlms.cosem.control import Limiter
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, Place
from metergate.wire.dlms.data import Data, Tag, i8, i32, octets, u16, u32
from metergate.wire.dlms.server import Server
from metergate.wire.dlms.times import DateTime

LOAD = Obis.parse("1-0:99.1.0")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
STAMPS = st.builds(
    lambda at, status: octets(DateTime.of(at, status).octets),
    st.datetimes(timezones=st.timezones()),
    st.integers(0, 255),
)
LEAVES = st.one_of(
    st.builds(i8, st.integers(-128, 127)),
    st.builds(u16, st.integers(0, 0xFFFF)),
    st.builds(u32, st.integers(0, 0xFFFFFFFF)),
    st.builds(i32, st.integers(-(1 << 31), (1 << 31) - 1)),
    st.builds(lambda number: Data(Tag.ENUM, number), st.integers(0, 255)),
    st.builds(octets, st.binary(max_size=16)),
    STAMPS,
    st.just(Data(Tag.NULL)),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda tag, items: Data(tag, tuple(items)),
        st.sampled_from([Tag.ARRAY, Tag.STRUCTURE]),
        st.lists(inner, max_size=5),
    ),
    max_leaves=12,
)


def meter_of() -> Meter:
    one = Meter(SPEC, BANK)
    one.device.add(Limiter(one.device, Place(3, Obis.parse("1-0:16.7.0"), 2), 4000))
    one.identity.keys, one.identity.title = KEYS, identity().title
    one.server = Server(one.device, admissions(), one.identity)
    return one


def bench() -> Bench:
    return Bench(meter_of().server, "wrapper")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12), st.booleans(), VALUES), min_size=1, max_size=6))
def test_a_manager_may_say_anything(said: list[tuple[int, int, bool, Data]]) -> None:
    line = bench()
    client = line.client()
    line.talk.run(client.associate())
    device: list[CosemObject] = list(line.server.device)
    for at, index, order, value in said:
        one = device[at % len(device)]
        number, name = one.kind.number, one.name.octets
        try:
            if order:
                line.talk.run(client.act(Method(number, name, index), value))
            else:
                line.talk.run(client.set(Attribute(number, name, index), value))
        except MetergateError:
            pass
        line.talk.now += timedelta(hours=7)
    line.talk.run(client.get(meter.CLOCK))


def test_what_an_object_cannot_do_leaves_the_others_alone() -> None:
    line = bench()
    device = line.server.device

    class Broken(CosemObject):
        def advance(self, now: object) -> None:
            raise AccessRefused(4)

    device.add(Broken(next(iter(device)).kind, "0-0:96.99.0"))
    client = line.client()
    line.talk.run(client.associate())
    assert line.talk.run(client.get(meter.CLOCK)).octets


QUESTIONS: dict[str, Callable[[Client], Dialogue[Any]]] = {
    "objects": lambda client: meter.objects(client),
    "registers": lambda client: meter.registers(
        client, "m", [(3, Obis.parse("1-0:1.8.0"))], meter.Zone(), meter.Known()
    ),
    "profile": lambda client: profile.by_entry(client, LOAD, 1, 3, meter.Zone()),
    "range": lambda client: profile.readings(
        client, "m", LOAD, NOW, NOW + timedelta(hours=2), meter.Zone(), meter.Known()
    ),
    "relay": lambda client: orders.relay(client, closed=False),
    "clock": lambda client: orders.set_clock(client, NOW, meter.Zone()),
    "limit": lambda client: orders.limit(client, 1000),
    "image": lambda client: image.transfer(client, b"fw", bytes(300)),
    "verify": lambda client: image.verify(client),
}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(QUESTIONS)), st.integers(0, 10), st.data())
def test_a_meter_may_say_anything(question: str, which: int, data: st.DataObject) -> None:
    """One of its answers is spoilt, in the middle of a conversation."""
    line = bench()
    client = line.client()
    line.talk.run(client.associate())
    count = [0]

    def spoil(answer: bytes) -> list[bytes]:
        count[0] += 1
        if count[0] != which + 1:
            return [answer]
        bad = bytearray(answer)
        for _ in range(data.draw(st.integers(1, 3))):
            bad[data.draw(st.integers(8, len(bad) - 1))] = data.draw(st.integers(0, 255))
        return [bytes(bad)]

    line.talk.up = spoil
    try:
        line.talk.run(QUESTIONS[question](client))
    except MetergateError:
        pass
