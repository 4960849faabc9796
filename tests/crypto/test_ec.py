"""ECDSA and ECDH against vectors of NIST's Cryptographic Algorithm Validation Program, and round trips."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec as curves
from hypothesis import given, settings
from hypothesis import strategies as st

from metergate.crypto import ec
from metergate.crypto.ec import Curve
from metergate.errors import BadValue, WrongKey

SIGNED_256 = {
    "Msg": (
        "5905238877c77421f73e43ee3da6f2d9e2ccad5fc942dcec0cbd25482935faaf416983fe165b1a045ee2bcd2e6dca3bd"
        "f46c4310a7461f9a37960ca672d3feb5473e253605fb1ddfd28065b53cb5858a8ad28175bf9bd386a5e471ea7a65c17c"
        "c934a9d791e91491eb3754d03799790fe2d308d16146d5c9b0d0debd97d79ce8"
    ),
    "d": "519b423d715f8b581f4fa8ee59f4771a5b44c8130b4e3eacca54a56dda72b464",
    "Qx": "1ccbe91c075fc7f4f033bfa248db8fccd3565de94bbfb12f3c59ff46c271bf83",
    "Qy": "ce4014c68811f9a21a1fdb2c0e6113e06db7ca93b7404e78dc7ccd5ca89a4ca9",
    "R": "f3ac8061b514795b8843e3d6629527ed2afd6b1f6a555a7acabb5e6f79c8c2ac",
    "S": "8bf77819ca05a6b2786c76262bf7371cef97b218e96f175a3ccdda2acc058903",
}
"""FIPS 186-3 SigGen, P-256 and SHA-256, the first."""
CHANGED_256 = {
    "Msg": (
        "e4796db5f785f207aa30d311693b3702821dff1168fd2e04c0836825aefd850d9aa60326d88cde1a23c7745351392ca2"
        "288d632c264f197d05cd424a30336c19fd09bb229654f0222fcb881a4b35c290a093ac159ce13409111ff0358411133c"
        "24f5b8e2090d6db6558afc36f06ca1f6ef779785adba68db27a409859fc4c4a0"
    ),
    "Qx": "87f8f2b218f49845f6f10eec3877136269f5c1a54736dbdf69f89940cad41555",
    "Qy": "e15f369036f49842fac7a86c8a2b0557609776814448b8f5e84aa9f4395205e9",
    "R": "d19ff48b324915576416097d2544f7cbdf8768b1454ad20e0baac50e211f23b0",
    "S": "a3e81e59311cdfff2d4784949f7a2cb50ba6c3a91fa54710568e61aca3e847c6",
}
"""FIPS 186-3 SigVer, P-256 and SHA-256, the first that is wrong."""
AGREED_256 = {
    "QsCAVSx": "5a3955c54a49645ed818f3774ea10971a1db88c370d8966c5a6e88234ed5d820",
    "QsCAVSy": "03b13f0dad73f64532f42b8b2fa6d1450d9ab24896e95c24674298f2da07ccda",
    "dsIUT": "8087ab163864bfa81001c72f736b6d94e7612559ac4c847d06ba2171840684d6",
    "QsIUTx": "e8b020e8c3cc25d3e5e83e76077f3d5ccdabd7ad76121b724a171414e73f793c",
    "QsIUTy": "98dfb6863fbdbc1d2083f6c41e502645ae9b7a0fdb38904f7483ef883bc2a57b",
    "Z": "0cb890a0dcc277c3dde0f91b4322a32e6365d7ec85316185d3286b4977849410",
}
"""KAS validity, static unified, P-256."""
SIGNED_384 = {
    "Msg": (
        "6b45d88037392e1371d9fd1cd174e9c1838d11c3d6133dc17e65fa0c485dcca9f52d41b60161246039e42ec784d49400"
        "bffdb51459f5de654091301a09378f93464d52118b48d44b30d781eb1dbed09da11fb4c818dbd442d161aba4b9edc79f"
        "05e4b7e401651395b53bd8b5bd3f2aaa6a00877fa9b45cadb8e648550b4c6cbe"
    ),
    "d": "201b432d8df14324182d6261db3e4b3f46a8284482d52e370da41e6cbdf45ec2952f5db7ccbce3bc29449f4fb080ac97",
    "Qx": "c2b47944fb5de342d03285880177ca5f7d0f2fcad7678cce4229d6e1932fcac11bfc3c3e97d942a3c56bf34123013dbf",
    "Qy": "37257906a8223866eda0743c519616a76a758ae58aee81c5fd35fbf3a855b7754a36d4a0672df95d6c44a81cf7620c2d",
    "R": "50835a9251bad008106177ef004b091a1e4235cd0da84fff54542b0ed755c1d6f251609d14ecf18f9e1ddfe69b946e32",
    "S": "0475f3d30c6463b646e8d3bf2455830314611cbde404be518b14464fdb195fdcc92eb222e61f426a4a592c00a6a89721",
}
"""FIPS 186-3 SigGen, P-384 and SHA-384, the first."""
CHANGED_384 = {
    "Msg": (
        "4132833a525aecc8a1a6dea9f4075f44feefce810c4668423b38580417f7bdca5b21061a45eaa3cbe2a7035ed189523a"
        "f8002d65c2899e65735e4d93a16503c145059f365c32b3acc6270e29a09131299181c98b3c76769a18faf21f6b4a8f27"
        "1e6bf908e238afe8002e27c63417bda758f846e1e3b8e62d7f05ebd98f1f9154"
    ),
    "Qx": "1f94eb6f439a3806f8054dd79124847d138d14d4f52bac93b042f2ee3cdb7dc9e09925c2a5fee70d4ce08c61e3b19160",
    "Qy": "1c4fd111f6e33303069421deb31e873126be35eeb436fe2034856a3ed1e897f26c846ee3233cd16240989a7990c19d8c",
    "R": "3c15c3cedf2a6fbff2f906e661f5932f2542f0ce68e2a8182e5ed3858f33bd3c5666f17ac39e52cb004b80a0d4ba73cd",
    "S": "9de879083cbb0a97973c94f1963d84f581e4c6541b7d000f9850deb25154b23a37dd72267bdd72665cc7027f88164fab",
}
"""FIPS 186-3 SigVer, P-384 and SHA-384, the first that is wrong."""
AGREED_384 = {
    "QsCAVSx": "d1bf2ac21637d66d6398aac01dcd56ac6f065fb45d1f6f16747bab9e9b01b4630b59b20927aea147355bf41838acb482",
    "QsCAVSy": "4c9e23f1c5a41647d094086bf4ed31708651f21d996c47780688ac10f77deee2e43b5241b6caecd2fd5444bc50472e0e",
    "dsIUT": "f865418473e5bf7d2e1bbcd9bd5a9270c003a9dd35e778133ca59fcab4bb64fe24d6800e7047bdd033abc8bfa8db35b5",
    "QsIUTx": "32b72ab9b558249dcbc6cbade234f58e4f7aa5d3f6420ea99a5f997e8c2a91fb7fd83779d0d2169428683771c745fd1a",
    "QsIUTy": "c749e02a3719bb56bf1dfc4ba3820309c01ab6e84cb29db7cdd80f127233f5295687f8178f3a8704c1063b84c2ee472f",
    "Z": "a781430e6078a179df3f9ee27cd8fdc6188f161b6c4ccc4053ef6c6ca6fc222946883a53c06db08f0a020023ced055aa",
}
"""KAS validity, static unified, P-384."""


def octets(vector: dict[str, str], *names: str) -> bytes:
    return b"".join(bytes.fromhex(vector[name]) for name in names)


@pytest.mark.parametrize(("curve", "vector"), [(Curve.P256, SIGNED_256), (Curve.P384, SIGNED_384)])
def test_signatures_of_nist(curve: Curve, vector: dict[str, str]) -> None:
    private = ec.private_key(curve, octets(vector, "d"))
    public = ec.public_key(curve, octets(vector, "Qx", "Qy"))
    assert ec.public_octets(private) == ec.public_octets(public) == octets(vector, "Qx", "Qy")
    ec.verify(public, octets(vector, "Msg"), octets(vector, "R", "S"))
    ec.verify(public, octets(vector, "Msg"), ec.sign(private, octets(vector, "Msg")))
    with pytest.raises(WrongKey):
        ec.verify(public, octets(vector, "Msg") + b"x", octets(vector, "R", "S"))


@pytest.mark.parametrize(("curve", "vector"), [(Curve.P256, CHANGED_256), (Curve.P384, CHANGED_384)])
def test_changed_signatures_of_nist(curve: Curve, vector: dict[str, str]) -> None:
    with pytest.raises(WrongKey):
        ec.verify(ec.public_key(curve, octets(vector, "Qx", "Qy")), octets(vector, "Msg"), octets(vector, "R", "S"))


@pytest.mark.parametrize(("curve", "vector"), [(Curve.P256, AGREED_256), (Curve.P384, AGREED_384)])
def test_agreements_of_nist(curve: Curve, vector: dict[str, str]) -> None:
    private = ec.private_key(curve, octets(vector, "dsIUT"))
    assert ec.public_octets(private) == octets(vector, "QsIUTx", "QsIUTy")
    assert ec.agree(private, ec.public_key(curve, octets(vector, "QsCAVSx", "QsCAVSy"))) == octets(vector, "Z")


P256 = (
    0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
)
"""Field, order and base point."""
Point = tuple[int, int]


def add(one: Point, two: Point) -> Point:
    p = P256[0]
    slope = (
        (3 * one[0] ** 2 - 3) * pow(2 * one[1], -1, p)
        if one == two
        else (two[1] - one[1]) * pow(two[0] - one[0], -1, p)
    )
    x = (slope * slope - one[0] - two[0]) % p
    return x, (slope * (one[0] - x) - one[1]) % p


def times(factor: int, point: Point) -> Point:
    found = None
    for bit in bin(factor)[2:]:
        found = add(found, found) if found else None
        if bit == "1":
            found = add(found, point) if found else point
    assert found
    return found


@settings(max_examples=10, deadline=None)
@given(st.binary(max_size=200), st.integers(1, P256[1] - 1), st.integers(1, P256[1] - 1))
def test_signatures_and_agreements_recomputed_by_school_mathematics(message: bytes, d: int, e: int) -> None:
    private, other = (ec.private_key(Curve.P256, number.to_bytes(32)) for number in (d, e))
    public = times(d, P256[2])
    assert ec.public_octets(private) == public[0].to_bytes(32) + public[1].to_bytes(32)
    signature = ec.sign(private, message)
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    inverse, digest = pow(s, -1, P256[1]), int.from_bytes(hashlib.sha256(message).digest())
    u, v = digest * inverse % P256[1], r * inverse % P256[1]
    assert add(times(u, P256[2]), times(v, public))[0] % P256[1] == r
    shared = times(e, public)[0].to_bytes(32)
    assert ec.agree(other, private.public_key()) == ec.agree(private, other.public_key()) == shared


@pytest.mark.parametrize("curve", list(Curve))
def test_new_pairs(curve: Curve) -> None:
    mine, theirs = ec.generate(curve), ec.generate(curve)
    assert ec.agree(mine, theirs.public_key()) == ec.agree(theirs, mine.public_key())
    public = ec.public_key(curve, ec.public_octets(mine))
    signature = ec.sign(mine, b"content")
    assert len(signature) == 2 * curve.value
    ec.verify(public, b"content", signature)
    with pytest.raises(WrongKey):
        ec.verify(theirs.public_key(), b"content", signature)
    with pytest.raises(WrongKey, match="bytes"):
        ec.verify(public, b"content", signature[:-1])


def test_what_is_no_key() -> None:
    for wrong in (b"", bytes(31), bytes(32), b"\xff" * 32):
        with pytest.raises(BadValue):
            ec.private_key(Curve.P256, wrong)
    for wrong in (b"", bytes(63), b"\x01" * 64):
        with pytest.raises(BadValue):
            ec.public_key(Curve.P256, wrong)
    with pytest.raises(BadValue, match="different curves"):
        ec.agree(ec.generate(Curve.P256), ec.generate(Curve.P384).public_key())
    with pytest.raises(BadValue, match="P-256 and P-384"):
        Curve.of(curves.generate_private_key(curves.SECP521R1()))
