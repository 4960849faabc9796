"""Elements of BER: lengths in every form, order, and what is broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.bits import Cursor
from metergate.errors import BadValue, DecodeError, Truncated
from metergate.wire.dlms import ber

tags = st.integers(0, 255)


@given(tags, st.binary(max_size=70000))
def test_round_trip(tag: int, content: bytes) -> None:
    assert ber.element(Cursor(ber.tlv(tag, content))) == (tag, content)


@pytest.mark.parametrize(
    ("size", "length"), [(0, "00"), (127, "7f"), (128, "8180"), (256, "820100"), (65536, "83010000")]
)
def test_lengths(size: int, length: str) -> None:
    assert ber.tlv(4, bytes(size))[1 : 1 + len(length) // 2].hex() == length


@given(st.dictionaries(tags, st.binary(max_size=20), max_size=8))
def test_elements_stand_in_the_order_of_their_numbers(content: dict[int, bytes]) -> None:
    whole = ber.joined(0x60, *content.items(), (0x1F, None))
    found = list(ber.elements(ber.inner(whole, 0x60, 0)))
    assert dict(found) == content
    assert [tag & 0x1F for tag, _ in found] == sorted(tag & 0x1F for tag in content)
    assert ber.Elements(
        whole[-sum(2 + len(octets) for octets in content.values()) :] if content else b""
    ).others == tuple(sorted(content.items()))


@pytest.mark.parametrize(
    ("octets", "kind"),
    [("04", Truncated), ("0401", Truncated), ("0480", BadValue), ("0485", BadValue), ("0482ff", Truncated)],
)
def test_broken_elements(octets: str, kind: type[DecodeError]) -> None:
    with pytest.raises(kind):
        list(ber.elements(bytes.fromhex(octets)))


def test_what_is_missing_doubled_or_of_another_kind() -> None:
    found = ber.Elements(bytes.fromhex("a40402020102ac038003414141"[:12] + "ac0480024142"))
    assert found.value(0xAC) == b"AB"
    assert found.take(0x01) is None
    with pytest.raises(Truncated, match="A1 is missing"):
        found.needed(0xA1)
    with pytest.raises(BadValue, match="does not hold"):
        found.octets(0xA4)
    with pytest.raises(BadValue, match="twice"):
        ber.Elements(bytes.fromhex("01000100"))
    with pytest.raises(BadValue, match="not of one"):
        ber.number(b"\0\1")
