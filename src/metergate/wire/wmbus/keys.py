"""Keys by meter, and the counters that tell an old message from a new one. Plain dictionaries go in and come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from metergate.crypto.aes import Aes
from metergate.crypto.des import Des
from metergate.errors import BadValue, Replay
from metergate.wire.wmbus.link import Address

Cipher = Aes | Des


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

    @staticmethod
    def _cipher(key: bytes) -> Cipher:
        if len(key) not in (16, 8):
            raise BadValue(f"a wireless M-Bus key has 16 bytes (8 for DES), not {len(key)}")
        return Aes(key) if len(key) == 16 else Des(key)

    def add(self, name: str, key: bytes) -> None:
        """Set the key of a meter ("12345678" or "ELS 12345678"); BadValue if its length is wrong."""
        self._ciphers[name.upper()] = self._cipher(key)
        self.changes += 1

    def remove(self, name: str) -> None:
        """Forget the key of a meter; nothing happens where there is none."""
        self._ciphers.pop(name.upper(), None)
        self.changes += 1

    def of(self, *addresses: Address) -> Cipher | None:
        """The cipher of the first of the addresses that has one, or the common one, or None."""
        for address in addresses:
            for name in (f"{address.manufacturer} {address.id}", address.id):
                if found := self._ciphers.get(name):
                    return found
        return self._common

    def __len__(self) -> int:
        return len(self._ciphers)


class Counters:
    """The last authenticated message counter of every meter. `Counters(saved)` goes on where `saved()` left off."""

    def __init__(self, saved: Mapping[str, int] | Iterable[tuple[str, int]] = ()) -> None:
        self._last: dict[str, int] = dict(saved)

    def accept(self, meter: str, counter: int) -> None:
        """Take note of a counter; Replay if it did not grow since the last one."""
        last = self._last.get(meter, -1)
        if counter <= last:
            raise Replay(f"message counter {counter} of meter {meter} is not above {last}: an old telegram")
        self._last[meter] = counter

    def saved(self) -> dict[str, int]:
        """All of them, to be stored."""
        return dict(self._last)
