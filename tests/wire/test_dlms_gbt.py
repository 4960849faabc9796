"""General block transfer: windows of any width both ways, blocks lost, doubled and cut on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import Talk
from dlmshome import BANK, SPEC
from dlmsways import CIPHERED, KEYS, METER_TITLE, NOW, NUMBER, admissions, entrance, identity
from metergate.errors import BadValue, MetergateError, Unsupported
from metergate.sim.meters.dlms import Meter
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.acse import Mechanism
from metergate.wire.dlms.apdu import Attribute, Conformance, GeneralBlockTransfer
from metergate.wire.dlms.client import Client, meter
from metergate.wire.dlms.data import array, octets, structure, u8
from metergate.wire.dlms.gbt import BlocksIn, BlocksOut, acknowledgement
from metergate.wire.dlms.server import Server, over_hdlc, over_wrapper
from metergate.wire.dlms.wrapper import client as wrapper
from metergate.wire.hdlc import client as hdlc

ONLY = int(
    Conformance.GET
    | Conformance.SET
    | Conformance.ACTION
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.SELECTIVE_ACCESS
)
"""No other way to long APDUs than general blocks."""
WINDOWS = (1, 2, 7, 63)
DAYS = Attribute(20, bytes((0, 0, 13, 0, 0, 255)), 9)
TABLE = array(*(structure(u8(day), array(octets(bytes(40)))) for day in range(1, 40)))


def bench(theirs: int = 8, way: str = "wrapper") -> tuple[Talk, Meter]:
    """A meter that takes `theirs` blocks at once; its time stands still, and its PDUs are short."""
    one = Meter(SPEC, BANK)
    one.identity.keys, one.identity.title, one.identity.signing = KEYS, METER_TITLE, identity().signing
    one.identity.window, one.identity.max_pdu = theirs, 100
    one.server = Server(one.device, admissions(), one.identity)
    serve = one.server.on_apdu
    one.server.on_apdu = lambda client, server, apdu, now: serve(client, server, apdu, NOW)  # type: ignore[method-assign]
    return Talk([over_wrapper(one.server) if way == "wrapper" else over_hdlc(one.server)], NOW), one


def reader(ours: int = 8, ciphered: bool = False, way: str = "wrapper", datagrams: bool = False) -> Client:
    mechanism = Mechanism.GMAC if ciphered else Mechanism.NONE
    number = NUMBER[mechanism] + (CIPHERED if ciphered else 0)
    link = wrapper.Link(number, 1, wrapper.Settings(1.0, datagrams)) if way == "wrapper" else hdlc.Link(number, 1)
    return Client(link, entrance(mechanism, ciphered, window=ours, max_pdu=100, conformance=ONLY))


@pytest.mark.parametrize("way", ["hdlc", "wrapper"])
@pytest.mark.parametrize("ciphered", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (1, 8), (8, 1), (7, 3), (63, 63)])
def test_long_requests_and_long_answers(way: str, ciphered: bool, ours: int, theirs: int) -> None:
    talk, one = bench(theirs, way)
    client = reader(ours, ciphered, way)
    talk.run(client.associate())
    found = talk.run(meter.objects(client))
    assert {item.name for item in found} >= {thing.name for thing in one.device}
    talk.run(client.set(DAYS, TABLE))
    assert talk.run(client.get(DAYS)) == TABLE


def test_a_wide_window_takes_fewer_turns() -> None:
    turns = []
    for window in WINDOWS:
        talk, _ = bench(window)
        client = reader(window)
        talk.run(client.associate())
        talk.sent.clear()
        talk.run(client.set(DAYS, TABLE))
        talk.run(client.get(DAYS))
        turns.append(sum(map(bool, talk.sent)))
    assert turns == sorted(turns, reverse=True)
    assert turns[-1] * 5 < turns[0]


def test_blocks_that_were_not_agreed_are_not_sent() -> None:
    talk, _ = bench()
    client = reader()
    client.entrance.conformance = int(Conformance.GET | Conformance.SET)
    talk.run(client.associate())
    asked = talk.asked
    with pytest.raises(Unsupported):
        talk.run(client.set(DAYS, TABLE))
    assert talk.asked == asked


def losing(seed: int, share: float) -> Callable[[bytes], Iterable[bytes]]:
    """UDP: datagrams are lost or doubled."""
    dice = random.Random(seed)
    return lambda data: [] if dice.random() < share else [data] * (1 + (dice.random() < share / 2))


@pytest.mark.parametrize("ciphered", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_lost_blocks_are_sent_again(seed: int, ciphered: bool) -> None:
    talk, _ = bench(4)
    client = reader(5, ciphered, datagrams=True)
    talk.run(client.associate())
    talk.run(client.set(DAYS, TABLE))
    talk.up, lost = losing(seed, 0.15), [0]
    steady = talk.up

    def counted(data: bytes) -> list[bytes]:
        found = list(steady(data))
        lost[0] += not found
        return found

    talk.up = counted
    try:
        found = talk.run(client.get(DAYS))
    except MetergateError:
        return
    assert found == TABLE


def test_most_long_answers_come_whole_over_a_bad_line() -> None:
    whole = 0
    for seed in range(20):
        talk, _ = bench(4)
        client = reader(5, datagrams=True)
        talk.run(client.associate())
        talk.run(client.set(DAYS, TABLE))
        talk.up = losing(seed, 0.1)
        try:
            whole += talk.run(client.get(DAYS)) == TABLE
        except MetergateError:
            continue
    assert whole >= 14


@pytest.mark.parametrize("seed", range(10))
def test_lost_requests_are_executed_once(seed: int) -> None:
    """Blocks of a long SET, their acknowledgements and its answer are lost: it is done once or not at all."""
    talk, one = bench(4)
    client = reader(4, datagrams=True)
    talk.run(client.associate())
    calendar = next(thing for thing in one.device if thing.kind.number == 20)
    done: list[datetime] = []
    write = calendar.write

    def noted(index: int, data: object, now: datetime) -> None:
        done.append(now)
        write(index, data, now)  # type: ignore[arg-type]

    calendar.write = noted  # type: ignore[method-assign]
    talk.up, talk.down = losing(seed, 0.2), losing(seed + 100, 0.2)
    try:
        talk.run(client.set(DAYS, TABLE))
    except MetergateError:
        assert len(done) <= 1
        return
    assert len(done) == 1
    assert calendar.read(9, NOW) == TABLE


# ---- the two halves by themselves ------------------------------------------------------------------------------------
@settings(max_examples=100)
@given(st.binary(max_size=200), st.integers(1, 40), st.integers(1, 63), st.integers(0, 1 << 32))
def test_all_arrives_in_order_whatever_is_lost(raw: bytes, size: int, window: int, seed: int) -> None:
    dice = random.Random(seed)
    out, into = BlocksOut(raw, size, window), BlocksIn()
    for _ in range(2000):
        for block in out.batch(0, 1):
            for _ in range(dice.choice((0, 1, 1, 1, 2))):
                into.take(block)
        out.acknowledge(acknowledgement(1, into.received, window))
        if out.done:
            break
    assert into.whole
    assert bytes(into.held) == raw


def test_only_the_last_of_a_window_waits() -> None:
    flags = [(block.block, block.streaming, block.last) for block in BlocksOut(bytes(50), 10, 3).batch(0, 1)]
    assert flags == [(1, True, False), (2, True, False), (3, False, False)]
    out = BlocksOut(bytes(50), 10, 3)
    out.acknowledge(acknowledgement(1, 3, 3))
    assert [(block.block, block.streaming, block.last) for block in out.batch(0, 1)] == [
        (4, True, False),
        (5, False, True),
    ]


def test_an_acknowledgement_of_what_was_not_sent() -> None:
    with pytest.raises(BadValue):
        BlocksOut(bytes(50), 10, 2).acknowledge(acknowledgement(1, 3, 1))


def test_a_meter_refuses_such_acknowledgements() -> None:
    _, one = bench()
    client = NUMBER[Mechanism.NONE]
    talk = Talk([over_wrapper(one.server)], NOW)
    talk.run(reader().associate())
    first = one.server.on_apdu(client, 1, a.encode(a.GetRequest(0xC1, meter.OBJECTS)), NOW)
    assert first
    assert isinstance(a.decode(first), GeneralBlockTransfer)
    wrong = one.server.on_apdu(client, 1, a.encode(acknowledgement(2, 9, 4)), NOW)
    assert isinstance(a.decode(wrong or b""), a.ExceptionResponse)
