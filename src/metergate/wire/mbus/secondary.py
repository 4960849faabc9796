"""Secondary addresses: who a slave is rather than where, with wildcards (EN 13757-3, selection by CI 52)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from metergate.errors import BadValue
from metergate.wire.mbus.names import MEDIA, manufacturer, manufacturer_code
from metergate.wire.mbus.telegram import LongHeader

SIZE = 8
DIGITS = "0123456789"
"""What a number of a device is made of; some makers use A-E besides."""


@dataclass(frozen=True, slots=True)
class Secondary:
    """A secondary address. In `id` each F stands for any digit; None stands for any manufacturer, version, medium."""

    id: str = "FFFFFFFF"
    manufacturer: str | None = None
    version: int | None = None
    medium: int | None = None

    def __post_init__(self) -> None:
        if len(self.id) != SIZE or any(digit not in "0123456789ABCDEF" for digit in self.id):
            raise BadValue(f"{self.id!r} is no secondary address: eight digits, F for any")

    @property
    def octets(self) -> bytes:
        """The eight bytes behind CI 52."""
        maker = 0xFFFF if self.manufacturer is None else manufacturer_code(self.manufacturer)
        rest = (0xFF if number is None else number for number in (self.version, self.medium))
        return bytes.fromhex(self.id)[::-1] + maker.to_bytes(2, "little") + bytes(rest)

    @classmethod
    def parse(cls, octets: bytes) -> Secondary:
        """From the eight bytes. BadValue if there are not eight."""
        if len(octets) != SIZE:
            raise BadValue(f"a secondary address has {SIZE} bytes, not {len(octets)}")
        code = int.from_bytes(octets[4:6], "little")
        maker = None if code == 0xFFFF else manufacturer(code)
        version, medium = (None if octet == 0xFF else octet for octet in octets[6:8])
        return cls(octets[3::-1].hex().upper(), maker, version, medium)

    @classmethod
    def of(cls, header: LongHeader) -> Secondary:
        """The full address of the meter with this header."""
        return cls(header.id, header.manufacturer, header.version, header.medium)

    def matches(self, header: LongHeader) -> bool:
        """Whether the meter with this header is meant."""
        return (
            all(wanted in ("F", digit) for wanted, digit in zip(self.id, header.id, strict=True))
            and self.manufacturer in (None, header.manufacturer)
            and self.version in (None, header.version)
            and self.medium in (None, header.medium)
        )

    def narrower(self, makers: Sequence[str] = (), digits: str = DIGITS) -> Iterator[Secondary]:
        """The addresses that this one splits into: by the first open digit, then maker, version, medium.

        `makers` and `digits` are those to be tried.
        """
        open_digit = self.id.find("F")
        if open_digit >= 0:
            for digit in digits:
                yield replace(self, id=self.id[:open_digit] + digit + self.id[open_digit + 1 :])
        elif self.manufacturer is None and makers:
            yield from (replace(self, manufacturer=maker) for maker in makers)
        elif self.version is None:
            yield from (replace(self, version=number) for number in range(0xFF))
        elif self.medium is None:
            yield from (replace(self, medium=code) for code in MEDIA)

    def __str__(self) -> str:
        rest = (self.manufacturer, self.version, self.medium)
        return " ".join([self.id, *(str(part) for part in rest if part is not None)])
