"""Our reader against our server: every authentication, both transports, through lines that go wrong."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dialogues import hit
from dlmsbench import bench
from dlmshome import profile, truth
from dlmsways import (
    CIPHERED,
    KEYS,
    MECHANISMS,
    NOW,
    NUMBER,
    TITLE,
    WAYS,
    Bench,
    entrance,
    identity,
)
from metergate.errors import (
    ApplicationError,
    BadValue,
    ConfigError,
    DecodeError,
    MetergateError,
    NoAnswer,
    Refused,
    Unsupported,
    WrongKey,
)
from metergate.model import Obis, Unit
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.apdu import Attribute, Conformance, Method
from metergate.wire.dlms.client import Client, Entrance, NotDone, NotGiven, image, meter, orders, recover
from metergate.wire.dlms.client import profile as profiles
from metergate.wire.dlms.cosem.control import State
from metergate.wire.dlms.cosem.image import ImageTransfer, Status
from metergate.wire.dlms.cosem.objects import Place
from metergate.wire.dlms.data import NULL, array, octets, structure, u16, u32
from metergate.wire.dlms.security import Counter, Heard, KeySet
from metergate.wire.dlms.server import over_hdlc
from metergate.wire.dlms.times import DateTime

ENERGY = (3, Obis.parse("1-0:1.8.0"))
EXPORT = (3, Obis.parse("1-0:2.8.0"))
VOLTAGE = (3, Obis.parse("1-0:32.7.0"))
LOAD = Obis.parse("1-0:99.1.0")
ZONE = meter.Zone()
ALL = [(mechanism, ciphered) for mechanism in MECHANISMS for ciphered in (False, True)]
IDS = [f"{mechanism.name}{'-ciphered' * ciphered}" for mechanism, ciphered in ALL]


def read_all(client: Client) -> Dialogue[dict[str, object]]:
    """One whole session."""
    yield from client.associate()
    found = yield from meter.registers(client, "m", [ENERGY, VOLTAGE], ZONE, meter.Known())
    yield from client.release()
    return {str(one.obis): one.value for one in found}


WANTED = {"1-0:1.8.0": truth("1-0:1.8.0") * 1000, "1-0:32.7.0": truth("1-0:32.7.0")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("mechanism", "ciphered"), ALL, ids=IDS)
def test_every_way_in(way: str, mechanism: Mechanism, ciphered: bool) -> None:
    line, _ = bench(way)
    assert line.talk.run(read_all(line.client(mechanism, ciphered))) == WANTED


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("dedicated", [False, True])
def test_general_and_dedicated_ciphering(general: bool, dedicated: bool) -> None:
    line, _ = bench()
    client = line.client(Mechanism.GMAC, True, general=general, dedicated=dedicated)
    assert line.talk.run(read_all(client)) == WANTED


@pytest.mark.parametrize("mechanism", MECHANISMS[1:], ids=lambda one: one.name)
def test_a_wrong_secret_is_refused(mechanism: Mechanism) -> None:
    line, _ = bench()
    client = line.client(mechanism)
    client.entrance = replace(
        client.entrance,
        secret=b"wrong",
        keys=KeySet(bytes(16), KEYS.authentication),
        signing=identity().signing,
    )
    with pytest.raises(Refused):
        line.talk.run(client.associate())
    assert not client.open
    with pytest.raises((ApplicationError, Unsupported)):
        line.talk.run(client.get(meter.CLOCK))


@pytest.mark.parametrize("mechanism", MECHANISMS[2:], ids=lambda one: one.name)
def test_a_meter_that_cannot_prove_itself_is_left(mechanism: Mechanism) -> None:
    line, one = bench()
    client = line.client(mechanism)
    drawn = line.client(mechanism).entrance
    honest = one.server.on_apdu

    def liar(number: int, server: int, apdu: bytes, now: datetime) -> bytes | None:
        answer = honest(number, server, apdu, now)
        return answer[:-1] + bytes((answer[-1] ^ 1,)) if answer and answer[0] == 0xC7 else answer

    one.server.on_apdu = liar  # type: ignore[method-assign,assignment]
    other = Bench(one.server)
    with pytest.raises(WrongKey):
        other.talk.run(client.associate())
    assert not client.open
    assert drawn.mechanism is mechanism


def test_what_was_not_negotiated_is_not_sent() -> None:
    line, _ = bench()
    client = line.client(conformance=int(Conformance.GET))
    line.talk.run(client.associate())
    asked = line.talk.asked
    for forbidden in (
        client.set(meter.CLOCK, NULL),
        client.act(Method(8, meter.CLOCK.instance, 6), u16(1)),
        client.get_list([(meter.CLOCK, None)]),
        profiles.by_entry(client, LOAD, 1, 2, ZONE),
    ):
        with pytest.raises(Unsupported):
            line.talk.run(forbidden)
    assert line.talk.asked == asked


@pytest.mark.parametrize("max_pdu", [64, 100, 300, 0xFFFF])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ciphered", [False, True])
def test_object_list_in_blocks_of_any_size(max_pdu: int, way: str, ciphered: bool) -> None:
    line, one = bench(way)
    client = line.client(Mechanism.GMAC, ciphered, max_pdu=max_pdu)
    line.talk.run(client.associate())
    found = line.talk.run(meter.objects(client))
    assert {item.name for item in found} >= {thing.name for thing in one.device}
    relay = next(item for item in found if item.class_id == 70)
    assert relay.attributes[4] == 3
    assert relay.methods == {1: 1, 2: 1}


def test_a_long_answer_in_general_blocks() -> None:
    line, one = bench()
    needed = Conformance.GET | Conformance.ACTION | Conformance.GENERAL_BLOCK_TRANSFER
    client = line.client(Mechanism.GMAC, True, max_pdu=128, conformance=int(needed))
    line.talk.run(client.associate())
    found = line.talk.run(meter.objects(client))
    assert {item.name for item in found} >= {thing.name for thing in one.device}


def test_clock() -> None:
    line, _ = bench()
    client = line.client()
    line.talk.run(client.associate())
    at, sure, _ = line.talk.run(meter.clock(client, ZONE))
    assert at == NOW
    assert sure.value == "unchecked"


def test_registers_have_time_unit_and_scaler() -> None:
    line, _ = bench()
    client = line.client()
    line.talk.run(client.associate())
    (found,) = line.talk.run(meter.registers(client, "m", [ENERGY], ZONE, meter.Known()))
    assert (found.meter_time, found.unit, found.register.scaler, found.meter) == (NOW, Unit.WH, -1, "m")
    with pytest.raises(ApplicationError):
        line.talk.run(meter.registers(client, "m", [(3, Obis.parse("1-0:77.8.0"))], ZONE, meter.Known()))


# ---- profiles ----
def rows_of(line: Bench, client: Client, begin: datetime, end: datetime) -> list[tuple[datetime | None, int, int]]:
    found = line.talk.run(profiles.readings(client, "m", LOAD, begin, end, ZONE, meter.Known()))
    energy = [one for one in found if one.obis == ENERGY[1]]
    export = [one for one in found if one.obis == EXPORT[1]]
    return [(one.meter_time, one.raw or 0, other.raw or 0) for one, other in zip(energy, export, strict=True)]


BEGIN, END = datetime(2026, 11, 19, 22, tzinfo=UTC), datetime(2026, 11, 20, 6, tzinfo=UTC)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("sort", [1, 2])
def test_profile_by_range(compress: bool, sort: int) -> None:
    line, one = bench()
    one.profile.layout.compress, one.profile.layout.sort = compress, sort
    client = line.client()
    line.talk.run(client.associate())
    found = rows_of(line, client, BEGIN, END)
    assert sorted(found) == profile(BEGIN, END - timedelta(minutes=15))
    assert found == sorted(found, reverse=sort == 2)


def test_profile_without_selective_access_is_read_whole() -> None:
    line, one = bench()
    one.profile.layout.compress = True
    client = line.client(conformance=int(Conformance.GET | Conformance.BLOCK_GET))
    line.talk.run(client.associate())
    assert rows_of(line, client, BEGIN, END) == profile(BEGIN, END - timedelta(minutes=15))


def test_an_empty_range_is_empty() -> None:
    line, _ = bench()
    client = line.client()
    line.talk.run(client.associate())
    assert rows_of(line, client, END, BEGIN) == []
    assert rows_of(line, client, BEGIN + timedelta(days=30), END + timedelta(days=30)) == []


def test_profile_by_entry() -> None:
    line, _ = bench()
    client = line.client()
    line.talk.run(client.associate())
    _, rows = line.talk.run(profiles.by_entry(client, LOAD, 3, 5, ZONE))
    first = datetime(2026, 11, 1, 0, 45, tzinfo=UTC)
    assert [row.at for row in rows] == [first + at * timedelta(minutes=15) for at in range(3)]
    _, rest = line.talk.run(profiles.by_entry(client, LOAD, 1860, 0, ZONE))
    assert rest[-1].at == NOW.replace(minute=0, second=0)


def test_columns_that_change_while_reading_are_read_again() -> None:
    line, one = bench()
    client = line.client()
    line.talk.run(client.associate())
    fewer = array(Place(8, one.clock.name, 2).data, Place(3, ENERGY[1], 2).data)
    seen: list[int] = []
    plain = one.profile.read_buffer

    def changing(now: datetime, selection: object) -> object:
        answer = plain(now, selection)  # type: ignore[arg-type]
        if not seen:
            one.profile.write_capture_objects(fewer, now - timedelta(hours=1))
        seen.append(1)
        return answer

    one.profile.read_buffer = changing  # type: ignore[method-assign,assignment]
    found, rows = line.talk.run(profiles.by_range(client, LOAD, NOW - timedelta(hours=2), NOW, ZONE))
    assert len(seen) == 2
    assert len(found.columns) == 2
    assert all(len(row.values) == 2 for row in rows)


def test_rows_around_a_set_clock_are_kept_with_their_status() -> None:
    line, one = bench()
    client = line.client()
    line.talk.run(client.associate())
    line.talk.run(client.set(meter.CLOCK, octets(DateTime.of(NOW - timedelta(minutes=30)).octets)))
    line.talk.now += timedelta(hours=1)
    client = line.client()
    line.talk.run(client.associate())
    found = line.talk.run(
        profiles.readings(client, "m", LOAD, NOW - timedelta(hours=1), NOW + timedelta(hours=1), ZONE, meter.Known())
    )
    energy = [one for one in found if one.obis == ENERGY[1]]
    times = [one.meter_time for one in energy]
    assert len(times) > len(set(times)), "the quarter that was passed twice is there twice"
    assert 0x20 in {one.status for one in energy}
    assert one.log is not None


def test_event_log() -> None:
    line, _ = bench()
    client = line.client()
    line.talk.run(client.associate())
    assert line.talk.run(orders.set_clock(client, NOW + timedelta(minutes=2), ZONE)) is Outcome.DONE
    _, rows = line.talk.run(profiles.by_entry(client, Obis.parse("0-0:99.98.0"), 1, 0, ZONE))
    assert [(row.at, row.values[1].number) for row in rows] == [(NOW, 5)]


# ---- orders ----
def test_relay_is_switched_and_read_back() -> None:
    line, one = bench()
    client = line.client(Mechanism.GMAC, True)
    line.talk.run(client.associate())
    assert line.talk.run(orders.relay(client, closed=False)) is Outcome.DONE
    assert one.relay.state is State.DISCONNECTED
    assert line.talk.run(orders.relay(client, closed=True)) is Outcome.DONE
    assert (one.relay.state, one.relay.switched) == (State.CONNECTED, 2)


def test_a_relay_that_waits_for_a_hand_is_ready() -> None:
    line, one = bench()
    one.relay.mode = 1
    client = line.client()
    line.talk.run(client.associate())
    line.talk.run(orders.relay(client, closed=False))
    assert line.talk.run(orders.relay(client, closed=True)) is Outcome.DONE
    assert one.relay.state is State.READY
    one.relay.press(NOW)
    assert line.talk.run(orders.relay_state(client)) == (State.CONNECTED, True)


def test_mode_0_refuses() -> None:
    line, one = bench()
    one.relay.mode = 0
    client = line.client()
    line.talk.run(client.associate())
    assert line.talk.run(orders.relay(client, closed=False)) is Outcome.REFUSED
    assert one.relay.state is State.CONNECTED


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lost", ["question", "answer"])
def test_a_relay_order_is_never_sent_twice(way: str, lost: str) -> None:
    line, one = bench(way)
    client = line.client(Mechanism.GMAC, True)
    line.talk.run(client.associate())
    orders_seen: list[int] = []
    act = one.relay.do_remote_disconnect

    def counted(parameter: object, now: datetime) -> None:
        orders_seen.append(1)
        act(parameter, now)  # type: ignore[arg-type]
        if lost == "answer":
            line.talk.up = lambda data: []

    one.relay.do_remote_disconnect = counted  # type: ignore[method-assign]
    if lost == "question":
        line.talk.down = lambda data: []
    outcome = line.talk.run(orders.relay(client, closed=False))
    assert outcome is Outcome.UNSURE
    assert len(orders_seen) == (lost == "answer")
    line.talk.up = line.talk.down = lambda data: [data]
    again = line.client(Mechanism.GMAC, True, counter=client.entrance.counter)
    line.talk.run(again.associate())
    state, _ = line.talk.run(orders.relay_state(again))
    assert state is (State.DISCONNECTED if lost == "answer" else State.CONNECTED)
    assert one.relay.switched == len(orders_seen)


def test_secret_is_changed() -> None:
    line, _ = bench()
    client = line.client(Mechanism.LOW)
    line.talk.run(client.associate())
    assert line.talk.run(orders.change_secret(client, b"new one")) is Outcome.DONE
    with pytest.raises(Refused):
        line.talk.run(line.client(Mechanism.LOW).associate())
    fresh = line.client(Mechanism.LOW)
    fresh.entrance = replace(fresh.entrance, secret=b"new one")
    line.talk.run(fresh.associate())
    assert fresh.open


# ---- counters ----
def test_counter_is_recovered_from_the_meter() -> None:
    line, one = bench()
    first = line.client(Mechanism.GMAC, True, counter=Counter(5000))
    line.talk.run(first.associate())
    used = one.identity.greatest
    fresh = line.client(Mechanism.GMAC, True, counters=Obis.parse("0-0:43.1.0").octets)
    line.talk.run(recover(line.transport(16), fresh.entrance))
    line.talk.run(fresh.associate())
    assert used > 5000
    assert fresh.entrance.counter.last > used


def test_counter_is_lifted_by_the_meters_exception() -> None:
    line, one = bench()
    line.talk.run(line.client(Mechanism.GMAC, True, counter=Counter(5000)).associate())
    late = line.client(Mechanism.GMAC, True)
    line.talk.run(late.associate())
    assert late.entrance.counter.last > 5000
    assert one.identity.greatest > 5000


def test_a_counter_that_would_use_up_the_key_is_not_believed() -> None:
    line, one = bench()
    one.identity.heard[b"anybody!"] = 0xFFFFFFF0
    fresh = line.client(Mechanism.GMAC, True, counters=Obis.parse("0-0:43.1.0").octets)
    with pytest.raises(BadValue):
        line.talk.run(recover(line.transport(16), fresh.entrance))
    assert fresh.entrance.counter.last == 0


def test_no_counter_comes_again_after_a_restart() -> None:
    line, one = bench()
    kept: list[int] = [0]
    seen: list[int] = []
    accept = Heard.accept

    for _ in range(5):
        counter = Counter(kept[-1], kept.append)
        client = line.client(Mechanism.GMAC, True, counter=counter)
        line.talk.run(read_all(client))
        seen.append(counter.last)
        assert kept[-1] > counter.last
    assert seen == sorted(set(seen))
    assert accept is Heard.accept
    assert one.identity.greatest == seen[-1]


def test_replayed_requests_are_refused() -> None:
    line, one = bench("wrapper")
    client = line.client(Mechanism.GMAC, True)
    line.talk.run(client.associate())
    line.talk.run(orders.relay(client, closed=False))
    order = line.talk.sent[-3]
    line.talk.run(orders.relay(client, closed=True))
    switched = one.relay.switched
    (answer,) = line.talk.meters[0].receive(order, NOW)
    assert answer[8:11] == bytes.fromhex("d80106")
    assert one.relay.switched == switched


def test_without_a_title_there_is_no_ciphered_way() -> None:
    with pytest.raises(ConfigError):
        Entrance(Mechanism.GMAC, Context.LN_CIPHERED, keys=KEYS)


# ---- firmware ----
IMAGE = random.Random(7).randbytes(1000)


@pytest.mark.parametrize("way", WAYS)
def test_image_is_transferred_verified_and_activated(way: str) -> None:
    line, one = bench(way)
    client = line.client(Mechanism.GMAC, True)
    line.talk.run(client.associate())
    line.talk.run(image.transfer(client, b"fw 2", IMAGE))
    line.talk.run(image.verify(client))
    line.talk.run(image.activate(client))
    assert one.image.running == IMAGE


def test_a_bad_image_is_refused() -> None:
    line, one = bench()
    bad = ImageTransfer(check=lambda found: False)
    one.device.add(bad)
    client = line.client()
    line.talk.run(client.associate())
    line.talk.run(image.transfer(client, b"fw 2", IMAGE))
    with pytest.raises(Refused):
        line.talk.run(image.verify(client))
    assert bad.running == b""


STEPS = ("initiate", "block_transfer", "verify", "activate")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_power_loss_in_each_step_of_an_image_transfer(step: str, after: bool) -> None:
    """The supply fails before or after the meter carried out a step; the reader comes again and goes on."""
    line, one = bench()
    counter, fell = Counter(), list[str]()
    plain = getattr(one.image, f"do_{step}")

    def failing(parameter: object, now: datetime) -> None:
        fell.append(step)
        if len(fell) != (4 if step == "block_transfer" else 1):
            plain(parameter, now)
            return
        if after:
            try:
                plain(parameter, now)
            except Refused:
                pass
        one.server.power_loss()
        line.talk.up = lambda data: []
        raise BadValue("the supply failed")

    setattr(one.image, f"do_{step}", failing)
    for _ in range(6):
        client = line.client(Mechanism.GMAC, True, counter=counter)
        try:
            line.talk.run(client.associate())
            line.talk.run(image.transfer(client, b"fw 2", IMAGE, resume=True))
            line.talk.run(image.verify(client))
            line.talk.run(image.activate(client))
            break
        except (NoAnswer, DecodeError):
            line.talk.up = lambda data: [data]
            line.talk.meters[:] = [over_hdlc(one.server)]
    assert one.image.running == IMAGE
    assert one.image.status is Status.ACTIVATED
    assert len(fell) > 1 or after


def test_only_missing_blocks_are_sent_again() -> None:
    line, one = bench()
    client = line.client()
    line.talk.run(client.associate())
    line.talk.run(client.act(Method(18, image.NAME, 1), structure(octets(b"fw 2"), u32(len(IMAGE)))))
    for number in (0, 1, 3):
        block = IMAGE[number * 128 : number * 128 + 128]
        line.talk.run(client.act(Method(18, image.NAME, 2), structure(u32(number), octets(block))))
    sent: list[int] = []
    plain = one.image.do_block_transfer

    def counted(parameter: object, now: datetime) -> None:
        sent.append(parameter[0].number)  # type: ignore[index]
        plain(parameter, now)  # type: ignore[arg-type]

    one.image.do_block_transfer = counted  # type: ignore[method-assign]
    line.talk.run(image.transfer(client, b"fw 2", IMAGE, resume=True))
    assert sent == [2, 4, 5, 6, 7]


# ---- lines that go wrong ----
@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LOW, Mechanism.GMAC], ids=lambda one: one.name)
@pytest.mark.parametrize("seed", range(12))
def test_right_value_or_error_over_hdlc(mechanism: Mechanism, seed: int) -> None:
    line, _ = bench(still=True)
    line.talk.up, line.talk.down, line.talk.late, line.talk.seed = hit(seed, 0.15), hit(seed + 100, 0.15), 0.1, seed
    try:
        found = line.talk.run(read_all(line.client(mechanism, mechanism is Mechanism.GMAC)))
    except MetergateError:
        return
    assert found == WANTED


@pytest.mark.parametrize("seed", range(12))
def test_right_value_or_error_over_a_ciphered_wrapper(seed: int) -> None:
    line, _ = bench("wrapper", still=True)
    line.talk.up, line.talk.down, line.talk.late, line.talk.seed = hit(seed, 0.1), hit(seed + 100, 0.1), 0.1, seed
    try:
        found = line.talk.run(read_all(line.client(Mechanism.GMAC, True)))
    except MetergateError:
        return
    assert found == WANTED


def test_most_sessions_over_a_bad_line_succeed() -> None:
    good = 0
    for seed in range(10):
        line, _ = bench(still=True)
        line.talk.up, line.talk.down = hit(seed, 0.1), hit(seed + 50, 0.1)
        try:
            good += line.talk.run(read_all(line.client())) == WANTED
        except MetergateError:
            continue
    assert good >= 7


@pytest.mark.parametrize("seed", range(6))
def test_relay_through_noise_is_as_told(seed: int) -> None:
    """DONE means done, whatever the line did; and the meter was told once."""
    line, one = bench()
    client = line.client(Mechanism.GMAC, True)
    line.talk.run(client.associate())
    line.talk.up, line.talk.down = hit(seed, 0.3), hit(seed + 100, 0.3)
    try:
        outcome = line.talk.run(orders.relay(client, closed=False))
    except MetergateError:
        outcome = Outcome.UNSURE
    if outcome is Outcome.DONE:
        assert one.relay.state is State.DISCONNECTED
    assert one.relay.switched <= 1


def test_errors_of_access_are_named() -> None:
    line, _ = bench()
    client = line.client()
    line.talk.run(client.associate())
    with pytest.raises(NotGiven, match="object undefined"):
        line.talk.run(client.get(Attribute(3, bytes(6), 2)))
    with pytest.raises(NotDone, match="read write denied"):
        line.talk.run(client.set(Attribute(3, ENERGY[1].octets, 2), u32(1)))
    with pytest.raises(NotDone, match="scope"):
        line.talk.run(client.act(Method(8, meter.CLOCK.instance, 6), u16(901)))


def test_numbers_of_the_ways_do_not_collide() -> None:
    assert len({*NUMBER.values(), *(number + CIPHERED for number in NUMBER.values())}) == 2 * len(NUMBER)
    assert entrance(Mechanism.NONE).title == TITLE
