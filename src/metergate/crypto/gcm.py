"""AES-GCM with one key kept: for whoever opens many messages with it. Not for use by two threads at once."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from metergate.crypto.aes import same
from metergate.errors import WrongKey

_FIRST = b"\x00\x00\x00\x02"
"""The block counter of GCM's first block of text; 1 is the tag's."""


class Gcm:
    """AES-GCM of one key (16, 24 or 32 bytes), nonces of 12 bytes."""

    def __init__(self, key: bytes) -> None:
        self._gcm = AESGCM(key)
        self._stream = Cipher(AES(key), CTR(bytes(16))).decryptor()

    def decrypt(self, nonce: bytes, body: bytes) -> bytes:
        """GCM's keystream alone, both ways: encryption without authentication."""
        self._stream.reset_nonce(nonce + _FIRST)
        return self._stream.update(body)

    def open(self, nonce: bytes, sealed: bytes, header: bytes, tag: int = 16) -> bytes:
        """The text of ciphertext and `tag` bytes of tag, which cover `header` too. WrongKey if the tag disagrees."""
        end = len(sealed) - tag
        if end < 0:
            raise WrongKey("the authentication tag is missing")
        plain = self.opened(nonce, sealed[:end], header, sealed[end:])
        if plain is None:
            raise WrongKey("the authentication tag does not agree: wrong key, or the telegram was changed")
        return plain

    def opened(self, nonce: bytes, body: bytes, header: bytes, tag: bytes) -> bytes | None:
        """As `open`, ciphertext and tag apart; None if the tag disagrees."""
        self._stream.reset_nonce(nonce + _FIRST)
        plain = self._stream.update(body)
        end = len(plain)
        return plain if same(self._gcm.encrypt(nonce, plain, header)[end : end + len(tag)], tag) else None
