"""DL/T 698.45: frames, values, APDUs and the receiver."""

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import all_of, cut
from metergate.errors import BadValue, DecodeError, Truncated
from metergate.model import Obis, Unit
from metergate.wire.base import Problem, Telegram
from metergate.wire.dlt698 import Address, Apdu, Data, Frame, Receiver, explain, guess, objects, values
from metergate.wire.dlt698.frame import SCRAMBLED, STARTED, USER, Joiner, acknowledge, block, blocks
from metergate.wire.dlt698.values import decode, encode

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora"))
# From 600888/dlt698, website/docs/guide/energy.md and clock.md (Apache-2.0).
ENERGY = bytes.fromhex("681e00c305000000000000009e548501000010020101060001e24000005ad416")
FINE = bytes.fromhex("682200c30500000000000000ae258501000010040101150000000000bc614e000062bb16")
CLOCK = bytes.fromhex("682100c305000000000000001ddb85010040000200011c07ea0a070e101a0000e4c516")
ASKED = bytes.fromhex("681700430512907856341200a32e050100200f0200001c0c16")
RECORD = bytes.fromhex(
    "85030350040200020020210200000010020001011c07e001140000000105060000000006000000000600000000060000000006000000000000"
)
AT = datetime(2026, 11, 22, 1, 2, 3)

tags = st.deferred(lambda: leaf | st.builds(Data, st.sampled_from((1, 2)), st.lists(leaf, max_size=4).map(tuple)))
leaf: Any = st.one_of(
    st.just(Data(0)),
    st.builds(Data, st.just(3), st.booleans()),
    st.builds(lambda octets: Data(4, (8 * len(octets) - bool(octets), octets)), st.binary(max_size=5)),
    *(
        st.builds(Data, st.just(tag), st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
        for tag, bits in ((5, 32), (15, 8), (16, 16), (20, 64))
    ),
    *(
        st.builds(Data, st.just(tag), st.integers(0, 2**bits - 1))
        for tag, bits in ((6, 32), (17, 8), (18, 16), (21, 64), (22, 8), (80, 16), (81, 32), (83, 32))
    ),
    st.builds(Data, st.just(9), st.binary(max_size=300)),
    st.builds(Data, st.just(10), st.text(st.characters(max_codepoint=255), max_size=20)),
    st.builds(Data, st.just(12), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
    st.builds(Data, st.just(28), st.datetimes(datetime(1, 1, 1)).map(lambda at: at.replace(microsecond=0))),
    st.builds(Data, st.just(84), st.tuples(st.integers(0, 5), st.integers(0, 65535))),
    st.builds(Data, st.just(89), st.tuples(st.integers(-128, 127), st.integers(0, 255))),
    st.builds(Data, st.just(91), st.tuples(st.just(1), st.tuples(st.just(5), st.just((6, 7))))),
)


def only(data: bytes, **options: object) -> Telegram:
    (found,) = all_of(Receiver({}, options), data)
    assert isinstance(found, Telegram)
    return found


def test_energy() -> None:
    telegram = only(ENERGY)
    (reading,) = telegram.readings
    assert (reading.obis, reading.value, reading.unit) == (Obis.parse("1-0:1.8.0"), Decimal("1234.56"), Unit.KWH)
    assert telegram.frame["raw"] == 123456
    assert only(FINE).readings[0].value == Decimal("1234.5678")
    assert only(CLOCK).readings[0].value == "2026-10-07T14:16:26"
    assert only(ASKED).frame["server_address"] == "123456789012"


@pytest.mark.skipif(not CORPORA.exists(), reason="the corpora are not here")
def test_corpora_are_written_again_octet_for_octet() -> None:
    for line in (CORPORA / "dlt698/frames.jsonl").read_text().splitlines():
        octets = bytes.fromhex(json.loads(line)["frame"])
        frame = Frame.decode(octets)
        assert frame.encode() == octets
        assert Apdu.decode(frame.apdu).encode() == frame.apdu
    for line in (CORPORA / "dlt698/apdu.jsonl").read_text().splitlines():
        octets = bytes.fromhex(json.loads(line)["frame"])
        assert Apdu.decode(octets, strict=octets[0] != 1).encode() == octets


def test_records_stand_at_the_time_of_their_row() -> None:
    telegram = only(RECORD, layer="apdu", utc_offset=480)
    frozen = [reading for reading in telegram.readings if reading.obis]
    assert [str(reading.obis) for reading in frozen] == [f"1-0:1.8.{tariff}" for tariff in range(5)]
    assert {reading.meter_time for reading in frozen} == {datetime(2016, 1, 19, 16, tzinfo=UTC)}
    assert {reading.value for reading in frozen} == {Decimal("0.00")}


@given(tags)
def test_values_come_back(value: Data) -> None:
    octets = encode(value)
    assert decode(octets) == value
    assert encode(decode(octets)) == octets


@given(st.binary(max_size=80))
def test_any_octets_are_a_value_or_a_decode_error(octets: bytes) -> None:
    try:
        value = decode(octets)
    except DecodeError:
        return
    assert decode(encode(value)) == value


def test_nesting_is_bounded() -> None:
    with pytest.raises(BadValue, match="deeper"):
        decode(bytes.fromhex("0101") * 40 + b"\0")
    with pytest.raises(Truncated):
        decode(bytes.fromhex("0184ffffffff"))
    assert decode(bytes.fromhex("0101") * 10 + b"\0").tag == values.ARRAY


@given(
    st.text("0123456789", min_size=2, max_size=12).filter(lambda text: not len(text) % 2),
    st.integers(0, 3),
    st.integers(0, 3),
    st.binary(min_size=1, max_size=60),
    st.booleans(),
)
def test_frames_come_back(text: str, kind: int, logical: int, apdu: bytes, scrambled: bool) -> None:
    frame = Frame(Address(text, kind, logical), apdu, STARTED | USER | SCRAMBLED * scrambled, 0x10)
    assert Frame.decode(frame.encode()) == frame


def test_wildcards() -> None:
    assert Address("aaaaaaaaaaaa", 1).names("202611220001")
    assert Address("aaaaaaaa0001", 1).names("202611220001")
    assert not Address("aaaaaaaa0002", 1).names("202611220001")
    assert Address("aa", 3).names("202611220001")
    assert Address("0001").names("000000000001")
    with pytest.raises(BadValue):
        Address("12x4").octets  # noqa: B018


@given(st.lists(st.integers(0, 400)), st.binary(max_size=6))
def test_any_chunking_gives_the_same(places: list[int], noise: bytes) -> None:
    data = noise + b"\xfe\xfe" + ENERGY + CLOCK + b"\x68" + ASKED
    assert all_of(Receiver(), *cut(data, places)) == all_of(Receiver(), *(data[at : at + 1] for at in range(len(data))))


def test_a_corrupt_frame_gives_no_readings() -> None:
    for at in range(len(ENERGY)):
        bad = bytearray(ENERGY)
        bad[at] ^= 0x10
        found = all_of(Receiver(), bytes(bad), CLOCK)
        telegrams = [item for item in found if isinstance(item, Telegram)]
        assert [telegram.frame["oad"] for telegram in telegrams] == ["40000200"]
        assert any(isinstance(item, Problem) for item in found)


def test_a_cut_frame_is_truncated() -> None:
    (problem,) = all_of(Receiver(), ENERGY[:-4])
    assert isinstance(problem, Problem)
    assert problem.code == "truncated"


@given(st.binary(min_size=1, max_size=900), st.integers(40, 120))
def test_split_frames_are_put_together(apdu: bytes, most: int) -> None:
    whole = Frame(Address("202611220001"), apdu, 0xC3)
    pieces = blocks(whole, most)
    assert all(len(piece.encode()) <= most for piece in pieces)
    if len(pieces) == 1:
        assert pieces == [whole]
        return
    joiner, found = Joiner(), []
    for piece in pieces:
        assert acknowledge(piece).control & 0x80 == 0
        found += [joiner.add(piece.apdu)] + ([joiner.add(piece.apdu)] if piece is not pieces[-1] else [])
    assert [one for one in found if one is not None] == [apdu]


def test_a_lost_part_is_noticed() -> None:
    joiner = Joiner()
    assert joiner.add(block(0, 0, b"ab")) is None
    with pytest.raises(Truncated):
        joiner.add(block(2, 1, b"ef"))
    with pytest.raises(Truncated):
        joiner.add(block(3, 1, b"ef"))


def test_the_receiver_joins_parts() -> None:
    long = Apdu("get-response-normal", {"attribute": (0x41030200, (1, Data(values.VISIBLE, "x" * 300)))})
    pieces = blocks(Frame(Address("202611220001"), long.encode(), 0xC3), 100)
    found = all_of(Receiver(), *(piece.encode() for piece in pieces))
    assert [len(item.readings) for item in found if isinstance(item, Telegram)] == [0] * (len(pieces) - 1) + [1]


@pytest.mark.parametrize("dar", [3, 4, 255])
def test_a_refusal_is_an_error_of_the_meter(dar: int) -> None:
    apdu = Apdu("get-response-normal", {"attribute": (0x00100200, (0, dar))})
    telegram = only(Frame(Address("1" * 12), apdu.encode(), 0xC3).encode())
    assert telegram.readings == ()
    assert telegram.frame["dar"] == dar
    assert [problem.code for problem in telegram.problems] == ["application_error"]


def test_protected_apdus_are_unsupported_not_wrong() -> None:
    telegram = only(Frame(Address("1" * 12), bytes.fromhex("1000036162630300000000 00"), 0x43).encode())
    assert telegram.valid
    assert [problem.code for problem in telegram.problems] == ["unsupported"]


@pytest.mark.parametrize(
    "code",
    [
        "1-0:1.8.0",
        "1-0:2.8.3",
        "1-0:21.8.0",
        "1-0:5.8.0",
        "1-0:1.6.0",
        "1-0:52.7.0",
        "1-0:16.7.0",
        "1-0:36.7.0",
        "1-0:71.7.0",
        "1-0:14.7.0",
        "1-0:13.7.0",
    ],
)
def test_codes_and_attributes(code: str) -> None:
    oad = objects.oad_of(Obis.parse(code))
    assert oad is not None
    assert objects.register("m", oad).obis == Obis.parse(code)


def test_explained_and_guessed() -> None:
    spans = explain(b"\xfe" + ENERGY)
    assert (spans[0].start, spans[0].length) == (1, len(ENERGY))
    assert any("1234.56 kWh" in span.value for span in spans)
    spoilt = ENERGY[:-3] + bytes((ENERGY[-3] ^ 1,)) + ENERGY[-2:]
    assert guess(ENERGY) > 80 > guess(spoilt) > 0
    assert guess(b"nothing at all") == 0


numbers = {
    5: st.integers(-(2**31), 2**31 - 1),
    6: st.integers(0, 2**32 - 1),
    16: st.integers(-(2**15), 2**15 - 1),
    18: st.integers(0, 65535),
    21: st.integers(0, 2**64 - 1),
}
cell = st.sampled_from([*numbers]).flatmap(lambda tag: st.builds(Data, st.just(tag), numbers[tag]))
shapes = st.one_of(cell, st.lists(cell, min_size=1, max_size=5).map(lambda cells: Data(1, tuple(cells))))
oads = st.sampled_from((0x00100200, 0x00100201, 0x20000200, 0x20040200, 0x00100400, 0x12340200))


def answer(attributes: list[tuple[int, tuple[int, Any]]], piid: int) -> bytes:
    if len(attributes) == 1:
        apdu = Apdu("get-response-normal", {"piid": piid, "attribute": attributes[0]})
    else:
        apdu = Apdu("get-response-list", {"piid": piid, "attributes": attributes})
    return Frame(Address("202611220001"), apdu.encode(), 0xC3).encode()


@given(
    st.lists(st.lists(st.tuples(oads, st.tuples(st.just(1), shapes)), min_size=1, max_size=3), max_size=6), st.randoms()
)
def test_learnt_layouts_equal_the_general_decoder(answers: list[list[Any]], dice: Any) -> None:
    learner = Receiver()
    for attributes in answers * 3:
        octets = answer(attributes, dice.randrange(64))
        (found,) = learner.receive(octets)
        assert isinstance(found, Telegram)
        assert found == learner.decode(found.offset, octets, None)


def test_a_changed_layout_is_not_taken_for_the_learnt_one() -> None:
    learner, u16 = Receiver(), [Data(18, 2301)] * 3
    for cells in (u16, [*u16[:2], Data(16, -5)], [*u16[:2], Data(0)], u16):
        (found,) = learner.receive(answer([(0x20000200, (1, Data(1, tuple(cells))))], 1))
        assert isinstance(found, Telegram)
        assert [one.raw for one in found.readings] == [one.value for one in cells]
