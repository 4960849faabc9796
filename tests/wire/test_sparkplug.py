"""Sparkplug payloads both ways, and sessions of a gateway and a station over a bad line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from metergate.errors import BadValue, DecodeError
from metergate.wire.base import Problem
from metergate.wire.sparkplug import (
    STALE,
    Born,
    Command,
    DataType,
    Died,
    EdgeNode,
    Host,
    HostTurned,
    Metric,
    Out,
    Payload,
    Property,
    Rebirth,
    Topic,
    Value,
    decode,
    encode,
    state_payload,
    state_topic,
)
from metergate.wire.sparkplug.topics import ms

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


# Payloads


def test_known_bytes() -> None:
    """By the protocol buffer encoding: fields 1, 2, 3 of Payload; 1, 2, 3, 4, 10 of Metric; -2 as 32 bits."""
    payload = Payload(5, 7, (Metric("a", 1, 9, DataType.INT32, -2),))
    assert encode(payload).hex() == "0805120f0a016110011809200350feffffff0f1807"
    assert decode(encode(payload)) == payload


def scalars() -> st.SearchStrategy[tuple[DataType, Any]]:
    widths = {1: 8, 2: 16, 3: 32, 4: 64}
    signed = [st.tuples(st.just(DataType(k)), st.integers(-(1 << w - 1), (1 << w - 1) - 1)) for k, w in widths.items()]
    unsigned = [st.tuples(st.just(DataType(k + 4)), st.integers(0, (1 << w) - 1)) for k, w in widths.items()]
    return st.one_of(
        *signed,
        *unsigned,
        st.tuples(st.just(DataType.FLOAT), st.floats(width=32, allow_nan=False)),
        st.tuples(st.just(DataType.DOUBLE), st.floats(allow_nan=False)),
        st.tuples(st.just(DataType.BOOLEAN), st.booleans()),
        st.tuples(st.sampled_from([DataType.STRING, DataType.TEXT, DataType.UUID]), st.text(max_size=20)),
        st.tuples(st.just(DataType.DATETIME), st.integers(0, (1 << 64) - 1)),
        st.tuples(st.just(DataType.BYTES), st.binary(max_size=20)),
    )


NUMBERS = st.none() | st.integers(0, (1 << 64) - 1)


def metrics() -> st.SearchStrategy[Metric]:
    """Every type and value; the rest of a metric from a few."""
    some = st.sampled_from([None, 0, 1, 127, 128, (1 << 64) - 1])
    flags, names = st.booleans(), st.sampled_from([None, "", "power", "Zähler"])
    quality = st.sampled_from(
        [{}, {"Quality": Property(DataType.INT32, -1)}, {"a": Property(12, "x"), "b": Property(10, None)}]
    )
    return st.builds(
        lambda pair, *rest: Metric(rest[0], rest[1], rest[2], pair[0], pair[1], *rest[3:]),
        scalars(),
        names,
        some,
        some,
        flags,
        flags,
        quality,
    )


PAYLOADS = st.builds(Payload, NUMBERS, st.sampled_from([None, 0, 255]), st.lists(metrics(), max_size=2).map(tuple))


@given(PAYLOADS)
def test_payloads_come_back(payload: Payload) -> None:
    assert decode(encode(payload)) == payload


def offset_of_error(data: bytes) -> int:
    try:
        decode(data)
    except DecodeError as error:
        return error.offset
    return 0


@given(PAYLOADS, st.data())
def test_cut_or_changed_bytes_give_a_payload_or_a_named_error(payload: Payload, data: st.DataObject) -> None:
    good = bytearray(encode(payload))
    assume(good)
    place = data.draw(st.integers(0, len(good) - 1))
    good[place] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(good), bytes(good[:place])):
        assert 0 <= offset_of_error(bad) <= len(bad)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    try:
        assert isinstance(decode(data), Payload)
    except DecodeError:
        pass


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x08", "cut off"),
        (b"\x12\xff\xff\xff\xff\x0f\x00", "wanted"),
        (b"\x0b\x00", "wire type 3"),
        (b"\x00\x00", "field number 0"),
        (b"\x08" + b"\xff" * 10, "10 bytes"),
        (b"\x12\x02\x0a\xff", "cut off"),
        (b"\x12\x03\x0a\x01\xff", "UTF-8"),
        (b"\x12\x00" * 10_001, "metrics"),
        (b"\x08" * ((1 << 20) + 1), "more than"),
        (b"\x12\x06\x4a\x04" + b"\x0a\x00\x0a\x00", "keys"),
    ],
)
def test_what_is_no_payload(data: bytes, told: str) -> None:
    with pytest.raises(DecodeError, match=told):
        decode(data)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DataType.INT8, 128),
        (DataType.INT32, -(1 << 31) - 1),
        (DataType.UINT32, -1),
        (DataType.UINT64, 1 << 64),
        (DataType.INT32, True),
        (DataType.INT32, 1.5),
        (DataType.DOUBLE, "1"),
        (DataType.BOOLEAN, 1),
        (DataType.STRING, 1),
        (DataType.DATASET, b""),
        (99, 1),
    ],
)
def test_values_that_do_not_fit_their_type(kind: int, value: Any) -> None:
    with pytest.raises(BadValue):
        encode(Payload(metrics=(Metric("a", type=kind, value=value),)))


def test_an_unsigned_number_in_the_long_field() -> None:
    """As some programs write UInt32: field 11 instead of 10."""
    inner = bytes.fromhex("0a0161200758ffffffff0f")
    assert decode(b"\x12" + bytes([len(inner)]) + inner).metrics[0].value == 0xFFFFFFFF


@pytest.mark.parametrize(
    "bad",
    [
        "spBv1.0",
        "spBv1.0/g/NDATA",
        "spAv1.0/g/NDATA/n",
        "spBv1.0/g/XDATA/n",
        "spBv1.0/g/NDATA/n/d",
        "spBv1.0/g/DDATA/n",
        "spBv1.0//NDATA/n",
    ],
)
def test_topics_that_are_none(bad: str) -> None:
    with pytest.raises(BadValue):
        Topic.parse(bad)


# Sessions


def outs(said: Iterable[object]) -> list[Out]:
    return [item for item in said if isinstance(item, Out)]


def metric(value: float | None) -> Metric:
    return Metric(type=DataType.DOUBLE, value=value, timestamp=ms(NOW))


class Session:
    """A gateway and a station with nothing between them, and what the station heard."""

    def __init__(self, devices: int = 1) -> None:
        self.edge, self.host = EdgeNode("town", "gw1"), Host("station")
        self.heard: list[object] = []
        self.will = self.edge.connect(NOW)
        for number in range(devices):
            list(self.edge.define(f"m{number}", {"power": metric(1.0)}, NOW))
        self.deliver(self.edge.birth(NOW))

    def deliver(self, messages: Iterable[Out], now: datetime = NOW) -> None:
        for out in messages:
            self.heard += self.host.receive(out.topic, out.payload, now)

    def say(self, value: float, device: str = "m0") -> list[Out]:
        return list(self.edge.data(device, {"power": value}, NOW, NOW))

    def values(self) -> list[object]:
        return [v.value for v in self.heard if isinstance(v, Value) and v.name == "power"]

    def asked(self) -> list[Out]:
        return outs(self.heard)


def test_births_then_data() -> None:
    session = Session(2)
    born = [item.device for item in session.heard if isinstance(item, Born)]
    assert born == [None, "m0", "m1"]
    session.deliver(session.say(2.5))
    assert session.values() == [1.0, 1.0, 2.5]
    assert session.asked() == []
    assert session.host.alive("town", "gw1", "m1")


def test_births_carry_what_the_standard_wants() -> None:
    edge = EdgeNode("town", "gw1")
    will = edge.connect(NOW)
    list(edge.define("m", {"power": metric(1.0)}, NOW))
    node, device = edge.birth(NOW)
    assert (will.topic, will.qos, will.retain) == ("spBv1.0/town/NDEATH/gw1", 1, False)
    (bd,) = decode(will.payload).metrics
    birth = decode(node.payload)
    found = {m.name: m for m in birth.metrics}
    assert birth.seq == 0
    assert found["bdSeq"].value == bd.value == 0
    assert found["bdSeq"].type == DataType.UINT64
    assert (found["Node Control/Rebirth"].type, found["Node Control/Rebirth"].value) == (DataType.BOOLEAN, False)
    assert (device.topic, device.qos, device.retain) == ("spBv1.0/town/DBIRTH/gw1/m", 0, False)
    (data,) = edge.data("m", {"power": 2.0}, NOW - SECOND, NOW)
    (said,) = decode(data.payload).metrics
    assert (said.name, said.value, said.timestamp) == (None, 2.0, ms(NOW - SECOND))
    assert said.alias is not None


def test_only_changes_travel() -> None:
    session = Session()
    assert session.say(1.0) == []
    assert len(session.say(2.0)) == 1
    assert session.say(2.0) == []
    (out,) = session.edge.data("m0", {"power": 2.0}, NOW, NOW, STALE)
    assert decode(out.payload).metrics[0].properties["Quality"].value == 500
    (out,) = session.edge.data("m0", {"power": None}, NOW, NOW)
    assert decode(out.payload).metrics[0].value is None


def test_257_messages_wrap_the_sequence() -> None:
    session = Session()
    for number in range(600):
        session.deliver(session.say(float(number + 2)))
    assert session.values() == [1.0, *(float(number + 2) for number in range(600))]
    assert session.asked() == []


def test_bd_seq_wraps_and_grows_with_every_connection() -> None:
    edge = EdgeNode("town", "gw1", bd_seq=254)
    seen = [decode(edge.connect(NOW).payload).metrics[0].value for _ in range(3)]
    assert seen == [255, 0, 1]


@given(st.permutations(range(5)))
def test_a_shuffled_line_is_put_in_order(order: list[int]) -> None:
    session = Session()
    messages = [session.say(float(number + 2))[0] for number in range(5)]
    session.deliver(messages[number] for number in order)
    assert session.values() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert list(session.host.tick(NOW + 10 * SECOND)) == []


def test_a_lost_message_leads_to_a_rebirth_after_two_seconds_once_a_minute() -> None:
    session = Session()
    for start in (0, 30, 61):
        at = NOW + start * SECOND
        session.say(100.0 + start)
        session.deliver(session.say(200.0 + start), at)
        assert list(session.host.tick(at + SECOND)) == []
        told = list(session.host.tick(at + 2 * SECOND))
        assert [v.value for v in told if isinstance(v, Value)] == [200.0 + start]
        requests = outs(told)
        assert [request.topic for request in requests] == ([] if start == 30 else ["spBv1.0/town/NCMD/gw1"])
        for request in requests:
            said = list(session.edge.receive(request.topic, request.payload, at))
            assert isinstance(said[0], Rebirth)
            session.deliver(outs(said), at)
    assert session.values()[-1] == 261.0
    assert session.host.alive("town", "gw1", "m0")


def test_data_before_birth_asks_for_births() -> None:
    session = Session()
    late = Host("station")
    (data,) = session.say(2.0)
    (request,) = outs(late.receive(data.topic, data.payload, NOW))
    assert request.topic == "spBv1.0/town/NCMD/gw1"
    assert list(late.receive(data.topic, data.payload, NOW + SECOND)) == []
    for out in outs(session.edge.receive(request.topic, request.payload, NOW)):
        list(late.receive(out.topic, out.payload, NOW))
    assert late.alive("town", "gw1", "m0")


def test_a_death_ends_the_node_and_its_meters_but_a_late_one_changes_nothing() -> None:
    session = Session()
    old_will = session.will
    session.deliver([session.edge.connect(NOW)])  # the next session's will, sent before its birth
    assert not any(isinstance(item, Died) for item in session.heard)
    new_births = list(session.edge.birth(NOW))
    session.deliver([*new_births, old_will, old_will])
    assert session.host.alive("town", "gw1", "m0")
    session.deliver(session.edge.death(NOW))
    assert not session.host.alive("town", "gw1", "m0")
    assert [item for item in session.heard if isinstance(item, Died)] == [Died("town", "gw1", None, NOW)]
    session.deliver([old_will])
    assert len([item for item in session.heard if isinstance(item, Died)]) == 1


def test_a_silent_meter_dies_and_returns() -> None:
    session = Session(2)
    session.deliver(session.edge.silent("m0", NOW))
    assert [session.host.alive("town", "gw1", f"m{n}") for n in range(2)] == [False, True]
    assert session.say(5.0) == []
    session.deliver(session.edge.returned("m0", NOW))
    assert session.host.alive("town", "gw1", "m0")
    assert list(session.edge.silent("unknown", NOW)) == []


def test_nothing_is_said_while_the_primary_host_is_away() -> None:
    edge = EdgeNode("town", "gw1", primary="station")
    edge.connect(NOW)
    list(edge.define("m", {"power": metric(1.0)}, NOW))
    assert list(edge.birth(NOW)) == []
    assert state_topic("station") in edge.filters
    topic = state_topic("station")
    said = list(edge.receive(topic, state_payload(True, 1000), NOW))
    assert said[0] == HostTurned(True)
    assert [Topic.parse(out.topic).kind for out in outs(said)] == ["NBIRTH", "DBIRTH"]
    assert list(edge.receive(topic, state_payload(False, 999), NOW)) == []
    said = list(edge.receive(topic, state_payload(False, 1000), NOW))
    assert said[0] == HostTurned(False)
    assert [Topic.parse(out.topic).kind for out in outs(said)] == ["NDEATH"]
    assert list(edge.data("m", {"power": 2.0}, NOW, NOW)) == []


def order(name: str, value: Any, command_id: str | None, kind: DataType = DataType.BOOLEAN) -> tuple[Metric, ...]:
    named = (Metric("Cmd/id", type=DataType.STRING, value=command_id),) if command_id else ()
    until = Metric("Cmd/expires", type=DataType.DATETIME, value=ms(NOW + 60 * SECOND))
    return (*named, until, Metric(f"Cmd/{name}", type=kind, value=value))


def test_a_command_is_carried_out_once_and_answered_again() -> None:
    session = Session()
    out = session.host.command(("town", "gw1", "m0"), order("valve", False, "id-1"), NOW)
    (command,) = session.edge.receive(out.topic, out.payload, NOW)
    assert command == Command("m0", "valve", False, "id-1", NOW + 60 * SECOND)
    assert list(session.edge.receive(out.topic, out.payload, NOW)) == []
    session.deliver(session.edge.answer("m0", "id-1", "done", "", NOW))
    again = list(session.edge.receive(out.topic, out.payload, NOW))
    session.deliver(outs(again))
    results = [v.value for v in session.heard if isinstance(v, Value) and v.name == "Cmd/result"]
    assert results == [None, "done", "done"]
    assert isinstance(command, Command)
    assert command.signed_text == f"id-1|m0|valve|False|{ms(NOW + 60 * SECOND)}".encode()


def test_buffered_values_keep_their_times_and_are_marked() -> None:
    session = Session()
    kept = ((NOW - number * SECOND, "power", float(number)) for number in range(3))
    session.deliver(session.edge.history("m0", kept, NOW))
    found = [v for v in session.heard if isinstance(v, Value) and v.historical]
    assert [(v.time, v.value) for v in found] == [(NOW - n * SECOND, float(n)) for n in range(3)]


def test_the_host_says_online_again_when_its_own_will_speaks() -> None:
    host = Host("station")
    will = host.will(NOW)
    online = host.online()
    assert (will.topic, will.retain, will.qos) == (online.topic, True, 1)
    assert list(host.receive(will.topic, will.payload, NOW)) == [online]
    assert list(host.receive(online.topic, online.payload, NOW)) == []
    (problem,) = host.receive(online.topic, b"x", NOW)
    assert isinstance(problem, Problem)


KINDS = st.sampled_from(["NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"])
METRICS = st.builds(
    Metric,
    st.sampled_from([None, "bdSeq", "power", "Node Control/Rebirth", "Cmd/id", "Cmd/expires", "Cmd/valve"]),
    st.integers(0, 6),
    st.sampled_from([None, 0, 1 << 62]),
    st.just(DataType.UINT64),
    st.sampled_from([None, 0, 1, 1 << 63]),
)
MESSAGES = st.tuples(
    KINDS,
    st.builds(Payload, st.just(0), st.sampled_from([None, 0, 1, 2, 300]), st.lists(METRICS, max_size=3).map(tuple)),
)


@given(st.lists(MESSAGES, max_size=8))
def test_no_messages_make_either_end_raise(messages: list[tuple[str, Payload]]) -> None:
    session = Session()
    for kind, payload in messages:
        topic = str(Topic("town", kind, "gw1", "m0" if kind[0] == "D" else None))
        list(session.host.receive(topic, encode(payload), NOW))
        list(session.edge.receive(topic.replace(kind, kind[0] + "CMD"), encode(payload), NOW))
    list(session.host.tick(NOW + 10 * SECOND))


@given(st.text(max_size=40), st.binary(max_size=60))
def test_no_topic_or_bytes_make_either_end_raise(topic: str, payload: bytes) -> None:
    session = Session()
    for name in (topic, "spBv1.0/STATE/station", "spBv1.0/town/NCMD/gw1", "spBv1.0/town/NDATA/gw1"):
        list(session.host.receive(name, payload, NOW))
        list(session.edge.receive(name, payload, NOW))
