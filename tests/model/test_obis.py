"""OBIS codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue
from metergate.model import Obis

group = st.integers(0, 255)


@given(st.builds(Obis, group, group, group, group, group, group))
def test_text_and_octets_come_back(code: Obis) -> None:
    assert Obis.parse(str(code)) == Obis.parse(code.full) == Obis.of(code.octets) == code


@pytest.mark.parametrize(
    ("text", "full"),
    [("1.8.0", "1-0:1.8.0*255"), ("F.F", None), ("1-0:1.8.0*01", "1-0:1.8.0*1"), ("C.1", "1-0:96.1.0*255")],
)
def test_reduced_codes(text: str, full: str | None) -> None:
    if full is None:
        with pytest.raises(BadValue):
            Obis.parse(text)
    else:
        assert Obis.parse(text).full == full


@pytest.mark.parametrize("text", ["", "1-0:1", "1-0:256.8.0", "1-0:1.8.0*", "x"])
def test_what_is_none_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(BadValue, match=r"A-B:C\.D\.E"):
        Obis.parse(text)
