"""Every message there and back; check sums, unknown messages, absent fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadChecksum, BadValue, DecodeError, Unsupported
from metergate.wire.sml import messages as sml
from metergate.wire.sml.codec import Message, decode_messages, encode_message
from metergate.wire.sml.tlv import Integer, decode, encode
from metergate.wire.sml.transport import CRC_KINDS, KERMIT, X25, CrcKind, unwrap
from metergate.wire.sml.values import LOCAL, SEC_INDEX, TIMESTAMP, Time, integer
from smlkit import EMH, telegram

OCTETS = st.none() | st.binary(min_size=1, max_size=20)
U8, U16, U32 = (st.none() | st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
I8 = st.none() | st.integers(-128, 127)
I16 = st.integers(-(1 << 15), (1 << 15) - 1)
SECONDS = st.integers(0, (1 << 32) - 1)
TIME = (
    st.none()
    | st.builds(Time, st.sampled_from([SEC_INDEX, TIMESTAMP]), SECONDS)
    | st.builds(Time, st.just(LOCAL), SECONDS, I16, I16, st.booleans())
    | st.builds(Time, st.just(SEC_INDEX), SECONDS, bare=st.just(True))
)
INTEGER = st.integers(-(1 << 63), (1 << 64) - 1).map(integer)
STATUS = st.none() | st.integers(0, (1 << 64) - 1).map(integer)
VALUE = OCTETS | INTEGER | st.booleans() | TIME
PATH = st.none() | st.lists(st.binary(min_size=1, max_size=8), max_size=3).map(tuple)


def many(items: st.SearchStrategy[Any], most: int = 4) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(items, max_size=most).map(tuple)


ENTRY = st.builds(sml.ListEntry, OCTETS, STATUS, TIME, U8, I8, VALUE, OCTETS)
PROFILE_VALUE = st.builds(sml.ProfileValue, OCTETS, U8, I8, VALUE, OCTETS)
PARAMETER = st.none() | st.one_of(
    st.builds(sml.ParameterValue, st.just(1), VALUE),
    st.builds(sml.ParameterValue, st.just(2), PROFILE_VALUE),
    st.builds(sml.ParameterValue, st.just(3), st.lists(st.none() | INTEGER, max_size=3)),
    st.builds(sml.ParameterValue, st.just(4), TIME),
)
TREE = st.none() | st.recursive(
    st.builds(sml.Tree, OCTETS, PARAMETER),
    lambda inner: st.builds(sml.Tree, OCTETS, PARAMETER, many(inner, 3)),
    max_leaves=6,
)
LOGIN = (OCTETS, OCTETS, OCTETS)
PROFILE = (*LOGIN, st.none() | st.booleans(), TIME, TIME, PATH, PATH, TREE)
CELL = st.builds(sml.PackValue, VALUE, OCTETS)
PERIOD = st.builds(sml.PackPeriod, TIME, STATUS, many(CELL), OCTETS)
HEAD = st.builds(sml.PackHeader, OCTETS, U8, I8)
BODIES: dict[int, st.SearchStrategy[Any]] = {
    0x0100: st.builds(sml.OpenRequest, OCTETS, OCTETS, OCTETS, *LOGIN, U8),
    0x0101: st.builds(sml.OpenResponse, OCTETS, OCTETS, OCTETS, OCTETS, TIME, U8),
    0x0200: st.builds(sml.CloseRequest, OCTETS),
    0x0201: st.builds(sml.CloseResponse, OCTETS),
    0x0300: st.builds(sml.GetProfilePackRequest, *PROFILE),
    0x0301: st.builds(sml.GetProfilePackResponse, OCTETS, TIME, U32, PATH, many(HEAD), many(PERIOD), OCTETS, OCTETS),
    0x0400: st.builds(sml.GetProfileListRequest, *PROFILE),
    0x0401: st.builds(
        sml.GetProfileListResponse, OCTETS, TIME, U32, PATH, TIME, STATUS, many(PROFILE_VALUE), OCTETS, OCTETS
    ),
    0x0500: st.builds(sml.GetProcParameterRequest, *LOGIN, PATH, OCTETS),
    0x0501: st.builds(sml.GetProcParameterResponse, OCTETS, PATH, TREE),
    0x0600: st.builds(sml.SetProcParameterRequest, *LOGIN, PATH, TREE),
    0x0700: st.builds(sml.GetListRequest, OCTETS, *LOGIN, OCTETS),
    0x0701: st.builds(sml.GetListResponse, OCTETS, OCTETS, OCTETS, TIME, many(ENTRY, 20), OCTETS, TIME),
    0xFF01: st.builds(sml.Attention, OCTETS, OCTETS, OCTETS, TREE),
}
MESSAGES = st.one_of(*BODIES.values()).flatmap(
    lambda body: st.builds(
        Message,
        st.just(body),
        OCTETS,
        st.integers(0, 255),
        st.integers(0, 255),
        st.sampled_from([2, 4]),
    )
)


def test_every_message_is_covered() -> None:
    assert set(BODIES) == set(sml.BODIES)


@given(st.lists(MESSAGES, max_size=3), st.sampled_from(CRC_KINDS), st.integers(0, 3))
def test_messages_come_back(made: list[Message], crc: CrcKind, padding: int) -> None:
    payload = bytes(padding).join(encode_message(message, crc) for message in made) + bytes(padding)
    assert list(decode_messages(payload, crc)) == made


SIMPLE = st.builds(Message, BODIES[0x0101] | BODIES[0x0201] | BODIES[0x0700], OCTETS)


@given(st.lists(SIMPLE, min_size=1, max_size=3), st.data())
def test_a_wrong_check_sum_costs_its_message_only(made: list[Message], data: Any) -> None:
    parts = [encode_message(message) for message in made]
    hit = data.draw(st.integers(0, len(parts) - 1))
    place = len(parts[hit]) - data.draw(st.integers(2, 3))  # the stored check sum
    parts[hit] = parts[hit][:place] + bytes((parts[hit][place] ^ 0x10,)) + parts[hit][place + 1 :]
    found = list(decode_messages(b"".join(parts)))
    assert [item for item in found if isinstance(item, Message)] == made[:hit] + made[hit + 1 :]
    assert isinstance(found[hit], BadChecksum)
    assert found[hit].offset == len(b"".join(parts[:hit]))


@given(st.binary(max_size=120))
def test_any_payload_gives_messages_or_errors(payload: bytes) -> None:
    for item in decode_messages(b"\x76" + payload):
        assert isinstance(item, DecodeError)


def test_a_real_telegram_is_written_as_it_was_read() -> None:
    payload = unwrap(EMH)
    found = [item for item in decode_messages(payload) if isinstance(item, Message)]
    assert [message.tag for message in found] == [0x0101, 0x0701, 0x0201]
    assert b"".join(map(encode_message, found)) == payload
    body = found[1].body
    assert isinstance(body, sml.GetListResponse)
    assert body.time == Time(SEC_INDEX, 104804149)
    assert body.values is not None
    assert body.values[2] == sml.ListEntry(
        bytes.fromhex("0100010800ff"), Integer(386, 3), None, 30, -1, Integer(153385557, 5, True)
    )


def test_known_check_sum_order() -> None:
    """The capture's first message stores 662D: low byte first; as Kermit, the high byte goes first."""
    covered = unwrap(EMH)[:39]
    assert unwrap(EMH)[39:43] == bytes.fromhex("63662d00")
    assert X25.stored(covered) == bytes.fromhex("662d")
    assert KERMIT.stored(b"123456789") == bytes.fromhex("2189")
    assert X25.stored(b"123456789") == bytes.fromhex("6e90")


def short_crc(order: str) -> tuple[bytes, bytes]:
    """A message whose check sum has a zero octet, first or last as stored; its covered part and that octet pair."""
    for number in range(1 << 16):
        message = encode_message(Message(sml.CloseResponse(), number.to_bytes(3, "big")))
        stored = message[-3:-1]
        if stored[0 if order == "first" else 1] == 0:
            return message[:-4], stored
    raise AssertionError("no such message")


@pytest.mark.parametrize("order", ["first", "last"])
def test_a_check_sum_of_one_octet_is_accepted(order: str) -> None:
    covered, stored = short_crc(order)
    good = covered + b"\x62" + bytes((max(stored),)) + b"\x00"
    bad = covered + b"\x62" + bytes((max(stored) ^ 1,)) + b"\x00"
    assert [type(item) for item in decode_messages(good)] == [Message]
    assert [type(item) for item in decode_messages(bad)] == [BadChecksum]


@pytest.mark.parametrize("octets", ["62 10", "53 12 34", "01", "65 00 00 12 34", "70"])
def test_what_cannot_be_a_check_sum(octets: str) -> None:
    covered = encode_message(Message(sml.CloseResponse(), b"x"))[:-4]
    found = list(decode_messages(covered + bytes.fromhex(octets) + b"\x00"))
    assert [type(item) for item in found] == [BadChecksum]


def sealed(content: str, parts: str = "0431323362006200") -> bytes:
    covered = bytes.fromhex("76" + parts + content)
    return covered + b"\x63" + X25.stored(covered) + b"\x00"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("726308017101", Unsupported),  # no such message
        ("7263020172" + "0101", BadValue),  # close response of two fields
        ("726302017142" + "00", BadValue),  # its signature a boolean
        ("7263020101", BadValue),  # without content
        ("71630201", BadValue),  # without choice
        ("01", BadValue),
        ("7263010176010101017262096200" + "01", BadValue),  # a time of choice 9
        ("726307017701010101" + "7177010101630100010101" + "0101", BadValue),  # a unit above 255
        ("726307017701010101" + "7101" + "0101", BadValue),  # a list whose entry is absent
    ],
)
def test_right_check_sum_but_no_message(content: str, error: type[DecodeError]) -> None:
    good = encode_message(Message(sml.CloseResponse(), b"x"))
    found = list(decode_messages(sealed(content) + good))
    assert [type(item) for item in found] == [error, Message]


@pytest.mark.parametrize(
    ("node", "time"),
    [
        ("6500148e03", Time(SEC_INDEX, 1347075, bare=True)),  # Holley DTZ541
        ("72620165063f2f35", Time(SEC_INDEX, 104804149)),
        ("7262026565000000", Time(TIMESTAMP, 0x65000000)),
        ("726203736565000000530078530000", Time(LOCAL, 0x65000000, 120, 0)),
        ("736565000000530078530000", Time(LOCAL, 0x65000000, 120, 0, bare=True)),
    ],
)
def test_forms_of_a_time(node: str, time: Time) -> None:
    octets = bytes.fromhex(node)
    body = sml.BODIES[0x0101][1].load([None, None, None, None, decode(octets, 0, len(octets))[0], None])
    assert body.time == time
    assert body.time.bare == time.bare
    written = sml.BODIES[0x0101][1].dump(body)
    assert isinstance(written, list)
    assert encode(written[4]) == octets


def test_a_list_longer_than_fifteen_has_two_length_octets() -> None:
    entries = tuple(sml.ListEntry(bytes((1, 0, number, 8, 0, 255)), value=Integer(number, 1)) for number in range(40))
    made = Message(sml.GetListResponse(values=entries), b"x")
    assert bytes.fromhex("f208") in encode_message(made)
    assert list(decode_messages(encode_message(made))) == [made]


def test_our_telegram_has_the_three_messages() -> None:
    found = [item for item in decode_messages(unwrap(telegram())) if isinstance(item, Message)]
    assert [type(message.body) for message in found] == [sml.OpenResponse, sml.GetListResponse, sml.CloseResponse]
    assert len({message.transaction for message in found}) == 3
