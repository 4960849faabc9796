"""DES against the worked example of its classic description."""

import pytest

from metergate.crypto.des import Des
from metergate.errors import BadValue

KEY = bytes.fromhex("133457799bbcdff1")


def test_one_block() -> None:
    sealed = Des(KEY).cbc_encrypt(bytes(8), bytes.fromhex("0123456789abcdef"))
    assert sealed.hex() == "85e813540f0ab405"
    assert Des(KEY).cbc_decrypt(bytes(8), sealed).hex() == "0123456789abcdef"


def test_blocks_are_chained() -> None:
    twice = Des(KEY).cbc_encrypt(bytes(8), bytes(16))
    assert twice[:8] != twice[8:]
    assert Des(KEY).cbc_decrypt(bytes(8), twice) == bytes(16)


def test_wrong_lengths() -> None:
    with pytest.raises(BadValue):
        Des(bytes(16))
    with pytest.raises(BadValue):
        Des(KEY).cbc_decrypt(bytes(8), b"abc")
