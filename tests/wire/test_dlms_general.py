"""General ciphering and signing: every way to the key, and every way in which it is refused.

No vectors are published; keys are derived a second time here, by hashlib and from the words of the specification.
"""

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from metergate.crypto import ec, keywrap
from metergate.errors import BadValue, DecodeError, KeyMissing, Replay, Unsupported, WrongKey
from metergate.wire.dlms import apdu as codec
from metergate.wire.dlms.apdu.general import AgreedKey, GeneralCiphering, GeneralSigning, IdentifiedKey, WrappedKey
from metergate.wire.dlms.security import Heard, KeySet, SecurityControl
from metergate.wire.dlms.security.general import (
    Envelope,
    KeyPairs,
    Way,
    open_general,
    seal_general,
    sign_general,
    verify_general,
)

CLIENT, METER = b"MMM\0\0\0\0\1", b"MMM\0\0\xbc\x61\x4e"
GET = bytes.fromhex("c001c100080000010000ff0200")
ENVELOPE = Envelope(CLIENT, METER, bytes(range(8)), b"", b"more")
CURVES = {1: ec.Curve.P256, 2: ec.Curve.P384}


def key_set(suite: int) -> KeySet:
    return KeySet(*(bytes((kind,)) * (32 if suite == 2 else 16) for kind in range(1, 6)))


def pairs(suite: int) -> tuple[KeyPairs, KeyPairs]:
    """The client's and the meter's, each other's public ones in them."""
    a, b, c, d = (ec.generate(CURVES.get(suite, ec.Curve.P256)) for _ in range(4))
    return (
        KeyPairs(a, b.public_key(), c, d.public_key()),
        KeyPairs(b, a.public_key(), d, c.public_key()),
    )


WAYS = [(suite, way) for suite in (0, 1, 2) for way in Way if suite or way not in (Way.ONE_PASS, Way.STATIC)]


@pytest.mark.parametrize(("suite", "way"), WAYS)
@pytest.mark.parametrize("encrypted", [True, False])
def test_round_trip_over_the_wire(suite: int, way: Way, encrypted: bool) -> None:
    mine, theirs = pairs(suite)
    control = SecurityControl(suite, True, encrypted)
    octets = codec.encode(seal_general(GET, ENVELOPE, 5, key_set(suite), way, mine, control))
    assert octets[0] == 0xDD
    found = codec.decode(octets)
    assert isinstance(found, GeneralCiphering)
    assert Envelope.of(found) == ENVELOPE
    assert open_general(found, key_set(suite), theirs, METER) == GET


def opened(found: GeneralCiphering, key: bytes, authentication: bytes) -> bytes:
    """By the bare AES-GCM: AAD is SC, AK and the envelope, each part behind its length."""
    aad = found.content[:1] + authentication
    for part in (found.transaction, found.originator, found.recipient, found.time, found.other):
        aad += bytes((len(part),)) + part
    sealed, iv = found.content[5:], found.originator + found.content[1:5]
    plain = AESGCM(key).encrypt(iv, sealed[:-12], None)[: len(sealed) - 12]
    assert AESGCM(key).encrypt(iv, plain, aad)[:-4] == sealed
    return plain


@pytest.mark.parametrize(("suite", "digest", "size"), [(1, "sha256", 16), (2, "sha384", 32)])
def test_agreed_keys_derived_a_second_time(suite: int, digest: str, size: int) -> None:
    mine, theirs = pairs(suite)
    keys, control = key_set(suite), SecurityControl(suite)
    assert theirs.agreeing
    assert theirs.their_agreeing
    algorithm = bytes.fromhex("60857405080300" if suite == 1 else "60857405080301")
    for way in (Way.STATIC, Way.ONE_PASS):
        found = seal_general(GET, ENVELOPE, 5, keys, way, mine, control)
        assert isinstance(found.key, AgreedKey)
        numbers = 2 * CURVES[suite].value
        if way is Way.ONE_PASS:
            public = ec.public_key(CURVES[suite], found.key.data[:numbers])
            secret, party = ec.agree(theirs.agreeing, public), CLIENT
            assert found.key.parameters == b"\x01"
        else:
            secret, party = ec.agree(theirs.agreeing, theirs.their_agreeing), CLIENT + b"\x08" + bytes(range(8))
            assert (found.key.parameters, found.key.data) == (b"\x02", b"")
        key = hashlib.new(digest, b"\0\0\0\1" + secret + algorithm + party + METER).digest()[:size]
        assert opened(found, key, keys.authentication) == GET


def test_wrapped_and_identified_keys() -> None:
    keys = key_set(0)
    wrapped = seal_general(GET, ENVELOPE, 1, keys, Way.WRAPPED, draw=lambda size: b"k" * size)
    assert wrapped.key == WrappedKey(0, keywrap.wrap(keys.master, b"k" * 16))
    assert opened(wrapped, b"k" * 16, keys.authentication) == GET
    assert opened(seal_general(GET, ENVELOPE, 1, keys), keys.encryption, keys.authentication) == GET
    broadcast = seal_general(GET, ENVELOPE, 1, keys, Way.BROADCAST)
    assert (broadcast.key, broadcast.content[0]) == (IdentifiedKey(1), 0x70)
    assert opened(broadcast, keys.broadcast, keys.authentication) == GET


def test_without_key_info_it_is_the_unicast_key() -> None:
    keys = key_set(0)
    found = seal_general(GET, ENVELOPE, 1, keys)
    bare = replace(found, key=None)
    assert open_general(bare, keys) == GET


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(WAYS), st.integers(0, 1 << 16), st.integers(1, 255))
def test_no_changed_octet_passes(how: tuple[int, Way], place: int, flip: int) -> None:
    suite, way = how
    mine, theirs = pairs(suite)
    keys = key_set(suite)
    octets = bytearray(codec.encode(seal_general(GET, ENVELOPE, 5, keys, way, mine, SecurityControl(suite))))
    octets[place % len(octets)] ^= flip
    try:
        found = codec.decode(bytes(octets))
        plain = open_general(found, keys, theirs, METER) if isinstance(found, GeneralCiphering) else b""
    except DecodeError:
        return
    unsealed = isinstance(found, GeneralCiphering) and isinstance(found.key, IdentifiedKey)
    assert plain in (b"", GET) if unsealed else plain == b"", "the number of an identified key is in no tag"


def test_the_wrong_signer_of_a_one_pass_key() -> None:
    mine, theirs = pairs(1)
    found = seal_general(GET, ENVELOPE, 5, key_set(1), Way.ONE_PASS, mine, SecurityControl(1))
    stranger = KeyPairs(theirs.agreeing, theirs.their_agreeing, None, pairs(1)[0].their_signing)
    with pytest.raises(WrongKey, match="signature"):
        open_general(found, key_set(1), stranger)


def test_missing_keys_are_named() -> None:
    mine, _ = pairs(1)
    control = SecurityControl(1)
    with pytest.raises(KeyMissing, match="public key for key agreement"):
        seal_general(GET, ENVELOPE, 5, key_set(1), Way.STATIC, None, control)
    with pytest.raises(KeyMissing, match="private key for key agreement"):
        seal_general(GET, ENVELOPE, 5, key_set(1), Way.STATIC, KeyPairs(None, mine.their_agreeing), control)
    with pytest.raises(KeyMissing, match="for signatures"):
        seal_general(GET, ENVELOPE, 5, key_set(1), Way.ONE_PASS, KeyPairs(None, mine.their_agreeing), control)
    with pytest.raises(KeyMissing, match="master"):
        seal_general(GET, ENVELOPE, 5, KeySet(bytes(16), bytes(16)), Way.WRAPPED)
    found = seal_general(GET, ENVELOPE, 5, key_set(1), Way.ONE_PASS, mine, control)
    with pytest.raises(KeyMissing):
        open_general(found, key_set(1))


def changed(key: IdentifiedKey | WrappedKey | AgreedKey) -> GeneralCiphering:
    return GeneralCiphering(b"", CLIENT, METER, b"", b"", key, bytes.fromhex("3100000001") + bytes(20))


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (IdentifiedKey(2), Unsupported),
        (WrappedKey(1, bytes(24)), Unsupported),
        (WrappedKey(0, bytes(24)), WrongKey),
        (WrappedKey(0, bytes(7)), BadValue),
        (AgreedKey(b"\x03", b""), Unsupported),
        (AgreedKey(b"\x01", bytes(127)), BadValue),
        (AgreedKey(b"\x01", bytes(128)), WrongKey),
    ],
)
def test_strange_keys(key: IdentifiedKey | WrappedKey | AgreedKey, kind: type[DecodeError]) -> None:
    with pytest.raises(kind):
        open_general(changed(key), key_set(1), pairs(1)[1])


def test_what_is_not_for_us_or_comes_again() -> None:
    found = seal_general(GET, ENVELOPE, 5, key_set(0))
    with pytest.raises(BadValue, match="is for system title"):
        open_general(found, key_set(0), mine=CLIENT)
    heard = Heard(4)
    assert open_general(found, key_set(0), heard=heard) == GET
    with pytest.raises(Replay):
        open_general(found, key_set(0), heard=heard)
    with pytest.raises(BadValue):
        Envelope(b"short", METER)


def test_suites_and_curves_must_agree() -> None:
    mine, _ = pairs(1)
    with pytest.raises(Unsupported, match="knows no key agreement"):
        seal_general(GET, ENVELOPE, 5, key_set(0), Way.STATIC, mine)
    with pytest.raises(BadValue, match="not of the curve"):
        seal_general(GET, ENVELOPE, 5, key_set(2), Way.STATIC, mine, SecurityControl(2))


@pytest.mark.parametrize("curve", list(ec.Curve))
def test_signed_apdus(curve: ec.Curve) -> None:
    key = ec.generate(curve)
    octets = codec.encode(sign_general(GET, ENVELOPE, key))
    assert octets[0] == 0xDF
    found = codec.decode(octets)
    assert isinstance(found, GeneralSigning)
    assert verify_general(found, key.public_key(), CLIENT) == GET
    with pytest.raises(WrongKey, match="signed as"):
        verify_general(found, key.public_key(), METER)
    with pytest.raises(WrongKey, match="signature"):
        verify_general(found, ec.generate(curve).public_key())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 16), st.integers(1, 255))
def test_no_changed_octet_of_a_signed_apdu_passes(place: int, flip: int) -> None:
    key = ec.generate(ec.Curve.P256)
    octets = bytearray(codec.encode(sign_general(GET, ENVELOPE, key)))
    octets[place % len(octets)] ^= flip
    with pytest.raises(DecodeError):
        verified(bytes(octets), key.public_key())


def verified(octets: bytes, key: ec.PublicKey) -> bytes:
    found = codec.decode(octets)
    if not isinstance(found, GeneralSigning):
        raise Unsupported("another kind of APDU")
    return verify_general(found, key)
