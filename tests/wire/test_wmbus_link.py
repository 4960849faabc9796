"""Frame formats, bit codings and headers of wireless M-Bus: there and back, and what a changed bit does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.bits import Cursor
from metergate.errors import BadChecksum, BadValue, Truncated, Unsupported
from metergate.wire.wmbus.coding import SYMBOLS, from_manchester, from_three_of_six, manchester, three_of_six
from metergate.wire.wmbus.layers import LONG, TPL, Afl, Ell, Tpl
from metergate.wire.wmbus.link import Address, Format, Link, blocks, seal, size, strip

CHECKED = [Format.A, Format.B]
octets8 = st.binary(min_size=8, max_size=8)


@pytest.mark.parametrize("form", list(Format))
@given(body=st.binary(min_size=10, max_size=252))
def test_frames_there_and_back(form: Format, body: bytes) -> None:
    frame = seal(body, form)
    assert len(frame) == size(frame[0], form)
    assert strip(frame, form) == frame[:1] + body[1:]


@pytest.mark.parametrize(("form", "longest"), [(Format.A, 256), (Format.B, 252), (Format.NONE, 256)])
def test_longest_frames(form: Format, longest: int) -> None:
    assert seal(bytes(longest), form)[0] == 255
    with pytest.raises(BadValue):
        seal(bytes(longest + 1), form)
    with pytest.raises(BadValue):
        seal(bytes(9), Format.A)


def test_blocks_of_both_formats() -> None:
    assert blocks(size(46, Format.A), Format.A) == [(0, 10), (12, 28), (30, 46), (48, 53)]
    assert blocks(21, Format.B) == [(0, 19)]
    assert blocks(128, Format.B) == [(0, 126)]
    assert blocks(135, Format.B) == [(0, 126), (128, 133)]


@pytest.mark.parametrize("form", CHECKED)
@given(body=st.binary(min_size=10, max_size=200), data=st.data())
def test_no_flipped_bit_goes_unseen(form: Format, body: bytes, data: st.DataObject) -> None:
    frame = bytearray(seal(body, form))
    frame[data.draw(st.integers(1, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert strip(bytes(frame), form) is None


def test_address_as_printed_and_as_sent() -> None:
    address = Address.named("12345678", "ELS", 51, 3)
    assert address.octets.hex() == "9315785634123303"
    assert address.long_octets.hex() == "7856341293153303"
    assert (Address.of(address.octets), Address.long(address.long_octets)) == (address, address)
    assert (address.id, address.manufacturer) == ("12345678", "ELS")
    assert Link.of(Link(0x44, address).octets) == Link(0x44, address)
    with pytest.raises(BadValue):
        Address.named("1234567G", "ELS", 1, 1)
    with pytest.raises(BadValue):
        Address.named("12345678", "EL", 1, 1)
    with pytest.raises(Truncated):
        Link.of(b"\x44")


@given(octets8)
def test_addresses_there_and_back(octets: bytes) -> None:
    assert Address.of(octets).octets == octets
    assert Address.long(octets).long_octets == octets


@given(st.binary(max_size=60))
def test_three_of_six_there_and_back(data: bytes) -> None:
    chips = three_of_six(data)
    assert len(chips) == -(-len(data) * 12 // 8)
    assert from_three_of_six(chips, len(data)) == data


def test_three_of_six_has_three_ones_in_every_symbol() -> None:
    assert len(set(SYMBOLS)) == 16
    assert {symbol.bit_count() for symbol in SYMBOLS} == {3}
    assert three_of_six(b"\x0f\x44").hex() == "5a971c"


@given(st.binary(min_size=1, max_size=20), st.data())
def test_a_flipped_chip_is_seen(data: bytes, drawn: st.DataObject) -> None:
    bits = 12 * len(data)
    at = drawn.draw(st.integers(0, bits - 1))
    chips = bytearray(three_of_six(data))
    chips[at // 8] ^= 0x80 >> at % 8
    with pytest.raises(BadChecksum) as caught:
        from_three_of_six(bytes(chips), len(data))
    assert caught.value.offset == at // 12
    other = bytearray(manchester(data))
    other[at % (8 * len(other)) // 8] ^= 0x80 >> at % 8
    with pytest.raises(BadChecksum):
        from_manchester(bytes(other))


@given(st.binary(max_size=60))
def test_manchester_there_and_back(data: bytes) -> None:
    assert from_manchester(manchester(data)) == data
    assert len(manchester(data)) == 2 * len(data)


def test_chips_cut_off() -> None:
    assert manchester(b"\xa0").hex() == "9955"
    with pytest.raises(Truncated):
        from_manchester(b"\x55")
    with pytest.raises(Truncated):
        from_three_of_six(three_of_six(b"ab"), 3)


@given(
    st.integers(0x8C, 0x8F),
    st.binary(min_size=2, max_size=2),
    octets8,
    st.integers(0, 2**32 - 1),
    st.integers(0, 65535),
)
def test_extended_link_layer(ci: int, head: bytes, receiver: bytes, session: int, crc: int) -> None:
    far, safe = ci in (0x8E, 0x8F), ci in (0x8D, 0x8F)
    ell = Ell(ci, head[0], head[1], receiver if far else b"", session if safe else None, crc if safe else 0)
    cursor = Cursor(ell.octets + b"rest", 1)
    assert Ell.parse(ci, cursor) == ell
    assert cursor.rest() == b"rest"


@given(
    st.builds(
        Afl,
        fragment=st.integers(0, 255),
        more=st.booleans(),
        mcl=st.none() | st.integers(0, 255),
        key_info=st.none() | st.integers(0, 65535),
        counter=st.none() | st.integers(0, 2**32 - 1),
        mac=st.none() | st.binary(min_size=1, max_size=16),
        length=st.none() | st.integers(0, 65535),
    )
)
def test_authentication_layer(afl: Afl) -> None:
    cursor = Cursor(afl.octets + b"rest", 1)
    assert Afl.parse(cursor) == afl
    assert cursor.rest() == b"rest"


def test_authentication_layer_of_the_specification() -> None:
    afl = Afl.parse(Cursor(bytes.fromhex("900F002C25B30A000021924D4F2FB66E01"), 1))
    assert afl == Afl(mcl=0x25, counter=0x0AB3, mac=bytes.fromhex("21924D4F2FB66E01"))
    with pytest.raises(BadValue):
        Afl.parse(Cursor(bytes.fromhex("9003000000"), 1))
    with pytest.raises(Truncated):
        Afl.parse(Cursor(bytes.fromhex("900F002C25"), 1))


@given(st.sampled_from(sorted(TPL)), octets8, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=1))
def test_transport_header(ci: int, address: bytes, rest: bytes, extension: bytes) -> None:
    head = bytes((ci,)) + (address if TPL[ci] is LONG else b"") + (b"" if TPL[ci] == "none" else rest + extension)
    tpl = Tpl.parse(ci, Cursor(head, 1))
    assert head.startswith(tpl.octets)
    assert Tpl.parse(ci, Cursor(tpl.octets, 1)) == tpl
    if TPL[ci] != "none":
        assert len(head) - len(tpl.octets) == (0 if tpl.mode == 7 else 1)


def test_unknown_transport_layer() -> None:
    with pytest.raises(Unsupported):
        Tpl.parse(0x01, Cursor(b"\x01", 1))
