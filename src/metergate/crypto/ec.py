"""Elliptic curves as meters use them: ECDSA with plain signatures r ‖ s, ECDH; P-256 with SHA-256, P-384 with SHA-384.

Public keys are x ‖ y, private ones the number, high byte first, as long as the curve's numbers are.
"""

from __future__ import annotations

from enum import Enum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm

from metergate.errors import BadValue, WrongKey

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey


class Curve(Enum):
    """A curve by the bytes of its numbers."""

    P256 = 32
    P384 = 48

    @property
    def domain(self) -> ec.EllipticCurve:
        """The curve itself."""
        return ec.SECP256R1() if self is Curve.P256 else ec.SECP384R1()

    @property
    def hash(self) -> HashAlgorithm:
        """The hash that goes with it."""
        return SHA256() if self is Curve.P256 else SHA384()

    @classmethod
    def of(cls, key: PrivateKey | PublicKey) -> Curve:
        """The curve of a key. BadValue for any other."""
        for curve in cls:
            if key.curve.name == curve.domain.name:
                return curve
        raise BadValue(f"curve {key.curve.name} is not used by meters: P-256 and P-384 are")


def generate(curve: Curve) -> PrivateKey:
    """A new key pair."""
    return ec.generate_private_key(curve.domain)


def private_key(curve: Curve, octets: bytes) -> PrivateKey:
    """The key pair of a private number. BadValue if it is none."""
    _sized(curve.value, octets, "a private key")
    try:
        return ec.derive_private_key(int.from_bytes(octets), curve.domain)
    except ValueError:
        raise BadValue("that is no private key of the curve") from None


def public_key(curve: Curve, octets: bytes) -> PublicKey:
    """The public key x ‖ y. BadValue if the point is not on the curve."""
    _sized(2 * curve.value, octets, "a public key")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve.domain, b"\x04" + octets)
    except ValueError:
        raise BadValue("that is no public key: the point is not on the curve") from None


def public_octets(key: PrivateKey | PublicKey) -> bytes:
    """x ‖ y of the public key, or of the one that belongs to a private key."""
    public = key.public_key() if isinstance(key, PrivateKey) else key
    size, numbers = Curve.of(public).value, public.public_numbers()
    return numbers.x.to_bytes(size) + numbers.y.to_bytes(size)


def sign(key: PrivateKey, data: bytes) -> bytes:
    """r ‖ s over `data`, hashed as the curve has it."""
    curve = Curve.of(key)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(curve.hash)))
    return r.to_bytes(curve.value) + s.to_bytes(curve.value)


def verify(key: PublicKey, data: bytes, signature: bytes) -> None:
    """WrongKey unless `signature` is r ‖ s of `data` by the owner of `key`."""
    curve = Curve.of(key)
    if len(signature) != 2 * curve.value:
        raise WrongKey(f"a signature of {len(signature)} bytes, not of {2 * curve.value}")
    r, s = int.from_bytes(signature[: curve.value]), int.from_bytes(signature[curve.value :])
    try:
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(curve.hash))
    except InvalidSignature:
        raise WrongKey("the signature is not right: another key, or the content was changed") from None


def agree(private: PrivateKey, public: PublicKey) -> bytes:
    """The shared secret Z (the x coordinate). BadValue if the keys are of different curves."""
    if Curve.of(private) is not Curve.of(public):
        raise BadValue("the two keys are of different curves")
    return private.exchange(ec.ECDH(), public)


def _sized(size: int, octets: bytes, what: str) -> None:
    if len(octets) != size:
        raise BadValue(f"{what} of this curve has {size} bytes, not {len(octets)}")
