"""Passwords and challenges: published proofs, both sides of every mechanism, and whoever does not know the secret."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.crypto import ec
from metergate.errors import BadValue, KeyMissing, MetergateError, Replay, Unsupported, WrongKey
from metergate.wire.dlms.acse import Mechanism
from metergate.wire.dlms.authentication import Credentials, Handshake, Side, challenge, check_password
from metergate.wire.dlms.security import Counter, Heard, KeySet

KEYS = KeySet(bytes(range(16)), bytes(range(0xD0, 0xE0)))
CLIENT = Side(bytes.fromhex("4d4d4d0000000001"), b"K56iVagY")
METER = Side(bytes.fromhex("4d4d4d0000bc614e"), bytes.fromhex("503677524a323146"))
SECRET = b"a secret of many octets"
PAIRS = {curve: (ec.generate(curve), ec.generate(curve)) for curve in ec.Curve}
HIGH = [mechanism for mechanism in Mechanism if mechanism.high]


def maker(challenge: bytes, secret: bytes) -> bytes:
    return hashlib.sha512(secret + challenge).digest()


def credentials(mechanism: Mechanism, mine: int = 0, curve: ec.Curve = ec.Curve.P256) -> Credentials:
    if mechanism is Mechanism.GMAC:
        return Credentials(keys=KEYS, counter=Counter(), heard=Heard())
    if mechanism is Mechanism.ECDSA:
        return Credentials(signing=PAIRS[curve][mine], verifying=PAIRS[curve][1 - mine].public_key())
    return Credentials(SECRET, plug=maker if mechanism is Mechanism.HIGH else None)


def both(mechanism: Mechanism, client: Side = CLIENT, meter: Side = METER) -> tuple[Handshake, Handshake]:
    return (
        Handshake(mechanism, client, meter, credentials(mechanism, 0)),
        Handshake(mechanism, meter, client, credentials(mechanism, 1)),
    )


def test_the_proof_of_the_specification() -> None:
    client, meter = both(Mechanism.GMAC)
    proof = client.proof()
    assert proof.hex() == "10000000011a52fe7dd3e72748973c1e28"
    meter.check(proof)
    with pytest.raises(Replay):
        meter.check(proof)


challenges = st.binary(min_size=8, max_size=64)


@given(st.sampled_from(HIGH), challenges, challenges)
def test_both_sides_prove_themselves(mechanism: Mechanism, ctos: bytes, stoc: bytes) -> None:
    if ctos == stoc:
        return
    client, meter = both(mechanism, Side(CLIENT.title, ctos), Side(METER.title, stoc))
    for _ in range(2):
        meter.check(client.proof())
        client.check(meter.proof())


def test_the_hashes_in_the_words_of_the_specification() -> None:
    c, s = CLIENT, METER
    expected = {
        Mechanism.HIGH: (maker(s.challenge, SECRET), maker(c.challenge, SECRET)),
        Mechanism.MD5: (hashlib.md5(s.challenge + SECRET).digest(), hashlib.md5(c.challenge + SECRET).digest()),
        Mechanism.SHA1: (hashlib.sha1(s.challenge + SECRET).digest(), hashlib.sha1(c.challenge + SECRET).digest()),
        Mechanism.SHA256: (
            hashlib.sha256(SECRET + c.title + s.title + s.challenge + c.challenge).digest(),
            hashlib.sha256(SECRET + s.title + c.title + c.challenge + s.challenge).digest(),
        ),
    }
    for mechanism, proofs in expected.items():
        assert tuple(side.proof() for side in both(mechanism)) == proofs


@pytest.mark.parametrize("curve", list(ec.Curve))
def test_signatures_cover_titles_and_challenges(curve: ec.Curve) -> None:
    client = Handshake(Mechanism.ECDSA, CLIENT, METER, credentials(Mechanism.ECDSA, 0, curve))
    meter = Handshake(Mechanism.ECDSA, METER, CLIENT, credentials(Mechanism.ECDSA, 1, curve))
    public = PAIRS[curve][0].public_key()
    ec.verify(public, CLIENT.title + METER.title + METER.challenge + CLIENT.challenge, client.proof())
    meter.check(client.proof())
    with pytest.raises(WrongKey):
        client.check(client.proof())


@pytest.mark.parametrize("mechanism", HIGH)
def test_a_proof_does_not_serve_the_other_side_or_another_challenge(mechanism: Mechanism) -> None:
    client, meter = both(mechanism)
    with pytest.raises((WrongKey, Replay)):
        client.check(client.proof())
    other = Handshake(mechanism, Side(METER.title, bytes(16)), CLIENT, credentials(mechanism, 1))
    with pytest.raises(WrongKey):
        other.check(client.proof())
    for wrong in (b"", client.proof()[:-1], client.proof() + b"\0"):
        with pytest.raises(WrongKey):
            meter.check(wrong)


@given(st.sampled_from(HIGH), st.integers(0, 1 << 16), st.integers(1, 255))
def test_no_changed_proof_passes(mechanism: Mechanism, place: int, flip: int) -> None:
    client, meter = both(mechanism)
    proof = bytearray(client.proof())
    proof[place % len(proof)] ^= flip
    with pytest.raises((WrongKey, Replay, BadValue)):
        meter.check(bytes(proof))
    assert meter.credentials.heard.last == -1


@pytest.mark.parametrize("mechanism", HIGH)
def test_another_secret(mechanism: Mechanism) -> None:
    stranger = Credentials(b"guessed", KeySet(bytes(16), bytes(16)), signing=ec.generate(ec.Curve.P256), plug=maker)
    proof = Handshake(mechanism, CLIENT, METER, stranger).proof()
    with pytest.raises(WrongKey):
        both(mechanism)[1].check(proof)


@pytest.mark.parametrize("mechanism", HIGH)
def test_what_is_missing_is_named(mechanism: Mechanism) -> None:
    bare = Handshake(mechanism, CLIENT, METER, Credentials())
    for act in (bare.proof, lambda: bare.check(both(mechanism)[1].proof())):
        with pytest.raises(KeyMissing):
            act()


def test_a_makers_own_mechanism_wants_a_plug() -> None:
    with pytest.raises(Unsupported, match="maker"):
        Handshake(Mechanism.HIGH, CLIENT, METER, Credentials(SECRET)).proof()


def refuses(make: Callable[[], object], kind: type[MetergateError], text: str) -> None:
    with pytest.raises(kind, match=text):
        make()


def test_challenges_that_are_refused() -> None:
    for size in (0, 7, 65):
        side = Side(METER.title, bytes(size))
        refuses(lambda side=side: both(Mechanism.MD5, CLIENT, side), BadValue, "8 to 64")  # type: ignore[misc]
        refuses(lambda size=size: challenge(size), BadValue, "8 to 64")  # type: ignore[misc]
    refuses(lambda: both(Mechanism.MD5, CLIENT, Side(METER.title, CLIENT.challenge)), BadValue, "same challenge")
    refuses(lambda: both(Mechanism.LOW), Unsupported, "no passes")
    short = Side(b"short", b"12345678")
    refuses(lambda: both(Mechanism.SHA256, short)[0].proof(), BadValue, "system title")
    refuses(lambda: both(Mechanism.GMAC, short)[0].proof(), BadValue, "system title")


def test_challenges_are_fresh() -> None:
    drawn = iter([b"a" * 8, b"a" * 8, b"b" * 8])
    assert challenge(8, unlike=b"a" * 8, draw=lambda size: next(drawn)) == b"b" * 8
    assert len({challenge() for _ in range(50)}) == 50
    assert len(challenge()) == 32


def test_passwords() -> None:
    check_password(b"12345678", b"12345678")
    for wrong in (b"", b"1234567", b"12345679", b"123456780"):
        with pytest.raises(WrongKey, match="password is wrong"):
            check_password(b"12345678", wrong)
    with pytest.raises(KeyMissing):
        check_password(b"", b"")


def test_secrets_never_show() -> None:
    assert "secret" not in repr(both(Mechanism.MD5)[0])
    assert SECRET.decode() not in repr(both(Mechanism.MD5)[0])
