"""DES-CBC, which old meters still use. It protects nothing any more; only for reading what they send."""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from metergate.errors import BadValue

BLOCK = 8
"""Bytes of a block."""


class Des:
    """One key of 8 bytes, else BadValue."""

    def __init__(self, key: bytes) -> None:
        if len(key) != BLOCK:
            raise BadValue(f"a DES key has {BLOCK} bytes, not {len(key)}")
        self._algorithm = TripleDES(key * 3)  # three times the same key is single DES

    def cbc_decrypt(self, iv: bytes, data: bytes) -> bytes:
        """CBC without padding; `data` in whole blocks."""
        return Cipher(self._algorithm, CBC(iv)).decryptor().update(_whole(data))

    def cbc_encrypt(self, iv: bytes, data: bytes) -> bytes:
        """The inverse, for the simulated meter."""
        return Cipher(self._algorithm, CBC(iv)).encryptor().update(_whole(data))


def _whole(data: bytes) -> bytes:
    if len(data) % BLOCK:
        raise BadValue(f"{len(data)} bytes are not whole DES blocks of {BLOCK}")
    return data
