"""The data information block: which register, how its value is coded (EN 13757-3 §6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from metergate.errors import BadValue, Truncated
from metergate.model import Function
from metergate.wire.mbus.vif import MOST

MANUFACTURER, MORE, FILLER, READOUT = 0x0F, 0x1F, 0x2F, 0x7F
"""DIFs that begin no record: maker's data until the end, the same with more to follow, filler, global readout."""
FUNCTIONS = (Function.INSTANTANEOUS, Function.MAXIMUM, Function.MINIMUM, Function.ERROR)
SIZES: dict[int, tuple[str, int]] = {
    0x0: ("none", 0),
    0x1: ("int", 1),
    0x2: ("int", 2),
    0x3: ("int", 3),
    0x4: ("int", 4),
    0x5: ("real", 4),
    0x6: ("int", 6),
    0x7: ("int", 8),
    0x8: ("none", 0),
    0x9: ("bcd", 1),
    0xA: ("bcd", 2),
    0xB: ("bcd", 3),
    0xC: ("bcd", 4),
    0xD: ("variable", 0),
    0xE: ("bcd", 6),
}
"""Coding and size in bytes by the low nibble of the DIF; 8 is the selection for readout, D tells its length itself."""


@dataclass(frozen=True, slots=True)
class Dib:
    """Storage, tariff and subunit number, function, and the coding of the value."""

    coding: str
    size: int
    function: Function = Function.INSTANTANEOUS
    storage: int = 0
    tariff: int = 0
    subunit: int = 0

    @property
    def octets(self) -> bytes:
        """The shortest block that says this. OverflowError if a number does not fit ten DIFEs."""
        nibble = next(code for code, form in SIZES.items() if form == (self.coding, self.size))
        dif = nibble | FUNCTIONS.index(self.function) << 4 | (self.storage & 1) << 6
        storage, tariff, subunit, block = self.storage >> 1, self.tariff, self.subunit, [dif]
        while storage or tariff or subunit:
            block.append(storage & 15 | (tariff & 3) << 4 | (subunit & 1) << 6)
            storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
        if len(block) > MOST + 1:
            raise OverflowError(f"storage {self.storage}, tariff {self.tariff}, subunit {self.subunit} do not fit")
        return bytes([code | 0x80 for code in block[:-1]] + block[-1:])


def block_end(data: bytes, at: int, end: int, base: int = 0) -> int:
    """Where the data information block that begins at `at` ends. Truncated, or BadValue for more than ten DIFEs."""
    start = at
    while True:
        if at >= end:
            raise Truncated("the record ends in its DIF", base + at)
        if at - start > MOST:
            raise BadValue(f"more than {MOST} DIFEs", base + start)
        at += 1
        if not data[at - 1] & 0x80:
            return at


@lru_cache(4096)
def dib(octets: bytes) -> Dib:
    """What a data information block says. BadValue for a DIF that is reserved."""
    first, nibble = octets[0], octets[0] & 15
    if nibble not in SIZES:
        raise BadValue(f"DIF {first:02X}H is reserved")
    storage, tariff, subunit = first >> 6 & 1, 0, 0
    for place, code in enumerate(octets[1:]):
        storage |= (code & 15) << 4 * place + 1
        tariff |= (code >> 4 & 3) << 2 * place
        subunit |= (code >> 6 & 1) << place
    return Dib(*SIZES[nibble], FUNCTIONS[first >> 4 & 3], storage, tariff, subunit)
