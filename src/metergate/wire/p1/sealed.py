"""Encrypted telegrams of Luxembourg and Austria: a whole telegram in one general-glo-ciphering APDU.

`DB 08 title(8) length 30 IC(4) ciphertext tag(12)`: AES-128-GCM, nonce = title and invocation counter, associated
data = security byte and authentication key (Luxembourg P1 §3.2.5, DLMS Green Book §9.2.7).
"""

from __future__ import annotations

from typing import NamedTuple

from metergate.crypto.aes import gcm_seal
from metergate.crypto.gcm import Gcm
from metergate.errors import KeyMissing, Unsupported, WrongKey
from metergate.wire.base import Keys
from metergate.wire.p1.frame import LIMIT

GENERAL_GLO, TITLE, TAG = 0xDB, 8, 12
AUTHENTICATED = 0x30
"""Security byte: suite 0, authenticated and encrypted."""
DEFAULT_AK = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
"""The authentication key where the operator gives none."""
KEY = 16
TRIES = 16
"""Keys tried at most, where several are configured for a line."""
_SECURITY = frozenset(range(0, 0x80, 0x10))


class Sealed(NamedTuple):
    """An encrypted telegram: system title, security byte, invocation counter, and ciphertext with its tag."""

    title: bytes
    counter: int
    body: bytes
    security: int = AUTHENTICATED

    def encode(self) -> bytes:
        """The bytes; the length always in the form `82 LLLL`."""
        size = len(self.body) + 5
        head = bytes((GENERAL_GLO, len(self.title))) + self.title + b"\x82" + size.to_bytes(2, "big")
        return head + bytes((self.security,)) + self.counter.to_bytes(4, "big") + self.body


def measure(buffer: bytes | bytearray, at: int) -> int:
    """Length of the encrypted telegram at `at`; 0: not yet known; -1: none begins there."""
    head = bytes(buffer[at : at + 14])
    if len(head) > 1 and head[1] != TITLE:
        return -1
    if len(head) < 11:
        return 0
    form = head[10] - 0x80 if head[10] & 0x80 else 0
    if form > 2:
        return -1
    if len(head) < 12 + form:
        return 0
    size = int.from_bytes(head[11 : 11 + form], "big") if form else head[10]
    if not 5 + TAG < size <= LIMIT + 5 + TAG or head[11 + form] not in _SECURITY:
        return -1
    return 11 + form + size


def decode_sealed(octets: bytes) -> Sealed:
    """The parts of a whole encrypted telegram, as long as `measure` says."""
    form = octets[10]
    at = 13 if form == 0x82 else 12 if form == 0x81 else 11
    return Sealed(octets[2:10], int.from_bytes(octets[at + 1 : at + 5], "big"), octets[at + 5 :], octets[at])


def seal_telegram(plain: bytes, key: bytes, title: bytes, counter: int, authentication: bytes = DEFAULT_AK) -> bytes:
    """The encrypted form of a telegram."""
    nonce = title + counter.to_bytes(4, "big")
    return Sealed(title, counter, gcm_seal(key, nonce, plain, bytes((AUTHENTICATED,)) + authentication, TAG)).encode()


class Keyring:
    """Keys of a line: `encryption` (or `key`, or keys by meter id), and `authentication`."""

    def __init__(self, keys: Keys) -> None:
        self._authentication = keys.get("authentication") or DEFAULT_AK
        named = keys.get("encryption") or keys.get("key")
        others = (key for name, key in keys.items() if name not in ("authentication", "encryption", "key"))
        given = [named] if named else list(dict.fromkeys(others))[:TRIES]
        self._given = bool(given)
        self._keys = [Gcm(key) for key in given if len(key) == KEY]
        self._header = bytes((AUTHENTICATED,)) + self._authentication

    def __bool__(self) -> bool:
        return self._given

    def open(self, sealed: Sealed) -> bytes:
        """The telegram inside. KeyMissing, WrongKey; Unsupported for other kinds of protection."""
        if sealed.security != AUTHENTICATED:
            raise Unsupported(f"security byte {sealed.security:02X}: only {AUTHENTICATED:02X} is used for telegrams")
        if not self._given:
            raise KeyMissing(f"the telegram of {sealed.title.hex().upper()} is encrypted, and no key is configured")
        nonce = sealed.title + sealed.counter.to_bytes(4, "big")
        for place, key in enumerate(self._keys):
            try:
                plain = key.open(nonce, sealed.body, self._header, TAG)
            except WrongKey:
                continue
            if place:
                self._keys.insert(0, self._keys.pop(place))
            return plain
        raise WrongKey("the authentication tag agrees with none of the keys (16 bytes each): wrong key, or line noise")
