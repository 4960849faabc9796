"""Telegrams and keys as people give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue
from metergate.wire.contract import KEYS, keyring, pasted


def test_a_key_alone_is_the_meters_key_however_it_is_spaced() -> None:
    assert keyring("00 01 02 0A") == {"key": b"\0\1\2\n", "encryption": b"\0\1\2\n"}
    assert keyring("") == {}


@given(st.dictionaries(st.sampled_from(KEYS), st.binary(min_size=1, max_size=32)))
def test_named_keys(keys: dict[str, bytes]) -> None:
    assert keyring(", ".join(f"{name}={key.hex()}" for name, key in keys.items())) == keys


@pytest.mark.parametrize("text", ["authentification=a7f3c1", "key=a7f3c10", "key=zza7f3c1", "a7f3c1e"])
def test_what_is_wrong_with_a_key_is_said_without_it(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        keyring(text)
    assert "a7f3c1" not in caught.value.reason


@given(st.binary(max_size=64))
def test_pasted_hex_is_hex(data: bytes) -> None:
    assert pasted(data.hex(" ")) == data
    assert pasted(", ".join(f"0x{octet:02X}" for octet in data)) == data


def test_pasted_lines_of_a_text_telegram_end_as_on_the_wire() -> None:
    telegram = "/ABC5id\n\n1-0:1.8.0(000123.456*kWh)\n!\n"
    assert pasted(telegram) == telegram.replace("\n", "\r\n").encode()
    assert pasted(telegram.replace("\n", "\r\n")) == pasted(telegram)
