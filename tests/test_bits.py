"""Check sums against the check values of their standards; BCD; the bounded reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate import bits
from metergate.errors import Truncated


@pytest.mark.parametrize(
    ("crc", "check"),
    [
        (bits.crc_x25, 0x906E),
        (bits.crc_kermit, 0x2189),
        (bits.crc_en13757, 0xC2B7),
        (bits.crc_arc, 0xBB3D),
        (bits.crc_modbus, 0x4B37),
    ],
)
def test_check_value(crc: object, check: int) -> None:
    assert crc(b"123456789") == check  # type: ignore[operator]


@given(st.integers(0, 10**12 - 1))
def test_bcd_comes_back(number: int) -> None:
    assert bits.bcd(bits.to_bcd(number, 6)) == number
    assert bits.bcd_reversed(bits.to_bcd_reversed(number, 6)) == number


@pytest.mark.parametrize("number", [-1, 100])
def test_bcd_that_does_not_fit(number: int) -> None:
    with pytest.raises(OverflowError):
        bits.to_bcd(number, 1)


def test_hex_nibbles_are_no_number() -> None:
    assert bits.bcd(b"\x1a") is None


@given(st.binary(max_size=20), st.integers(-3, 30))
def test_cursor_gives_what_is_there_or_says_where_it_ends(data: bytes, count: int) -> None:
    cursor = bits.Cursor(data, base=100)
    if 0 <= count <= len(data):
        assert cursor.take(count) + cursor.rest() == data
        assert cursor.peek() is None
    else:
        with pytest.raises(Truncated) as caught:
            cursor.take(count)
        assert caught.value.offset == 100
