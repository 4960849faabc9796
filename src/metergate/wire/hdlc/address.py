"""HDLC addresses of one, two and four bytes (specification chapter 2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from metergate.bits import Cursor
from metergate.errors import BadValue

_SHORT, _LONG = 1 << 7, 1 << 14


@dataclass(frozen=True, slots=True)
class Address:
    """A client (one byte, `logical` alone) or a server: a logical device, and the physical one that holds it.

    `size` is 1, 2 or 4 bytes on the wire; 0 takes the smallest that fits. BadValue for what fits none.
    """

    logical: int
    physical: int | None = None
    size: int = 0

    def __post_init__(self) -> None:
        highest = max(self.logical, self.physical or 0)
        if not 0 <= min(self.logical, self.physical or 0) <= highest < _LONG:
            raise BadValue(f"{self.logical}/{self.physical} is no HDLC address: at most {_LONG - 1} each")
        least = 1 if self.physical is None else 2
        size = self.size or (least if highest < _SHORT else 4)
        if size not in (1, 2, 4) or size < least or (highest >= _SHORT and size < 4) or (least == 1 and size > 1):
            raise BadValue(f"{self.logical}/{self.physical} is no HDLC address of {size} bytes")
        object.__setattr__(self, "size", size)

    @property
    def octets(self) -> bytes:
        """As on the wire: seven bits a byte, the lowest bit set in the last."""
        if self.physical is None:
            return bytes((self.logical << 1 | 1,))
        if self.size == 2:
            return bytes((self.logical << 1, self.physical << 1 | 1))
        upper, lower = self.logical, self.physical
        return bytes((upper >> 7 << 1, (upper & 0x7F) << 1, lower >> 7 << 1, (lower & 0x7F) << 1 | 1))

    @classmethod
    def take(cls, cursor: Cursor) -> Address:
        """The address that begins at the cursor. Truncated, or BadValue for one of three or too many bytes."""
        begin, parts = cursor.offset, [cursor.byte()]
        while not parts[-1] & 1:
            if len(parts) == 4:
                raise BadValue("an HDLC address has at most 4 bytes", begin)
            parts.append(cursor.byte())
        sevens = [part >> 1 for part in parts]
        if len(sevens) == 1:
            return cls(sevens[0])
        if len(sevens) == 2:
            return cls(sevens[0], sevens[1], 2)
        if len(sevens) == 3:
            raise BadValue("no HDLC address has 3 bytes", begin)
        return cls(sevens[0] << 7 | sevens[1], sevens[2] << 7 | sevens[3], 4)

    @property
    def broadcast(self) -> bool:
        """Whether every station is meant (all ones); nobody answers then."""
        everybody = _LONG - 1 if self.size == 4 else _SHORT - 1
        return everybody in (self.logical, self.physical)

    def __str__(self) -> str:
        return f"{self.logical}" if self.physical is None else f"{self.logical}/{self.physical}"
