"""Bits on the air: the 3-of-6 code of mode T and the Manchester code of mode S (EN 13757-4).

A code word that does not exist is a transmission error: `BadChecksum` names the byte it would have become.
"""

from __future__ import annotations

from metergate.errors import BadChecksum, Truncated

SYMBOLS = (0x16, 0x0D, 0x0E, 0x0B, 0x1C, 0x19, 0x1A, 0x13, 0x2C, 0x25, 0x26, 0x23, 0x34, 0x31, 0x32, 0x29)
"""The six chips of each nibble 0..F."""
_NIBBLES = {symbol: nibble for nibble, symbol in enumerate(SYMBOLS)}
_PAIRS = tuple(SYMBOLS[octet >> 4] << 6 | SYMBOLS[octet & 15] for octet in range(256))
_SPREAD = tuple(sum((2 if octet >> bit & 1 else 1) << 2 * bit for bit in range(8)) for octet in range(256))
_GATHERED = {chips: octet for octet, chips in enumerate(_SPREAD)}


def three_of_six(data: bytes) -> bytes:
    """`data` as chips, high nibble first, filled up to whole bytes with alternating chips (postamble)."""
    chips = "".join(f"{_PAIRS[octet]:012b}" for octet in data)
    if spare := -len(chips) % 8:
        chips += "01010101"[:spare]
    return int(chips, 2).to_bytes(len(chips) // 8) if chips else b""


def from_three_of_six(chips: bytes, count: int | None = None) -> bytes:
    """The first `count` bytes (all whole ones, where None) that the chips mean. Truncated if there are fewer."""
    whole = len(chips) * 8 // 12
    wanted = whole if count is None else count
    if wanted > whole:
        raise Truncated(f"{wanted} bytes wanted, {whole} are in {len(chips)} bytes of chips", len(chips))
    bits, total = int.from_bytes(chips), len(chips) * 8
    return bytes(_byte(bits >> total - 12 * (n + 1) & 0xFFF, n) for n in range(wanted))


def _byte(pair: int, place: int) -> int:
    high, low = _NIBBLES.get(pair >> 6), _NIBBLES.get(pair & 63)
    if high is None or low is None:
        raise BadChecksum(f"chips {pair:012b} are no 3-of-6 code", place)
    return high << 4 | low


def manchester(data: bytes) -> bytes:
    """`data` as chips: 1 is 10, 0 is 01."""
    return b"".join(_SPREAD[octet].to_bytes(2) for octet in data)


def from_manchester(chips: bytes) -> bytes:
    """The bytes that the chips mean; a half one at the end is Truncated."""
    if len(chips) % 2:
        raise Truncated(f"{len(chips)} bytes of chips are no whole bytes", len(chips))
    return bytes(_pair(chips, at) for at in range(0, len(chips), 2))


def _pair(chips: bytes, at: int) -> int:
    octet = _GATHERED.get(int.from_bytes(chips[at : at + 2]))
    if octet is None:
        raise BadChecksum(f"chips {chips[at : at + 2].hex()} are no Manchester code", at // 2)
    return octet
