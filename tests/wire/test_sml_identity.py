import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue
from metergate.model import Medium, MeterIdentity
from metergate.wire.sml.identity import identity, server_id


def test_the_known_pair() -> None:
    octets = bytes.fromhex("0a01454d48000051971e")
    assert identity(octets) == MeterIdentity("1EMH0005347102", "EMH", Medium.ELECTRICITY)
    assert server_id("1EMH0005347102") == server_id("1emh0005347102.sm") == octets


@given(
    st.sampled_from("156789E"), st.text("ABCXYZ", min_size=3, max_size=3), st.integers(0, 255), st.integers(0, 99999999)
)
def test_printed_ids_come_back(sector: str, maker: str, block: int, number: int) -> None:
    text = f"{sector}{maker}{block:02X}{number:08d}"
    assert identity(server_id(text)).id == text


@pytest.mark.parametrize(
    "octets",
    [
        "0a01454d480005f5e100",  # number 100000000
        "0a02454d480000000001",  # no such sector
        "0a01656d480000000001",  # small letters
        "06454d4801027156cd45",
        "090145425a010002ec3b",
        "01a815133577030102",
        "31",
    ],
)
def test_all_other_ids_are_hex_and_come_back(octets: str) -> None:
    assert identity(bytes.fromhex(octets)).id == octets
    assert server_id(octets) == bytes.fromhex(octets)


@pytest.mark.parametrize("text", ["1EMH000534710", "2EMH0005347102", "meter", "0"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(BadValue, match="no server id"):
        server_id(text)
