"""SipHash-2-4: a short keyed hash of 64 bits (J.-P. Aumasson, D. J. Bernstein: SipHash, a fast short-input PRF)."""

from __future__ import annotations

from metergate.errors import BadValue

KEY = 16
_ALL = (1 << 64) - 1
_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
State = tuple[int, int, int, int]


def _left(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _ALL


def _round(state: State) -> State:
    a, b, c, d = state
    a = (a + b) & _ALL
    b = _left(b, 13) ^ a
    a = _left(a, 32)
    c = (c + d) & _ALL
    d = _left(d, 16) ^ c
    a = (a + d) & _ALL
    d = _left(d, 21) ^ a
    c = (c + b) & _ALL
    b = _left(b, 17) ^ c
    c = _left(c, 32)
    return a, b, c, d


def _rounds(state: State, count: int) -> State:
    for _ in range(count):
        state = _round(state)
    return state


def siphash24(key: bytes, message: bytes) -> int:
    """The hash as a number of 64 bits; key and message are read low octet first. BadValue if the key has not 16."""
    if len(key) != KEY:
        raise BadValue(f"a SipHash key has {KEY} octets, not {len(key)}")
    low, high = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    a, b, c, d = (start ^ part for start, part in zip(_START, (low, high, low, high), strict=True))
    whole = len(message) // 8 * 8
    last = message[whole:].ljust(7, b"\0") + bytes((len(message) & 0xFF,))
    for at in range(0, whole + 8, 8):
        word = int.from_bytes(message[at : at + 8] if at < whole else last, "little")
        a, b, c, d = _rounds((a, b, c, d ^ word), 2)
        a ^= word
    a, b, c, d = _rounds((a, b, c ^ 0xFF, d), 4)
    return a ^ b ^ c ^ d
