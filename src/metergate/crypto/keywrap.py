"""AES key wrap (RFC 3394): keys on their way to a meter, under a key that both know."""

from __future__ import annotations

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from metergate.errors import BadValue, WrongKey

_SIZES = (16, 24, 32)


def wrap(kek: bytes, key: bytes) -> bytes:
    """`key` wrapped under `kek`: 8 bytes longer. BadValue unless `kek` is an AES key and `key` whole blocks of 8."""
    if len(kek) not in _SIZES:
        raise BadValue(f"an AES key has 16, 24 or 32 bytes, not {len(kek)}")
    if len(key) < 16 or len(key) % 8:
        raise BadValue(f"{len(key)} bytes cannot be wrapped: at least 16, in blocks of 8")
    return aes_key_wrap(kek, key)


def unwrap(kek: bytes, wrapped: bytes) -> bytes:
    """The inverse of `wrap`. WrongKey if the wrapped key does not check, BadValue for impossible lengths."""
    if len(kek) not in _SIZES:
        raise BadValue(f"an AES key has 16, 24 or 32 bytes, not {len(kek)}")
    if len(wrapped) < 24 or len(wrapped) % 8:
        raise BadValue(f"{len(wrapped)} bytes are no wrapped key")
    try:
        return aes_key_unwrap(kek, wrapped)
    except InvalidUnwrap:
        raise WrongKey("the wrapped key does not check: another key wraps it, or it was changed") from None
