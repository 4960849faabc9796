"""SET and ACTION with lists, in blocks too, and unified access: our reader against our server."""

from __future__ import annotations

import pytest

from dlmsbench import bench
from dlmsways import Bench
from metergate.errors import ApplicationError, BadValue, Unsupported
from metergate.model import Obis
from metergate.sim.meters.dlms import Meter
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.acse import Mechanism
from metergate.wire.dlms.apdu import AccessResult, Attribute, Conformance, Method, Outcome
from metergate.wire.dlms.client import Client, lists, meter
from metergate.wire.dlms.client.lists import Order
from metergate.wire.dlms.cosem.control import State
from metergate.wire.dlms.data import NULL, array, i8, octets, structure, u8, u16

CALENDAR = Obis.parse("0-0:13.0.0").octets
DAYS, WEEKS = Attribute(20, CALENDAR, 9), Attribute(20, CALENDAR, 8)
NOWHERE = Attribute(3, Obis.parse("1-0:77.8.0").octets, 2)
RELAY = Obis.parse("0-0:96.3.10").octets
SPECIAL = Method(11, Obis.parse("0-0:11.0.0").octets, 1)
LONG = array(*(structure(u8(day), array(octets(bytes(30)))) for day in range(1, 20)))


def opened(max_pdu: int = 1024, ciphered: bool = False, **more: object) -> tuple[Bench, Meter, Client]:
    line, one = bench()
    one.identity.max_pdu = max_pdu
    client = line.client(Mechanism.GMAC, ciphered, max_pdu=max_pdu, **more)
    line.talk.run(client.associate())
    return line, one, client


@pytest.mark.parametrize("max_pdu", [200, 1024])
@pytest.mark.parametrize("ciphered", [False, True])
def test_set_with_list(max_pdu: int, ciphered: bool) -> None:
    line, _, client = opened(max_pdu, ciphered)
    items = [(DAYS, LONG), (NOWHERE, u16(1)), (WEEKS, array())]
    assert line.talk.run(lists.set_list(client, items)) == (0, AccessResult.OBJECT_UNDEFINED, 0)
    assert line.talk.run(client.get(DAYS)) == LONG


def day(index: int) -> a.Apdu:
    return structure(u16(index), octets(bytes((0xFF, 0xFF, 12, index, 0xFF))), u8(1))


@pytest.mark.parametrize("max_pdu", [100, 1024])
def test_action_with_list(max_pdu: int) -> None:
    line, one, client = opened(max_pdu)
    items = [(SPECIAL, day(index)) for index in range(1, 4)]
    items += [(Method(70, RELAY, 1), i8(0)), (Method(70, RELAY, 9), None)]
    came = line.talk.run(lists.act_list(client, items))
    assert [one.result for one in came] == [0, 0, 0, 0, AccessResult.OBJECT_UNDEFINED]
    assert one.relay.state is State.DISCONNECTED
    told = line.talk.run(client.get(Attribute(11, SPECIAL.instance, 2)))
    assert told == array(day(1), day(2), day(3))


@pytest.mark.parametrize("ciphered", [False, True])
def test_unified_access(ciphered: bool) -> None:
    line, one, client = opened(ciphered=ciphered)
    orders = [
        Order(meter.CLOCK),
        Order(NOWHERE),
        Order(WEEKS, array()),
        Order(Attribute(1, Obis.parse("0-0:96.1.0").octets, 2), octets(b"x")),
        Order(Method(70, RELAY, 1), i8(0)),
        Order(Attribute(70, RELAY, 3)),
    ]
    clock, missing, done, denied, acted, state = line.talk.run(lists.access(client, orders))
    assert clock == line.talk.run(client.get(meter.CLOCK))
    assert (missing, done, denied) == (AccessResult.OBJECT_UNDEFINED, 0, AccessResult.READ_WRITE_DENIED)
    assert acted == Outcome(0, None)
    assert state.number == State.DISCONNECTED  # type: ignore[union-attr]
    assert one.relay.switched == 1


def test_nothing_is_sent_that_was_not_agreed() -> None:
    base = Conformance.GET | Conformance.SET | Conformance.ACTION
    line, _, client = opened(conformance=int(base))
    asked = line.talk.asked
    for forbidden in (
        lists.set_list(client, [(DAYS, LONG)]),
        lists.act_list(client, [(SPECIAL, NULL)]),
        lists.access(client, [Order(meter.CLOCK)]),
    ):
        with pytest.raises(Unsupported):
            line.talk.run(forbidden)
    assert line.talk.asked == asked


def test_access_in_a_ciphered_context_wants_general_protection() -> None:
    line, _, client = opened(ciphered=True, conformance=int(Conformance.ACCESS | Conformance.ACTION))
    with pytest.raises(Unsupported, match="GENERAL_PROTECTION"):
        line.talk.run(lists.access(client, [Order(meter.CLOCK)]))


@pytest.mark.parametrize("count", [0, 2])
def test_a_wrong_count_of_results_is_an_error(count: int) -> None:
    line, one, client = opened()
    answer = a.encode(a.SetResponseList(client._invoke + 1 | 0xC0, (0,) * count))
    one.server.on_apdu = lambda *_: answer  # type: ignore[method-assign]
    other = Bench(one.server)
    line.talk.meters = other.talk.meters
    with pytest.raises((BadValue, ApplicationError, Exception)):
        line.talk.run(lists.set_list(client, [(WEEKS, array())]))
