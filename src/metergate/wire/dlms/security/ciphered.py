"""Ciphered APDUs: glo-, ded-, general-glo- and general-ded-ciphering (specification chapter 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from metergate.bits import Cursor
from metergate.crypto import aes
from metergate.errors import BadValue, Truncated, Unsupported, WrongKey
from metergate.wire.dlms.lengths import length_of, prefixed
from metergate.wire.dlms.security.control import COUNTER_END, TAG, TITLE, KeySet, SecurityControl

GENERAL_GLO, GENERAL_DED = 0xDB, 0xDC
GLO = {0x01: 0x21, 0x05: 0x25, 0x06: 0x26, 0x08: 0x28, 0x0C: 0x2C, 0x0D: 0x2D} | {
    tag: tag + 0x08 for tag in (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7)
}
"""Tag of the plain APDU -> tag of the one ciphered with the global key."""
DED = {tag: tag + 0x10 for tag in (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7)}
"""The same for the dedicated key."""
PLAIN_OF = {ciphered: plain for table in (GLO, DED) for plain, ciphered in table.items()}


def is_ciphered(octets: bytes) -> bool:
    """Whether an APDU is of one of the kinds that `parse` takes."""
    return octets[:1] != b"" and (octets[0] in (GENERAL_GLO, GENERAL_DED) or octets[0] in PLAIN_OF)


@dataclass(frozen=True, slots=True)
class Ciphered:
    """A ciphered APDU as it is on the wire.

    `payload` is the (encrypted) APDU and its 12-byte tag, where it has one; `title` is the sender's, only in general-*.
    """

    tag: int
    control: SecurityControl
    counter: int
    payload: bytes
    title: bytes = b""

    @property
    def dedicated(self) -> bool:
        """Whether the key of the association is used, not the meter's."""
        return self.tag == GENERAL_DED or 0xD0 <= self.tag <= 0xD7

    @property
    def general(self) -> bool:
        """Whether the kind of the APDU inside shows only after decryption."""
        return self.tag in (GENERAL_GLO, GENERAL_DED)

    def encode(self) -> bytes:
        """As on the wire."""
        head = bytes((self.tag,)) + (prefixed(self.title) if self.general else b"")
        return head + prefixed(bytes((self.control.octet,)) + self.counter.to_bytes(4, "big") + self.payload)

    def open(self, keys: KeySet, title: bytes = b"") -> bytes:
        """The APDU inside. `title` is the sender's where the frame does not carry it.

        KeyMissing, WrongKey, BadValue; with encryption alone nothing tells whether the key was right but the first
        octet of what comes out.
        """
        sender = self.title or title
        if len(sender) != TITLE:
            raise BadValue(f"the sender's system title has {len(sender)} bytes, not {TITLE}")
        plain = unprotect(self.payload, self.control, nonce(sender, self.counter), keys, self.key)
        expected = PLAIN_OF.get(self.tag)
        if expected is not None and plain[:1] != bytes((expected,)):
            raise WrongKey("what was decrypted is not the kind of APDU that its tag promises")
        return plain

    @property
    def key(self) -> str:
        """The name of the key in a `KeySet`."""
        return "dedicated" if self.dedicated else "broadcast" if self.control.broadcast else "encryption"


def parse(octets: bytes) -> Ciphered:
    """Take a ciphered APDU apart. Truncated, BadValue, Unsupported."""
    cursor = Cursor(octets)
    tag = cursor.byte()
    if tag not in PLAIN_OF and tag not in (GENERAL_GLO, GENERAL_DED):
        raise Unsupported(f"tag {tag:02X} is no ciphered APDU")
    title = cursor.take(length_of(cursor)) if tag in (GENERAL_GLO, GENERAL_DED) else b""
    inner = Cursor(cursor.take(length_of(cursor)))
    if cursor.left:
        raise BadValue(f"{cursor.left} bytes after the end", cursor.at)
    return Ciphered(tag, SecurityControl.of(inner.byte()), inner.uint(4, "big"), inner.rest(), title)


def seal(
    apdu: bytes,
    keys: KeySet,
    title: bytes,
    counter: int,
    control: SecurityControl | None = None,
    *,
    dedicated: bool = False,
    general: bool = False,
) -> Ciphered:
    """Protect an APDU. `title` is our own, `counter` must never come again under this key. Unsupported: see `GLO`."""
    control = control or SecurityControl()
    if len(title) != TITLE:
        raise BadValue(f"a system title has {TITLE} bytes, not {len(title)}")
    if not 0 <= counter < COUNTER_END:
        raise BadValue(f"{counter} is no invocation counter")
    table = DED if dedicated else GLO
    tag = (GENERAL_DED if dedicated else GENERAL_GLO) if general else table.get(apdu[0] if apdu else -1)
    if tag is None:
        raise Unsupported("this kind of APDU is only protected by general ciphering")
    bare = Ciphered(tag, control, counter, b"", title if general else b"")
    payload = protect(apdu, control, nonce(title, counter), keys, bare.key)
    return Ciphered(tag, control, counter, payload, bare.title)


# --- AES-GCM as DLMS uses it -----------------------------------------------------------------------------------------
def nonce(title: bytes, counter: int) -> bytes:
    """System title and invocation counter."""
    return title + counter.to_bytes(4, "big")


def protect(
    plain: bytes, control: SecurityControl, iv: bytes, keys: KeySet, key: str = "encryption", more: bytes = b""
) -> bytes:
    """The APDU, encrypted where asked, and its tag, where asked. `more` is authenticated too (general-ciphering)."""
    secret = keys.key(key, control.suite)
    if not control.authenticated:
        return aes.gcm_decrypt(secret, iv, plain) if control.encrypted else plain
    header = bytes((control.octet,)) + keys.key("authentication", control.suite) + more
    if control.encrypted:
        return aes.gcm_seal(secret, iv, plain, header, TAG)
    return plain + aes.gcm_seal(secret, iv, b"", header + plain, TAG)


def unprotect(
    payload: bytes, control: SecurityControl, iv: bytes, keys: KeySet, key: str = "encryption", more: bytes = b""
) -> bytes:
    """The inverse of `protect`. Truncated, KeyMissing, WrongKey."""
    if control.authenticated and len(payload) < TAG:
        raise Truncated(f"{len(payload)} bytes hold no authentication tag of {TAG}")
    if not control.authenticated and not control.encrypted:
        return payload
    secret = keys.key(key, control.suite)
    if not control.authenticated:
        return aes.gcm_decrypt(secret, iv, payload)
    header = bytes((control.octet,)) + keys.key("authentication", control.suite) + more
    if control.encrypted:
        return aes.gcm_open(secret, iv, payload, header, TAG)
    plain = payload[:-TAG]
    aes.gcm_open(secret, iv, payload[-TAG:], header + plain, TAG)
    return plain
