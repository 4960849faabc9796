"""OBIS codes: what a value is (IEC 62056-61), `A-B:C.D.E*F`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from metergate.errors import BadValue

_TEXT = re.compile(r"(?:(\d+)-(\d+):)?(\d+|[A-Z])\.(\d+)(?:\.(\d+))?(?:[*&](\d+))?")
_LETTERS = {"C": 96, "F": 97, "L": 98, "P": 99}


@dataclass(frozen=True, slots=True, order=True)
class Obis:
    """Six groups of 0..255. `f` 255 means "current value" and is left out when shown."""

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int = 255

    @staticmethod
    @lru_cache(4096)
    def parse(text: str) -> Obis:
        """From `1-0:1.8.0*255`, `1-0:1.8.0` or reduced `1.8.0` (then A-B is 1-0). BadValue if it is none."""
        found = _TEXT.fullmatch(text.strip())
        if not found:
            raise BadValue(f"{text!r} is no OBIS code: write A-B:C.D.E or A-B:C.D.E*F, as 1-0:1.8.0")
        a, b, c, d, e, f = found.groups()
        groups = (
            int(a or 1),
            int(b or 0),
            _LETTERS[c] if c in _LETTERS else int(c) if c.isdecimal() else 256,
            int(d),
            int(e or 0),
            int(f or 255),
        )
        if max(groups) > 255:
            raise BadValue(f"{text!r} is no OBIS code: in A-B:C.D.E*F every group is 0..255")
        return Obis(*groups)

    @staticmethod
    @lru_cache(4096)
    def of(octets: bytes) -> Obis:
        """From the six octets of a wire. BadValue if there are not six."""
        if len(octets) != 6:
            raise BadValue(f"an OBIS code has 6 octets, not {len(octets)} ({octets.hex()})")
        return Obis(*octets)

    @property
    def octets(self) -> bytes:
        """The six octets as on a wire."""
        return bytes((self.a, self.b, self.c, self.d, self.e, self.f))

    @property
    def full(self) -> str:
        """With group F always: `1-0:1.8.0*255`."""
        return f"{self.a}-{self.b}:{self.c}.{self.d}.{self.e}*{self.f}"

    def __str__(self) -> str:
        return self.full[:-4] if self.f == 255 else self.full
