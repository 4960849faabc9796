"""Keys by meter, for the wired and the wireless M-Bus. Plain dictionaries go in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from metergate.crypto.aes import Aes
from metergate.crypto.des import Des
from metergate.errors import BadValue

Cipher = Aes | Des


class Named(Protocol):
    """A meter as its telegrams name it."""

    @property
    def id(self) -> str:
        """As printed on the meter."""
        ...

    @property
    def manufacturer(self) -> str:
        """Three letters."""
        ...


class Keyring:
    """The key of every meter, found by its id in one step. Keeps the ciphers' contexts, so use one ring a thread.

    `keys`: 16 bytes (8 for meters with DES) by meter id as printed ("12345678"), or by manufacturer and id
    ("ELS 12345678") where two makers use the same number; that comes first. `common` serves all others.
    """

    def __init__(self, keys: Mapping[str, bytes] | None = None, common: bytes | None = None) -> None:
        self._ciphers: dict[str, Cipher] = {}
        self._common: Cipher | None = None
        self.changes = 0
        """Grows with every change, so that whoever remembered a key knows to ask again."""
        for name, key in (keys or {}).items():
            self.add(name, key)
        if common is not None:
            self._common = self._cipher(common)

    @classmethod
    def given(cls, keys: Mapping[str, bytes]) -> Keyring:
        """From what a receiver is given: `key` for all meters, others by "12345678" or "ELS 12345678"."""
        single = {meter: key for meter, key in keys.items() if len(meter.rpartition(" ")[2]) == _DIGITS}
        return cls(single, keys.get("key"))

    @staticmethod
    def _cipher(key: bytes) -> Cipher:
        if len(key) not in (16, 8):
            raise BadValue(f"an M-Bus key has 16 bytes (8 for DES), not {len(key)}")
        return Aes(key) if len(key) == 16 else Des(key)

    def add(self, name: str, key: bytes) -> None:
        """Set the key of a meter ("12345678" or "ELS 12345678"); BadValue if its length is wrong."""
        self._ciphers[name.upper()] = self._cipher(key)
        self.changes += 1

    def remove(self, name: str) -> None:
        """Forget the key of a meter; nothing happens where there is none."""
        self._ciphers.pop(name.upper(), None)
        self.changes += 1

    def of(self, *meters: Named) -> Cipher | None:
        """The cipher of the first of the meters that has one, or the common one, or None."""
        for meter in meters if self._ciphers else ():
            for name in (f"{meter.manufacturer} {meter.id}", meter.id):
                if found := self._ciphers.get(name):
                    return found
        return self._common

    def __len__(self) -> int:
        return len(self._ciphers)


_DIGITS = 8
