"""Names of EN 13757-3 that wired and wireless M-Bus share: manufacturers, media, status, identification numbers."""

from __future__ import annotations

from metergate.errors import BadValue
from metergate.model import Medium

MEDIA: dict[int, Medium] = {
    0x00: Medium.OTHER,
    0x01: Medium.OIL,
    0x02: Medium.ELECTRICITY,
    0x03: Medium.GAS,
    0x04: Medium.HEAT,
    0x05: Medium.STEAM,
    0x06: Medium.WARM_WATER,
    0x07: Medium.WATER,
    0x08: Medium.HEAT_COST_ALLOCATOR,
    0x09: Medium.COMPRESSED_AIR,
    0x0A: Medium.COOLING,
    0x0B: Medium.COOLING_INLET,
    0x0C: Medium.HEAT_INLET,
    0x0D: Medium.HEAT_COOLING,
    0x0E: Medium.BUS,
    0x0F: Medium.UNKNOWN,
    0x15: Medium.HOT_WATER,
    0x16: Medium.COLD_WATER,
    0x17: Medium.DUAL_WATER,
    0x18: Medium.PRESSURE,
    0x19: Medium.AD_CONVERTER,
    0x1A: Medium.SMOKE,
    0x1B: Medium.ROOM_SENSOR,
    0x1C: Medium.GAS_DETECTOR,
    0x1D: Medium.SENSOR,
    0x1E: Medium.SENSOR,
    0x1F: Medium.SENSOR,
    0x36: Medium.RADIO_CONVERTER,
    0x37: Medium.RADIO_CONVERTER,
}
"""Device type of the header to medium; a code not in here is unknown."""
MEDIUM_CODES: dict[Medium, int] = {medium: code for code, medium in reversed(MEDIA.items())}
"""The inverse."""
STATUS = (
    (0x03, 0x01, "application busy"),
    (0x03, 0x02, "application error"),
    (0x03, 0x03, "abnormal condition"),
    (0x04, 0x04, "power low"),
    (0x08, 0x08, "permanent error"),
    (0x10, 0x10, "temporary error"),
)
"""(mask, value, meaning) of the status byte; bits 5-7 are the maker's."""


def manufacturer(code: int) -> str:
    """The three letters in a manufacturer code; its top bit only says that the address is soft."""
    return "".join(chr(64 + (code >> shift & 31)) for shift in (10, 5, 0))


def manufacturer_code(letters: str) -> int:
    """The code of three letters, `@` to `_`. BadValue for anything else."""
    numbers = [ord(letter) - 64 for letter in letters]
    if len(numbers) != 3 or not all(0 <= number < 32 for number in numbers):
        raise BadValue(f"{letters!r} is no manufacturer: three letters A-Z")
    return numbers[0] << 10 | numbers[1] << 5 | numbers[2]


def status_text(status: int) -> tuple[str, ...]:
    """What a status byte says in words."""
    said = tuple(text for mask, value, text in STATUS if status & mask == value)
    return (*said, f"maker's bits {status >> 5:03b}") if status >> 5 else said


def identification(octets: bytes) -> str:
    """The number of a device as printed: its eight digits (A-F too, as some makers use them)."""
    return octets[::-1].hex().upper()


def identification_octets(text: str) -> bytes:
    """The inverse; fewer than eight digits are filled with leading zeros. BadValue if it is no such number."""
    if not text or len(text) > 8 or any(digit not in "0123456789ABCDEFabcdef" for digit in text):
        raise BadValue(f"{text!r} is no identification number: up to eight digits")
    return bytes.fromhex(text.rjust(8, "0"))[::-1]
