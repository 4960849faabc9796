"""AES-128 as meters use it: CBC without padding, CTR, CCM, GCM, CMAC. Thin functions on `cryptography`.

`Aes` keeps the contexts of one key, for whoever decrypts many telegrams with it. Not for use by two threads at once.
Nothing here says anything about keys in its errors.
"""

from __future__ import annotations

from functools import cached_property
from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from metergate.errors import BadValue, WrongKey

BLOCK = 16
"""Bytes of an AES block, whatever the key's length."""


def same(mine: bytes, theirs: bytes) -> bool:
    """Equal? Takes as long for a wrong tag as for a right one."""
    return compare_digest(mine, theirs)


def xor(one: bytes, other: bytes) -> bytes:
    """Bytes of `one` flipped by those of `other`; both of the same length."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


class Aes:
    """One key (16, 24 or 32 bytes, else BadValue) and its contexts."""

    def __init__(self, key: bytes) -> None:
        self._algorithm = _once(key)
        self._key = key

    @cached_property
    def _encryptor(self) -> CipherContext:
        return Cipher(self._algorithm, ECB()).encryptor()  # noqa: S305 - the modes below are built on bare blocks

    @cached_property
    def _decryptor(self) -> CipherContext:
        return Cipher(self._algorithm, ECB()).decryptor()  # noqa: S305

    def blocks(self, data: bytes) -> bytes:
        """Every block of `data` encrypted by itself; the building brick of CTR and of one-block CMACs."""
        return self._encryptor.update(_whole(data))

    def cbc_encrypt(self, iv: bytes, data: bytes) -> bytes:
        """CBC without padding; `data` in whole blocks, else BadValue."""
        return Cipher(self._algorithm, CBC(iv)).encryptor().update(_whole(data))

    def cbc_decrypt(self, iv: bytes, data: bytes) -> bytes:
        """The inverse of `cbc_encrypt`."""
        if not data:
            return b""
        # A kept ECB context costs a fifth of making a CBC context for every telegram.
        plain = self._decryptor.update(_whole(data))
        return (int.from_bytes(plain) ^ int.from_bytes(iv + data[:-BLOCK])).to_bytes(len(data))

    def ctr(self, start: bytes, data: bytes) -> bytes:
        """CTR mode, both ways: `start` is the first counter block, counted up as a 128-bit number, high byte first."""
        first, count = int.from_bytes(start), -(-len(data) // BLOCK)
        counters = b"".join(((first + n) % (1 << 128)).to_bytes(BLOCK) for n in range(count))
        return xor(data, self.blocks(counters)[: len(data)])

    @cached_property
    def _subkey(self) -> int:
        """K1 of RFC 4493, which flips the bits of a last block that is whole."""
        whole = int.from_bytes(self.blocks(bytes(BLOCK)))
        return (whole << 1 & (1 << 128) - 1) ^ (0x87 if whole >> 127 else 0)

    def cmac(self, data: bytes) -> bytes:
        """AES-CMAC (RFC 4493), 16 bytes."""
        if len(data) == BLOCK:  # what keys are derived from: one block, a tenth of the cost of a context
            return self._encryptor.update((int.from_bytes(data) ^ self._subkey).to_bytes(BLOCK))
        mac = CMAC(self._algorithm)
        mac.update(data)
        return mac.finalize()

    def ccm_seal(self, nonce: bytes, plain: bytes, header: bytes = b"", tag: int = 16) -> bytes:
        """AES-CCM, see `ccm_seal`."""
        return ccm_seal(self._key, nonce, plain, header, tag)

    def ccm_open(self, nonce: bytes, sealed: bytes, header: bytes = b"", tag: int = 16) -> bytes:
        """AES-CCM, see `ccm_open`."""
        return ccm_open(self._key, nonce, sealed, header, tag)


def _whole(data: bytes) -> bytes:
    if len(data) % BLOCK:
        raise BadValue(f"{len(data)} bytes are not whole AES blocks of {BLOCK}")
    return data


def cbc_encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """AES-CBC without padding; `data` in whole blocks, else BadValue."""
    return Aes(key).cbc_encrypt(iv, data)


def cbc_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """The inverse of `cbc_encrypt`."""
    return Cipher(_once(key), CBC(iv)).decryptor().update(_whole(data))


def ctr(key: bytes, start: bytes, data: bytes) -> bytes:
    """AES-CTR, both ways; `start` is the first counter block (16 bytes)."""
    return Aes(key).ctr(start, data)


def cmac(key: bytes, data: bytes) -> bytes:
    """AES-CMAC (RFC 4493), 16 bytes."""
    mac = CMAC(_once(key))
    mac.update(data)
    return mac.finalize()


def _once(key: bytes) -> AES:
    """For a key of a single message, whose contexts nobody will want again."""
    if len(key) not in (16, 24, 32):
        raise BadValue(f"an AES key has 16, 24 or 32 bytes, not {len(key)}")
    return AES(key)


def gcm_seal(key: bytes, nonce: bytes, plain: bytes, header: bytes = b"", tag: int = 16) -> bytes:
    """AES-GCM: ciphertext and then the first `tag` bytes of its tag, which also covers `header`."""
    sealed = AESGCM(key).encrypt(nonce, plain, header)
    return sealed[: len(plain) + tag]


def gcm_open(key: bytes, nonce: bytes, sealed: bytes, header: bytes = b"", tag: int = 16) -> bytes:
    """The plaintext of `gcm_seal`'s result; WrongKey if the tag does not agree.

    Shortened tags (DLMS: 12 bytes) are compared with the recomputed one in constant time.
    """
    if len(sealed) < tag:
        raise WrongKey("the authentication tag is missing")
    body, given = sealed[: len(sealed) - tag], sealed[len(sealed) - tag :]
    if tag == BLOCK:
        return _opened(AESGCM(key), nonce, sealed, header)
    plain = _gcm_stream(key, nonce, body)
    if not same(AESGCM(key).encrypt(nonce, plain, header)[len(body) :][:tag], given):
        raise WrongKey("the authentication tag does not agree: wrong key, or the telegram was changed")
    return plain


def gcm_decrypt(key: bytes, nonce: bytes, body: bytes) -> bytes:
    """GCM's keystream alone (encryption without authentication, both ways); `nonce` of 12 bytes."""
    return _gcm_stream(key, nonce, body)


def _gcm_stream(key: bytes, nonce: bytes, body: bytes) -> bytes:
    if len(nonce) != 12:
        raise BadValue(f"a GCM nonce has 12 bytes here, not {len(nonce)}")
    return ctr(key, nonce + b"\x00\x00\x00\x02", body)


def ccm_seal(key: bytes, nonce: bytes, plain: bytes, header: bytes = b"", tag: int = 16) -> bytes:
    """AES-CCM: ciphertext and tag of `tag` bytes (4..16, even)."""
    return AESCCM(key, tag_length=tag).encrypt(nonce, plain, header)


def ccm_open(key: bytes, nonce: bytes, sealed: bytes, header: bytes = b"", tag: int = 16) -> bytes:
    """The plaintext of `ccm_seal`'s result; WrongKey if the tag does not agree."""
    if len(sealed) < tag:
        raise WrongKey("the authentication tag is missing")
    return _opened(AESCCM(key, tag_length=tag), nonce, sealed, header)


def _opened(cipher: AESGCM | AESCCM, nonce: bytes, sealed: bytes, header: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, header)
    except InvalidTag:
        raise WrongKey("the authentication tag does not agree: wrong key, or the telegram was changed") from None
