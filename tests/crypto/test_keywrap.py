"""AES key wrap against RFC 3394 and vectors of NIST's validation program (KW_AE, KW_AD)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.crypto import keywrap
from metergate.errors import BadValue, WrongKey

VECTORS = [
    (
        "000102030405060708090a0b0c0d0e0f",
        "00112233445566778899aabbccddeeff",
        "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
    ),
    (
        "7575da3a93607cc2bfd8cec7aadfd9a6",
        "42136d3c384a3eeac95a066fd28fed3f",
        "031f6bd7e61e643df68594816f64caa3f56fabea2548f5fb",
    ),
    (
        "e5d058e7f1c22c016c4e1cc9b26b9f8f",
        "7f604e9b8d39d3c91e193fe6f196c1e3da6211a7c9a33b8873b64b138d1803e4",
        "60b9f8ac797c56e01e9b5f84d65816a980777869f67991a0e6dc19b8cd75c9b54db4a38456bbd6f3",
    ),
    (
        "f59782f1dceb0544a8da06b34969b9212b55ce6dcbdd0975a33f4b3f88b538da",
        "73d33060b5f9f2eb5785c0703ddfa704",
        "2e63946ea3c090902fa1558375fdb2907742ac74e39403fc",
    ),
    (
        "8b54e6bc3d20e823d96343dc776c0db10c51708ceecc9a38a14beb4ca5b8b221",
        "d6192635c620dee3054e0963396b260af5c6f02695a5205f159541b4bc584bac",
        "b13eeb7619fab818f1519266516ceb82abc0e699a7153cf26edcb8aeb879f4c011da906841fc5956",
    ),
]
BROKEN = [
    (
        "5d4899ee66beff1bda1fc717a1ad4c50",
        "bb7fd0bce778bd775e4e88d904d26a7134364c53a6c493a0",
    ),
    (
        "08c936b25b567a0aa679c29f201bf8b190327df0c2563e39cee061f149f4d91b",
        "e227eb8ae9d239ccd8928adec39c28810ca9b3dc1f366444",
    ),
]


@pytest.mark.parametrize(("kek", "key", "wrapped"), VECTORS)
def test_vectors(kek: str, key: str, wrapped: str) -> None:
    assert keywrap.wrap(bytes.fromhex(kek), bytes.fromhex(key)).hex() == wrapped
    assert keywrap.unwrap(bytes.fromhex(kek), bytes.fromhex(wrapped)).hex() == key


@pytest.mark.parametrize(("kek", "wrapped"), BROKEN)
def test_broken_vectors(kek: str, wrapped: str) -> None:
    with pytest.raises(WrongKey):
        keywrap.unwrap(bytes.fromhex(kek), bytes.fromhex(wrapped))


@given(
    st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.sampled_from([16, 32]),
)
def test_any_change_is_found(kek: bytes, size: int) -> None:
    wrapped = bytearray(keywrap.wrap(kek, bytes(range(size))))
    assert len(wrapped) == size + 8
    wrapped[kek[0] % len(wrapped)] ^= 1
    with pytest.raises(WrongKey):
        keywrap.unwrap(kek, bytes(wrapped))


def test_impossible_lengths() -> None:
    for kek, key in ((bytes(15), bytes(16)), (bytes(16), bytes(8)), (bytes(16), bytes(17))):
        with pytest.raises(BadValue):
            keywrap.wrap(kek, key)
    for kek, wrapped in ((bytes(15), bytes(24)), (bytes(16), bytes(16)), (bytes(16), bytes(25))):
        with pytest.raises(BadValue):
            keywrap.unwrap(kek, wrapped)
