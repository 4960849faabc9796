"""General ciphering and general signing between two system titles (specification chapter 2.4, marked there as (u)).

The key is one that both have, one that comes along wrapped, or one that both compute: by one-pass Diffie-Hellman
C(1e, 1s), where the sender makes a key pair for this one APDU and signs its public half, or by static C(0e, 2s).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from metergate.bits import Cursor
from metergate.crypto import ec, kdf, keywrap
from metergate.errors import BadValue, KeyMissing, Unsupported, WrongKey
from metergate.wire.dlms.apdu.general import (
    AgreedKey,
    GeneralCiphering,
    GeneralSigning,
    IdentifiedKey,
    KeyInfo,
    WrappedKey,
)
from metergate.wire.dlms.lengths import prefixed
from metergate.wire.dlms.security.ciphered import nonce, protect, unprotect
from metergate.wire.dlms.security.control import KEY_SIZES, TITLE, Heard, KeySet, SecurityControl

_CURVES = {1: ec.Curve.P256, 2: ec.Curve.P384}
_DIGESTS = {1: "sha256", 2: "sha384"}
_ALGORITHM = bytes.fromhex("608574050803")
"""Object name of AES-GCM without its last number: 00 AES-128, 01 AES-256 (u)."""
_ONE_PASS, _STATIC = b"\x01", b"\x02"
K = TypeVar("K", ec.PrivateKey, ec.PublicKey)


class Way(Enum):
    """Where the key comes from."""

    UNICAST = "identified: the global unicast encryption key"
    BROADCAST = "identified: the global broadcast encryption key"
    WRAPPED = "a new key, wrapped under the master key"
    ONE_PASS = "agreed: one-pass Diffie-Hellman C(1e, 1s)"  # noqa: S105 - no password
    STATIC = "agreed: static unified model C(0e, 2s)"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a protected APDU tells of itself, authenticated but not encrypted."""

    originator: bytes
    recipient: bytes
    transaction: bytes = b""
    time: bytes = b""
    other: bytes = b""

    def __post_init__(self) -> None:
        if len(self.originator) != TITLE or len(self.recipient) not in (0, TITLE):
            raise BadValue(f"system titles have {TITLE} bytes")

    @property
    def octets(self) -> bytes:
        """As they stand in the APDU, each behind its length (u)."""
        return b"".join(map(prefixed, (self.transaction, self.originator, self.recipient, self.time, self.other)))

    @classmethod
    def of(cls, apdu: GeneralCiphering | GeneralSigning) -> Envelope:
        """That of an APDU."""
        return cls(apdu.originator, apdu.recipient, apdu.transaction, apdu.time, apdu.other)


@dataclass(frozen=True, slots=True, repr=False)
class KeyPairs:
    """Our private keys and the other side's public ones: for agreement and for signatures."""

    agreeing: ec.PrivateKey | None = None
    their_agreeing: ec.PublicKey | None = None
    signing: ec.PrivateKey | None = None
    their_signing: ec.PublicKey | None = None


def seal_general(
    apdu: bytes,
    envelope: Envelope,
    counter: int,
    keys: KeySet,
    way: Way = Way.UNICAST,
    pairs: KeyPairs | None = None,
    control: SecurityControl | None = None,
    draw: Callable[[int], bytes] = secrets.token_bytes,
) -> GeneralCiphering:
    """Protect an APDU; `counter` must never come again under the same key.

    KeyMissing names the key; Unsupported where the suite knows no key agreement.
    """
    control = replace(control or SecurityControl(), broadcast=way is Way.BROADCAST)
    info, key = _chosen(way, envelope, control.suite, keys, pairs or KeyPairs(), draw)
    iv = nonce(envelope.originator, counter)
    payload = protect(apdu, control, iv, replace(keys, dedicated=key), "dedicated", envelope.octets)
    content = bytes((control.octet,)) + counter.to_bytes(4, "big") + payload
    parts = (envelope.transaction, envelope.originator, envelope.recipient, envelope.time, envelope.other)
    return GeneralCiphering(*parts, info, content)


def open_general(
    found: GeneralCiphering,
    keys: KeySet,
    pairs: KeyPairs | None = None,
    mine: bytes = b"",
    heard: Heard | None = None,
) -> bytes:
    """The APDU inside. `mine`: our title; what is for another one is refused. `heard`: counters of identified keys.

    KeyMissing, WrongKey, Replay, BadValue, Truncated, Unsupported. An agreed or wrapped key is new with every APDU:
    whether that APDU came before, its transaction tells.
    """
    envelope, cursor = Envelope.of(found), Cursor(found.content)
    if mine and envelope.recipient not in (b"", mine):
        raise BadValue(f"the APDU is for system title {envelope.recipient.hex()}, not for {mine.hex()}")
    control, counter = SecurityControl.of(cursor.byte()), cursor.uint(4, "big")
    identified = found.key is None or isinstance(found.key, IdentifiedKey)
    if heard is not None and identified:
        heard.check(counter)
    key = _given(found.key, envelope, control, keys, pairs or KeyPairs())
    iv = nonce(envelope.originator, counter)
    plain = unprotect(cursor.rest(), control, iv, replace(keys, dedicated=key), "dedicated", envelope.octets)
    if heard is not None and identified and control.authenticated:
        heard.accept(counter)
    return plain


# --- keys ------------------------------------------------------------------------------------------------------------
def _chosen(
    way: Way, envelope: Envelope, suite: int, keys: KeySet, pairs: KeyPairs, draw: Callable[[int], bytes]
) -> tuple[KeyInfo, bytes]:
    """What tells the other side of the key, and the key."""
    if way in (Way.UNICAST, Way.BROADCAST):
        broadcast = way is Way.BROADCAST
        return IdentifiedKey(int(broadcast)), keys.key("broadcast" if broadcast else "encryption", suite)
    if way is Way.WRAPPED:
        key = draw(KEY_SIZES[suite])
        return WrappedKey(0, keywrap.wrap(keys.key("master", suite), key)), key
    theirs = _there(pairs.their_agreeing, "the other side's public key for key agreement")
    if way is Way.STATIC:
        mine = _there(pairs.agreeing, "the private key for key agreement")
        return AgreedKey(_STATIC, b""), _derived(mine, theirs, envelope, suite, static=True)
    ephemeral = ec.generate(_curve(suite))
    public = ec.public_octets(ephemeral)
    signature = ec.sign(_there(pairs.signing, "the private key for signatures"), public)
    key = _derived(ephemeral, theirs, envelope, suite, static=False)
    return AgreedKey(_ONE_PASS, public + signature), key


def _given(info: KeyInfo | None, envelope: Envelope, control: SecurityControl, keys: KeySet, pairs: KeyPairs) -> bytes:
    """The key that `info` tells of."""
    suite = control.suite
    if isinstance(info, AgreedKey):
        return _agreed(info, envelope, suite, pairs)
    if isinstance(info, WrappedKey):
        if info.kek:
            raise Unsupported(f"key {info.kek} that wraps keys is not the master key")
        return keywrap.unwrap(keys.key("master", suite), info.wrapped)
    if info is not None and info.key not in (0, 1):
        raise Unsupported(f"key {info.key} is neither the unicast nor the broadcast key")
    return keys.key("broadcast" if control.broadcast or (info and info.key) else "encryption", suite)


def _agreed(info: AgreedKey, envelope: Envelope, suite: int, pairs: KeyPairs) -> bytes:
    mine = _there(pairs.agreeing, "the private key for key agreement")
    if info.parameters == _STATIC:
        theirs = _there(pairs.their_agreeing, "the other side's public key for key agreement")
        return _derived(mine, theirs, envelope, suite, static=True)
    if info.parameters != _ONE_PASS:
        raise Unsupported(f"key agreement {info.parameters.hex()} is neither one-pass nor static")
    ephemeral = _ephemeral(info.data, _curve(suite), _there(pairs.their_signing, "the other side's public key"))
    return _derived(mine, ephemeral, envelope, suite, static=False)


def _ephemeral(octets: bytes, curve: ec.Curve, signer: ec.PublicKey) -> ec.PublicKey:
    """The sender's public key for this one APDU, which it signed."""
    size = 2 * curve.value
    if len(octets) != 2 * size:
        raise BadValue(f"{len(octets)} bytes are no signed public key of {2 * size}")
    ec.verify(signer, octets[:size], octets[size:])
    return ec.public_key(curve, octets[:size])


def _derived(mine: ec.PrivateKey, theirs: ec.PublicKey, envelope: Envelope, suite: int, static: bool) -> bytes:
    """NIST SP 800-56A concatenation; in the static model the transaction makes the key a new one (u)."""
    if ec.Curve.of(mine) is not _curve(suite):
        raise BadValue(f"the keys are not of the curve of suite {suite}")
    secret, size = ec.agree(mine, theirs), KEY_SIZES[suite]
    party = envelope.originator + (prefixed(envelope.transaction) if static else b"")
    other = _ALGORITHM + bytes((size == 32,)) + party + envelope.recipient
    return kdf.concatenation(secret, other, size, _DIGESTS[suite])


def _curve(suite: int) -> ec.Curve:
    if suite not in _CURVES:
        raise Unsupported(f"security suite {suite} knows no key agreement: suites 1 and 2 do")
    return _CURVES[suite]


def _there(key: K | None, what: str) -> K:
    if key is None:
        raise KeyMissing(f"{what} is not configured")
    return key


# --- signatures ------------------------------------------------------------------------------------------------------
def sign_general(apdu: bytes, envelope: Envelope, key: ec.PrivateKey) -> GeneralSigning:
    """Sign an APDU and its envelope (u)."""
    signature = ec.sign(key, envelope.octets + prefixed(apdu))
    parts = (envelope.transaction, envelope.originator, envelope.recipient, envelope.time, envelope.other)
    return GeneralSigning(*parts, apdu, signature)


def verify_general(found: GeneralSigning, key: ec.PublicKey, originator: bytes = b"") -> bytes:
    """The APDU inside. WrongKey unless the owner of `key` signed it, as `originator` where that is given."""
    if originator and found.originator != originator:
        raise WrongKey(f"the APDU is signed as {found.originator.hex()}, not {originator.hex()}")
    ec.verify(key, Envelope.of(found).octets + prefixed(found.content), found.signature)
    return found.content
