"""Encrypted data on the wired M-Bus: security mode 5 behind a long header (EN 13757-7, as on the radio)."""

from __future__ import annotations

from metergate.crypto.aes import BLOCK, Aes
from metergate.errors import KeyMissing, Truncated, Unprotected, Unsupported, WrongKey
from metergate.wire.mbus.keys import Cipher

CHECK = b"\x2f\x2f"
"""What every decrypted payload begins with: two idle fillers."""
MODES = (5, 7, 10, 13)
"""Security modes that a configuration word may ask for here; old meters keep other things in that field."""
MOST_BLOCKS = 15
_HEADER = 8
_CBC = 5


def mode(word: int) -> int:
    """The security mode in a configuration word, 0 if it asks for none of `MODES`."""
    found = word >> 8 & 31
    return found if found in MODES and word >> 4 & MOST_BLOCKS else 0


def vector(who: bytes, access: int) -> bytes:
    """Initialisation vector of mode 5. `who`: id, manufacturer, version and type as the long header has them."""
    return who[4:6] + who[:4] + who[6:8] + bytes((access,)) * 8


def opened(
    word: int, who: bytes | None, access: int, data: bytes, key: Cipher | None, clear: bool, at: int
) -> tuple[bytes, bool]:
    """The data of a telegram in clear, and whether a key has vouched for it.

    `who` as in `vector`, None where the telegram does not say; `clear`: telegrams in clear are welcome although the
    meter has a key; `at`: where `data` stands. KeyMissing, WrongKey, Unprotected, Truncated, Unsupported.
    """
    wanted = mode(word)
    if not wanted or (key is None and data.startswith(CHECK)):
        if key is not None and not clear:
            raise Unprotected("sent in clear, though the meter has a key", at)
        return data, False
    if key is None:
        raise KeyMissing(f"encrypted (security mode {wanted}), and there is no key for the meter", at)
    if wanted != _CBC or not isinstance(key, Aes):
        raise Unsupported(f"security mode {wanted} is not decoded on the wired M-Bus", at)
    if who is None:
        raise Unsupported("encrypted behind a header that does not say who the meter is", at)
    return _cbc(word, vector(who, access), data, key, clear, at)


def _cbc(word: int, start: bytes, data: bytes, key: Aes, clear: bool, at: int) -> tuple[bytes, bool]:
    size = (word >> 4 & MOST_BLOCKS) * BLOCK
    if len(data) < size:
        raise Truncated(f"{size} encrypted bytes announced, {len(data)} are there", at + len(data))
    plain = key.cbc_decrypt(start, data[:size])
    if plain.startswith(CHECK):
        return plain + data[size:], True
    if not data.startswith(CHECK):
        raise WrongKey("the key does not decrypt the telegram: its check bytes do not agree", at)
    if not clear:
        raise Unprotected("sent in clear, though the meter has a key", at)
    return data, False


def sealed(header: bytes, payload: bytes, key: Aes) -> bytes:
    """Long header (12 bytes, its configuration is filled in) and payload, encrypted in mode 5."""
    plain = CHECK + payload
    plain += b"\x2f" * (-len(plain) % BLOCK)
    word = _CBC << 8 | len(plain) // BLOCK << 4
    start = vector(header[:_HEADER], header[_HEADER])
    return header[:-2] + word.to_bytes(2, "little") + key.cbc_encrypt(start, plain)
