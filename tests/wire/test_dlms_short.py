"""Short names: our reader against our server, every authentication, in clear and ciphered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dlmshome import BANK, SPEC, truth
from dlmsways import CLIENT_KEY, KEYS, MECHANISMS, METER_TITLE, NOW, SECRET, Bench, entrance, identity
from metergate.errors import Refused, Unsupported
from metergate.model import Obis
from metergate.sim.meters.dlms import Meter
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.apdu import AccessResult, Selector
from metergate.wire.dlms.client import NotDone, NotGiven
from metergate.wire.dlms.client.short import Base, ShortClient
from metergate.wire.dlms.cosem.classes import Level
from metergate.wire.dlms.data import i16, octets, structure, u16, u32, u64
from metergate.wire.dlms.security import KeySet
from metergate.wire.dlms.server import Admission, Server
from metergate.wire.dlms.times import DateTime

ENERGY, CLOCK = 0x2008, 0x1008
CLIENT = 40
Ready = tuple[Bench, Meter, ShortClient]


def bench(
    mechanism: Mechanism = Mechanism.NONE, ciphered: bool = False, **more: object
) -> tuple[Bench, Meter, ShortClient]:
    one = Meter(SPEC, BANK)
    one.identity.keys, one.identity.title, one.identity.signing = KEYS, METER_TITLE, identity().signing
    context = Context.SN_CIPHERED if ciphered else Context.SN
    door = Admission(CLIENT, Level.MANAGER, mechanism, (context,), SECRET, verifying=CLIENT_KEY.public_key())
    one.server = Server(one.device, [door], one.identity)
    line = Bench(one.server)
    way = replace(entrance(mechanism, False, **more), context=context, conformance=0)
    return line, one, ShortClient(line.transport(CLIENT), way)


def opened(
    mechanism: Mechanism = Mechanism.NONE, ciphered: bool = False, **more: object
) -> tuple[Bench, Meter, ShortClient]:
    line, one, client = bench(mechanism, ciphered, **more)
    line.talk.run(client.associate())
    return line, one, client


@pytest.mark.parametrize("ciphered", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda one: one.name)
def test_every_way_in(mechanism: Mechanism, ciphered: bool) -> None:
    line, _, client = opened(mechanism, ciphered)
    assert line.talk.run(client.read(ENERGY)) == u64(int(truth("1-0:1.8.0", line.talk.now) * 10_000))
    line.talk.run(client.release())


@pytest.mark.parametrize("mechanism", MECHANISMS[1:], ids=lambda one: one.name)
def test_a_wrong_secret_is_refused(mechanism: Mechanism) -> None:
    line, _, client = bench(mechanism)
    client.entrance.secret, client.entrance.keys = b"wrong", KeySet(bytes(16), KEYS.authentication)
    client.entrance.signing = identity().signing
    with pytest.raises(Refused):
        line.talk.run(client.associate())
    assert not client.open


@pytest.mark.parametrize("max_pdu", [64, 300, 0xFFFF])
def test_the_object_list_leads_to_all(max_pdu: int) -> None:
    line, one, client = opened(max_pdu=max_pdu)
    found = line.talk.run(client.objects())
    assert {item.name for item in found} >= {thing.name for thing in one.device if thing.base is not None}
    for item in found:
        assert line.talk.run(client.read(item.base)) == octets(item.name.octets)


def test_lists_and_writing() -> None:
    line, one, client = opened()
    energy, nothing = line.talk.run(client.read_list([ENERGY, 0x7777]))
    assert energy == u64(int(truth("1-0:1.8.0", line.talk.now) * 10_000))
    assert nothing == AccessResult.OBJECT_UNDEFINED
    stamp = octets(DateTime.of(NOW + timedelta(hours=2)).octets)
    line.talk.run(client.write(CLOCK, stamp))
    assert one.clock.changed is not None
    with pytest.raises(NotDone):
        line.talk.run(client.write(ENERGY, u64(1)))
    with pytest.raises(NotGiven):
        line.talk.run(client.read(0x7777))


def test_methods() -> None:
    line, one, client = opened()
    before = one.clock.offset
    base = next(item for item in line.talk.run(client.objects()) if item.class_id == 8)
    line.talk.run(client.call(base.method(6), i16(-30)))
    assert one.clock.offset - before == timedelta(seconds=-30)
    with pytest.raises(NotDone):
        line.talk.run(client.call(base.method(6), i16(901)))
    with pytest.raises(Unsupported):
        Base(0x100, 71, 0, Obis.parse("0-0:17.0.0")).method(1)


def test_part_of_a_profile() -> None:
    line, one, client = bench()
    one.profile.base = 0x3000
    one.device.add(one.profile)
    line.talk.run(client.associate())
    selector = Selector(2, structure(u32(1), u32(3), u16(1), u16(0)))
    told = line.talk.run(client.read(0x3008, selector))
    assert len(told.items) == 3


def test_nothing_is_sent_that_was_not_agreed() -> None:
    line, _, client = bench()
    client.entrance.conformance = 1 << 20
    line.talk.run(client.associate())
    asked = line.talk.asked
    for forbidden in (client.write(CLOCK, octets(bytes(12))), client.read_list([1, 2]), client.call(1, u16(0))):
        with pytest.raises(Unsupported):
            line.talk.run(forbidden)
    assert line.talk.asked == asked
