"""Keys and addresses of DLMS meters, as targets and options tell them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from metergate.errors import ConfigError
from metergate.meters.pollers.base import Target
from metergate.wire.dlms.acse import Mechanism
from metergate.wire.dlms.security import KeySet
from metergate.wire.dlms.security.control import KEY_SIZES

CLIENTS = {Mechanism.NONE: 16, Mechanism.LOW: 17}
"""The client's address that goes with a mechanism; 1 with the others."""


def signing_key(path: Path) -> EllipticCurvePrivateKey:
    """Our private key for mechanism 7 from its PEM file. ConfigError without telling what is in there."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        raise ConfigError(f"{path}: no private key in PEM without a password") from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ConfigError(f"{path}: the key for signing has to be of an elliptic curve")
    return key


def verifying_key(path: Path) -> EllipticCurvePublicKey:
    """The meter's public key, or that of its certificate, from a PEM file. ConfigError."""
    try:
        octets = path.read_bytes()
        if b"BEGIN CERTIFICATE" in octets:
            key: object = load_pem_x509_certificate(octets).public_key()
        else:
            key = load_pem_public_key(octets)
    except (OSError, ValueError):
        raise ConfigError(f"{path}: neither a certificate nor a public key in PEM") from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ConfigError(f"{path}: the key that verifies has to be of an elliptic curve")
    return key


def key_set(target: Target, suite: int = 0) -> KeySet:
    """The target's keys. ConfigError for a single key of another length than one or two keys of the suite."""
    size = KEY_SIZES[suite]
    named: Mapping[str, bytes] = target.keys
    encryption, authentication = named.get("encryption", b""), named.get("authentication", b"")
    if target.key and not encryption:
        if len(target.key) not in (size, 2 * size):
            raise ConfigError("the key of a DLMS meter is the encryption key, or that and the authentication key")
        encryption, authentication = target.key[:size], authentication or target.key[size:]
    return KeySet(encryption, authentication, named.get("broadcast", b""), master=named.get("master", b""))


def address_of(text: str, mechanism: Mechanism) -> tuple[int, int, int | None]:
    """Client, logical device, physical address. ConfigError."""
    client, _, server = text.rpartition("/")
    device, _, physical = server.partition(":")
    try:
        return (
            int(client) if client else CLIENTS.get(mechanism, 1),
            int(device) if device else 1,
            int(physical) if physical else None,
        )
    except ValueError:
        raise ConfigError(f"{text!r} is no DLMS address: write [CLIENT/]DEVICE[:PHYSICAL], as 16/1:17") from None
