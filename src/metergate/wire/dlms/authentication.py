"""Proving who one is: passwords, and the challenges of high level security (specification chapter 2.2).

A challenge goes each way in AARQ (CtoS) and AARE (StoC). Then the client proves itself by f(StoC), pass 3, and the
meter by f(CtoS), pass 4: parameter and answer of method 1 of the association object.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from metergate.bits import be
from metergate.crypto import aes, ec
from metergate.errors import BadValue, KeyMissing, Unsupported, WrongKey
from metergate.wire.dlms.acse import Mechanism
from metergate.wire.dlms.security.ciphered import nonce, protect
from metergate.wire.dlms.security.control import TAG, TITLE, Counter, Heard, KeySet, SecurityControl

SHORTEST, LONGEST = 8, 64
"""Bytes of a challenge."""
_GMAC_SIZE = 5 + TAG

Plug = Callable[[bytes, bytes], bytes]
"""A maker's own f(challenge, secret) for mechanism 2."""


def challenge(size: int = 32, unlike: bytes = b"", draw: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """A fresh challenge of `size` bytes, never equal to `unlike` (the other side's)."""
    if not SHORTEST <= size <= LONGEST:
        raise BadValue(f"a challenge has {SHORTEST} to {LONGEST} bytes, not {size}")
    while (drawn := draw(size)) == unlike:
        continue
    return drawn


def check_password(mine: bytes, theirs: bytes) -> None:
    """WrongKey unless the password of low level security is right; takes as long for a wrong one."""
    if not mine:
        raise KeyMissing("no password is configured")
    if not aes.same(mine, theirs):
        raise WrongKey("the password is wrong")


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What one side knows. Only what its mechanism needs must be there.

    `secret`: HLS 2, 3, 4, 6. `keys`, `suite`, `counter` (our own), `heard` (theirs): HLS 5. `signing` (our own),
    `verifying` (theirs): HLS 7. `plug`: HLS 2.
    """

    secret: bytes = b""
    keys: KeySet = field(default_factory=KeySet)
    suite: int = 0
    counter: Counter = field(default_factory=Counter)
    heard: Heard = field(default_factory=Heard)
    signing: ec.PrivateKey | None = None
    verifying: ec.PublicKey | None = None
    plug: Plug | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """A system title, and the challenge that this side sent."""

    title: bytes
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Handshake:
    """One side's view of the two proofs. `me` and `peer` may be either of client and meter.

    BadValue for challenges that are too short, too long or the same: then one side's proof could be played back.
    """

    mechanism: Mechanism
    me: Side
    peer: Side
    credentials: Credentials

    def __post_init__(self) -> None:
        if not self.mechanism.high:
            raise Unsupported(f"{self.mechanism.name} has no passes 3 and 4")
        for side in (self.me, self.peer):
            if not SHORTEST <= len(side.challenge) <= LONGEST:
                raise BadValue(f"a challenge of {len(side.challenge)} bytes: {SHORTEST} to {LONGEST} are allowed")
        if aes.same(self.me.challenge, self.peer.challenge):
            raise BadValue("both sides sent the same challenge")

    def proof(self) -> bytes:
        """What we send: f of their challenge. KeyMissing where a key for it is."""
        known = self.credentials
        if self.mechanism is Mechanism.GMAC:
            return self._gmac(known.counter.next(), self.me, self.peer)
        if self.mechanism is Mechanism.ECDSA:
            if known.signing is None:
                raise KeyMissing("the private key for signatures is not configured")
            return ec.sign(known.signing, self._signed(self.me, self.peer))
        return self._hash(self.me, self.peer)

    def check(self, proof: bytes) -> None:
        """WrongKey unless `proof` is theirs, Replay if its counter did not grow: drop the association then."""
        known = self.credentials
        if self.mechanism is Mechanism.GMAC:
            self._check_gmac(proof)
        elif self.mechanism is Mechanism.ECDSA:
            if known.verifying is None:
                raise KeyMissing("the other side's public key for signatures is not configured")
            ec.verify(known.verifying, self._signed(self.peer, self.me), proof)
        elif not aes.same(self._hash(self.peer, self.me), proof):
            raise _wrong()

    def _hash(self, prover: Side, other: Side) -> bytes:
        secret = self.credentials.secret
        if not secret:
            raise KeyMissing("the secret for authentication is not configured")
        if self.mechanism is Mechanism.MD5:
            return hashlib.md5(other.challenge + secret, usedforsecurity=False).digest()
        if self.mechanism is Mechanism.SHA1:
            return hashlib.sha1(other.challenge + secret, usedforsecurity=False).digest()
        if self.mechanism is Mechanism.SHA256:
            return hashlib.sha256(secret + self._signed(prover, other)).digest()
        if self.credentials.plug is None:
            raise Unsupported("the maker's own authentication (mechanism 2) is not known for this meter")
        return self.credentials.plug(other.challenge, secret)

    def _signed(self, prover: Side, other: Side) -> bytes:
        """Both titles, the prover's first, and both challenges, the one to be answered first."""
        for side in (prover, other):
            if len(side.title) != TITLE:
                raise BadValue(f"a system title of {len(side.title)} bytes, not {TITLE}")
        return prover.title + other.title + other.challenge + prover.challenge

    def _gmac(self, counter: int, prover: Side, other: Side) -> bytes:
        known = self.credentials
        control = SecurityControl(known.suite, authenticated=True, encrypted=False)
        if len(prover.title) != TITLE:
            raise BadValue(f"a system title of {len(prover.title)} bytes, not {TITLE}")
        tag = protect(other.challenge, control, nonce(prover.title, counter), known.keys)[-TAG:]
        return bytes((control.octet,)) + counter.to_bytes(4, "big") + tag

    def _check_gmac(self, proof: bytes) -> None:
        if len(proof) != _GMAC_SIZE:
            raise WrongKey(f"a proof of {len(proof)} bytes, not {_GMAC_SIZE}")
        counter = be(proof[1:5])
        self.credentials.heard.check(counter)
        if not aes.same(self._gmac(counter, self.peer, self.me), proof):
            raise _wrong()
        self.credentials.heard.accept(counter)


def _wrong() -> WrongKey:
    return WrongKey("the other side did not prove that it knows the secret")
