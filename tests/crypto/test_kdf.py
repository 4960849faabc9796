"""The concatenation KDF against vectors of NIST's validation program, and recomputed with hashlib."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.crypto import kdf
from metergate.errors import BadValue

SHA256 = {
    "Z": "8f8fe42ec7860e059405bcd7cde1a8a31838675e706a43326573bd7ff7c29a48",
    "OI": "a1b2c3d4e5a32d79067e6a9d50c182eed125de8648434156536964bf9ed234c2e63b690d8bff492a39258c84028578",
    "DKM": "7b3fdeb3302392808e7e2283e8eedbca",
}
SHA384 = {
    "Z": "0db8e44128d3bad8e35217244888384d33aa6d7fd0068095c7ddaef12ac1a34454e5f8eb790d924ef93f8283322fd764",
    "OI": "a1b2c3d4e5a18a72c0f56889a9f57b5571537d3b3db25611dbb8e1d3a6434156536964ebefe9199f7b8f8679c85473",
    "DKM": "5099df35fc32ca51e344306e3ebfdb3d619bf1a601956408",
}
"""KAS validity, static unified model with the concatenation KDF, initiator, parameter sets EC and ED."""


@pytest.mark.parametrize(("vector", "digest"), [(SHA256, "sha256"), (SHA384, "sha384")])
def test_vectors_of_nist(vector: dict[str, str], digest: str) -> None:
    secret, other, key = (bytes.fromhex(vector[name]) for name in ("Z", "OI", "DKM"))
    assert kdf.concatenation(secret, other, len(key), digest) == key


@given(
    st.binary(min_size=1, max_size=66),
    st.binary(max_size=80),
    st.integers(1, 100),
    st.sampled_from(["sha256", "sha384"]),
)
def test_recomputed(secret: bytes, other: bytes, size: int, digest: str) -> None:
    rounds = (hashlib.new(digest, n.to_bytes(4) + secret + other).digest() for n in range(1, 5))
    assert kdf.concatenation(secret, other, size, digest) == b"".join(rounds)[:size]


@pytest.mark.parametrize(("size", "digest"), [(0, "sha256"), (256, "sha256"), (16, "md5")])
def test_what_is_refused(size: int, digest: str) -> None:
    with pytest.raises(BadValue):
        kdf.concatenation(b"Z", b"", size, digest)
