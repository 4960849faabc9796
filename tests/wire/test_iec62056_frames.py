"""IEC 62056-21: messages, data sets and sections of profiles, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadChecksum, BadValue, DecodeError, Truncated
from metergate.wire.iec62056 import Identification, frame
from metergate.wire.iec62056.datasets import DataSet, Item, parse, readout
from metergate.wire.iec62056.frame import Block, Command, Option, Request, Sign, bcc, decode
from metergate.wire.iec62056.profile import Channel, Section, encode, section

# --- messages --------------------------------------------------------------------------------------------------------
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="()/!*"), max_size=16)
BODY = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40).map(lambda text: text + "\r\n")
LETTERS = st.text("ABCXYZabc", min_size=3, max_size=3)
FRAMES = st.one_of(
    st.builds(Request, TEXT.filter(lambda text: "?" not in text)),
    st.builds(Identification, LETTERS, st.sampled_from("0123456ABCDEF x"), TEXT),
    st.builds(Option, st.sampled_from("0126"), st.sampled_from("0123456AF "), st.sampled_from("0129")),
    st.builds(Sign, st.sampled_from((frame.ACK, frame.NAK))),
    st.builds(
        Command, st.sampled_from(("P0", "P1", "R1", "R5", "W1", "W5", "E2", "B0")), st.none() | BODY, st.booleans()
    ),
    st.builds(Block, BODY, st.booleans()),
)


@given(FRAMES)
def test_every_message_comes_back_as_it_was(message: frame.Frame) -> None:
    octets = message.encode()
    assert decode(octets) == message
    assert decode(octets).encode() == octets


@given(FRAMES.filter(lambda message: not isinstance(message, Sign)))
def test_a_line_of_seven_bits_read_with_eight_is_understood(message: frame.Frame) -> None:
    octets = message.encode()
    with_parity = bytes(octet | (octet.bit_count() % 2) << 7 for octet in octets)
    assert decode(with_parity) == message


def test_known_octets() -> None:
    assert frame.BREAK.encode() == bytes.fromhex("0142300371")
    assert Request("12345678").encode() == b"/?12345678!\r\n"
    assert Option("0", "5", "1").encode() == b"\x06051\r\n"
    assert Command("W2", "C003(910324092239)").encode().hex() == "01573202433030332839313033323430393232333929031b"


@given(st.binary(max_size=300))
def test_the_check_character_is_the_xor_of_all_octets(octets: bytes) -> None:
    made = 0
    for octet in octets:
        made ^= octet
    assert bcc(octets) == made


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"", Truncated),
        (b"\x02abc", Truncated),
        (b"\x02abc\x03\x00", BadChecksum),
        (b"\x01R1\x03\x00", BadChecksum),
        (b"\x01R\x03\x62", BadValue),
        (b"/?ab\r\n", BadValue),
        (b"/MGT5M\xb1\r\n", BadChecksum),
        (b"hello", BadValue),
    ],
)
def test_what_is_no_message(octets: bytes, error: type[DecodeError]) -> None:
    with pytest.raises(error):
        decode(octets)


@pytest.mark.parametrize(
    "message",
    [
        Request("x" * 33),
        Request("a!"),
        Identification("MG", "5", ""),
        Identification("MGT", "5", "a/b"),
        Option("0", "55", "0"),
        Command("R10"),
        Command("R1", "\x03"),
        Block("\x02"),
        Block("\u20ac"),
    ],
)
def test_what_cannot_be_sent(message: frame.Frame) -> None:
    with pytest.raises(BadValue):
        message.encode()


@pytest.mark.parametrize(
    ("baud_id", "mode", "baud"),
    [("0", "C", 300), ("6", "C", 19200), ("A", "B", 600), ("F", "B", 19200), (" ", "A", None)],
)
def test_the_baud_identification_tells_the_mode(baud_id: str, mode: str, baud: int | None) -> None:
    who = Identification("MGt", baud_id, "\\2x")
    assert (who.mode, who.baud, who.fast, who.capabilities) == (mode, baud, True, "2")


# --- data sets -------------------------------------------------------------------------------------------------------
INSIDE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="()/!*"), max_size=12)
ITEMS = st.builds(Item, INSIDE, st.none() | INSIDE)
DATA = st.lists(
    st.builds(
        DataSet,
        st.from_regex(r"[0-9CF](\.[0-9]{1,2}){1,2}(\*[0-9]{2})?", fullmatch=True),
        st.lists(ITEMS, min_size=1, max_size=4).map(tuple),
    ),
    max_size=8,
)


@given(DATA)
def test_data_sets_come_back_as_they_were(sets: list[DataSet]) -> None:
    assert parse(readout(sets), strict=True) == tuple(sets)
    assert parse("".join(map(str, sets)), strict=True) == tuple(sets)


@pytest.mark.parametrize("text", ["1.8.0", "1.8.0(1", "1.8.0(1))", "(1)x", "1.8.0(1)\r\nx!\r\n"])
def test_no_data_sets(text: str) -> None:
    with pytest.raises(BadValue):
        parse(text)


def test_an_address_of_noise_is_none_where_nothing_protects_it() -> None:
    assert parse("#1.8.0(1)")[0].address == "#1.8.0"
    with pytest.raises(BadValue, match="no address"):
        parse("#1.8.0(1)", strict=True)


@given(
    st.integers(0, 3).flatmap(
        lambda count: st.builds(
            Section,
            st.just("2611220000"),
            st.sampled_from(("", "00", "80")),
            st.sampled_from((0, 15, 60)),
            st.tuples(*[st.builds(Channel, st.just("1.5.0"), st.sampled_from(("kW", ""))) for _ in range(count)]),
            st.lists(st.tuples(*[st.sampled_from(("0.25", "1.5", ""))] * count), max_size=5 if count else 0).map(tuple),
        )
    )
)
def test_sections_of_a_profile_come_back_as_they_were(part: Section) -> None:
    (one,) = parse(encode(part), strict=True)
    assert section(one) == part


@pytest.mark.parametrize("tail", ["(2)(1.5.0)", "(1)(1.5.0)(kW)(1)(2)(3)(4)", "(x)", "(1)(1.5.0)(kW)", "(99)"])
def test_sections_that_do_not_add_up(tail: str) -> None:
    (one,) = parse(f"P.01(2611220000)(00)(15){tail}".replace("(3)(4)", "(3)(4)"))
    if tail in ("(1)(1.5.0)(kW)", "(1)(1.5.0)(kW)(1)(2)(3)(4)"):
        assert len(section(one).rows) == (4 if "(4)" in tail else 0)
    else:
        with pytest.raises(BadValue, match="channels"):
            section(one)
