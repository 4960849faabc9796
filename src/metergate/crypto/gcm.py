"""AES-GCM with shortened tags (NIST SP 800-38D), as meters use it: 12 bytes of tag, 96 bits of nonce.

`open_` needs two passes of the fast one-shot cipher and no setup of a stream: sealing the ciphertext again gives the
plaintext (the keystream is the same), and sealing the plaintext gives the right tag.
"""

from __future__ import annotations

from functools import lru_cache
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from metergate.errors import BadValue, WrongKey

TAG, NONCE = 12, 12
"""Bytes of a meter's tag and nonce."""
_KEYS = (16, 24, 32)


@lru_cache(1024)
def _cipher(key: bytes) -> AESGCM:
    if len(key) not in _KEYS:
        raise BadValue(f"an AES key has 16, 24 or 32 bytes, not {len(key)}")
    return AESGCM(key)


def _checked(nonce: bytes, size: int) -> None:
    if len(nonce) != NONCE:
        raise BadValue(f"a nonce has {NONCE} bytes here, not {len(nonce)}")
    if not 4 <= size <= 16:
        raise BadValue(f"a tag has 4 to 16 bytes, not {size}")


def seal(key: bytes, nonce: bytes, associated: bytes, data: bytes, tag_size: int = TAG) -> bytes:
    """Ciphertext of `data` and behind it the first `tag_size` bytes of the tag, which also covers `associated`."""
    _checked(nonce, tag_size)
    return _cipher(key).encrypt(nonce, data, associated)[: len(data) + tag_size]


def open_(key: bytes, nonce: bytes, associated: bytes, data: bytes, tag_size: int = TAG) -> bytes:
    """The plaintext of `seal`'s result. WrongKey if the tag does not agree, compared in constant time."""
    _checked(nonce, tag_size)
    cipher, size = _cipher(key), len(data) - tag_size
    if size < 0:
        raise WrongKey("the authentication tag is missing")
    plain = cipher.encrypt(nonce, data[:size], None)[:size]
    if not compare_digest(cipher.encrypt(nonce, plain, associated)[size : size + tag_size], data[size:]):
        raise WrongKey("the authentication tag does not agree: wrong key, or the telegram was changed")
    return plain
