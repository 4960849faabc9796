"""The element coding: known bytes, round trips, and bytes that are none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import DecodeError
from metergate.wire.sml.tlv import END, LIST, MAX_DEPTH, Integer, Node, decode, encode, outline


def integers() -> st.SearchStrategy[Integer]:
    def of(size: int, signed: bool) -> st.SearchStrategy[Integer]:
        half = 1 << 8 * size - 1
        low, high = (-half, half - 1) if signed else (0, 2 * half - 1)
        return st.builds(Integer, st.integers(low, high), st.just(size), st.just(signed))

    return st.tuples(st.integers(1, 8), st.booleans()).flatmap(lambda pair: of(*pair))


def trees() -> st.SearchStrategy[Node]:
    leaves = st.none() | st.binary(min_size=1, max_size=300) | st.booleans() | integers() | st.just(END)
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=20), max_leaves=30)


@pytest.mark.parametrize(
    ("octets", "node"),
    [
        ("01", None),
        ("00", END),
        ("4200", False),
        ("42ff", True),
        ("03abcd", b"\xab\xcd"),
        ("53fed4", Integer(-300, 2, True)),
        ("54fffed4", Integer(-300, 3, True)),
        ("560009247a55", Integer(153385557, 5, True)),
        ("6302ff", Integer(767, 2)),
        ("70", []),
        ("72620165063f2f35", [Integer(1, 1), Integer(104804149, 4)]),
        ("8302" + "aa" * 48, b"\xaa" * 48),
    ],
)
def test_known_elements(octets: str, node: Node) -> None:
    data = bytes.fromhex(octets)
    assert decode(data, 0, len(data)) == (node, len(data))


@given(trees())
def test_a_tree_comes_back(node: Node) -> None:
    data = encode(node)
    if not deep(node):
        assert decode(data, 0, len(data)) == (node, len(data))
        assert outline(data, 0, len(data)).end == len(data)


def deep(node: Node, depth: int = 0) -> bool:
    return isinstance(node, list) and (depth >= MAX_DEPTH or any(deep(item, depth + 1) for item in node))


@given(trees(), st.data())
def test_a_cut_tree_is_an_error(node: Node, data: Any) -> None:
    octets = encode(node)
    end = data.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(DecodeError) as caught:
        decode(octets, 0, end)
    assert 0 <= caught.value.offset <= end


@given(st.binary(max_size=200))
def test_any_bytes_are_an_element_or_an_error(data: bytes) -> None:
    try:
        _, end = decode(data, 0, len(data))
    except DecodeError as caught:
        end = caught.offset
    else:
        assert outline(data, 0, len(data)).end == end > 0
    assert 0 <= end <= len(data)


@pytest.mark.parametrize(
    "octets",
    [
        "7262016505",  # the second element is cut off
        "50",  # a number of no bytes
        "5a" + "00" * 9,  # of nine
        "4300",  # a cut boolean
        "430000",  # a boolean of two bytes
        "12ff",  # no such type
        "8fffff",  # more length than there is
        "ff8f8f8f0f",  # a length of five octets
        "8301",  # a length octet that claims more than is left
        "7f" + "01" * 14,  # one element is missing
        "f0" + "8f" * 3,
        "71" * 18 + "01",  # nested too deep
    ],
)
def test_bytes_that_are_no_element(octets: str) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(DecodeError):
        decode(data, 0, len(data))


def test_a_promised_length_allocates_nothing() -> None:
    """A list of 65,535 elements in five bytes is refused at its head."""
    data = bytes.fromhex("ff8f8f0f") + b"\x01"
    with pytest.raises(DecodeError, match="65535 elements in 1 bytes"):
        decode(data, 0, len(data))


def test_outline_tells_where_everything_lies() -> None:
    data = bytes.fromhex("72620165063f2f35")
    found = outline(data, 0, len(data))
    assert (found.kind, found.at, found.content, found.end) == (LIST, 0, 1, 8)
    assert [(item.at, item.content, item.end) for item in found.items] == [(1, 2, 3), (3, 4, 8)]


@pytest.mark.parametrize("wrong", [Integer(256, 1), Integer(-1, 1), Integer(128, 1, True)])
def test_a_number_that_does_not_fit_is_not_written(wrong: Integer) -> None:
    with pytest.raises(OverflowError):
        encode(wrong)
