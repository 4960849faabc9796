"""AES modes against the vectors of NIST SP 800-38A/B/C/D and RFC 4493."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.crypto import aes
from metergate.errors import BadValue, WrongKey

KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
IV = bytes(range(16))
CBC = bytes.fromhex(
    "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
)
COUNTER = bytes(range(0xF0, 0x100))
CTR = bytes.fromhex(
    "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
    "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"
)
keys = st.binary(min_size=16, max_size=16)


def test_cbc() -> None:
    assert aes.cbc_encrypt(KEY, IV, PLAIN) == CBC
    assert aes.cbc_decrypt(KEY, IV, CBC) == PLAIN
    assert aes.cbc_decrypt(KEY, IV, b"") == b""


def test_ctr_of_whole_and_broken_blocks() -> None:
    assert aes.ctr(KEY, COUNTER, PLAIN) == CTR
    assert aes.ctr(KEY, COUNTER, PLAIN[:37]) == CTR[:37]
    assert aes.ctr(KEY, COUNTER, b"") == b""


def test_counter_block_wraps_round() -> None:
    one = aes.ctr(KEY, b"\xff" * 16, bytes(32))
    assert one == aes.ctr(KEY, b"\xff" * 16, bytes(16)) + aes.ctr(KEY, bytes(16), bytes(16))


@pytest.mark.parametrize(
    ("size", "mac"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac(size: int, mac: str) -> None:
    assert aes.cmac(KEY, PLAIN[:size]).hex() == mac


def test_ccm_of_the_second_example_of_sp_800_38c() -> None:
    key, nonce = bytes(range(0x40, 0x50)), bytes(range(0x10, 0x18))
    sealed = aes.ccm_seal(key, nonce, bytes(range(0x20, 0x30)), bytes(range(16)), tag=6)
    assert sealed.hex() == "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"
    assert aes.ccm_open(key, nonce, sealed, bytes(range(16)), tag=6) == bytes(range(0x20, 0x30))


def test_gcm_of_the_fourth_case_of_its_specification() -> None:
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308")
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    header = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    sealed = aes.gcm_seal(key, nonce, plain, header)
    assert sealed.hex().endswith("5bc94fbc3221a5db94fae95ae7121a47")
    assert sealed.hex().startswith("42831ec2217774244b7221b784d0d49c")
    assert aes.gcm_open(key, nonce, sealed, header) == plain
    short = aes.gcm_seal(key, nonce, plain, header, tag=12)
    assert short == sealed[:-4]
    assert aes.gcm_open(key, nonce, short, header, tag=12) == plain
    assert aes.gcm_decrypt(key, nonce, sealed[:-16]) == plain


@given(keys, keys, st.integers(0, 5))
def test_kept_contexts_do_not_remember_the_telegram_before(key: bytes, iv: bytes, blocks: int) -> None:
    cipher, plain = aes.Aes(key), bytes(range(16)) * blocks
    for _ in range(3):
        assert cipher.cbc_decrypt(iv, cipher.cbc_encrypt(iv, plain)) == plain
        assert cipher.ctr(iv, cipher.ctr(iv, plain)) == plain


@given(st.binary(max_size=40), st.binary(max_size=20), st.data())
def test_a_changed_byte_is_refused_by_every_authenticated_mode(
    plain: bytes, header: bytes, data: st.DataObject
) -> None:
    for tag, seal, unseal in (
        (16, aes.gcm_seal, aes.gcm_open),
        (12, aes.gcm_seal, aes.gcm_open),
        (8, aes.ccm_seal, aes.ccm_open),
    ):
        sealed = bytearray(seal(KEY, IV[:12], plain, header, tag))
        assert unseal(KEY, IV[:12], bytes(sealed), header, tag) == plain
        sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises(WrongKey):
            unseal(KEY, IV[:12], bytes(sealed), header, tag)


def test_tags_that_are_missing_are_refused() -> None:
    for unseal in (aes.gcm_open, aes.ccm_open):
        with pytest.raises(WrongKey):
            unseal(KEY, IV[:12], b"short", b"", 12)


def test_wrong_lengths_are_values_errors_without_the_key() -> None:
    with pytest.raises(BadValue) as caught:
        aes.Aes(b"marker-key")
    assert "marker" not in str(caught.value)
    with pytest.raises(BadValue):
        aes.cbc_encrypt(KEY, IV, b"broken")
    with pytest.raises(BadValue):
        aes.cbc_decrypt(KEY, IV, b"broken")
    with pytest.raises(BadValue):
        aes.gcm_decrypt(KEY, b"short", b"")


def test_same_and_xor() -> None:
    assert aes.same(b"abc", b"abc")
    assert not aes.same(b"abc", b"abd")
    assert not aes.same(b"abc", b"ab")
    assert aes.xor(b"\x0f\xf0", b"\xff\xff") == b"\xf0\x0f"
