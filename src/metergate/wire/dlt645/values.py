"""Values of DL/T 645 in the notation of its tables: `XXXXXX.XX`, `YYMMDDhhmm`, low octet first on the wire.

| format | meaning |
|---|---|
| `X` and `.` | packed BCD number; a leading `-`: the top bit is the sign |
| `N` | packed BCD digits that are a name: text |
| `YY MM DD hh mm ss` | instant, date or time of the meter's own clock: ISO 8601 text without zone |
| `A*n`, `H*n`, `S*n` | n octets: ASCII text, hex (bits, codes), a secret that is never shown |
| `*` | all octets that are left, as octets |
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from metergate.bits import to_bcd_reversed
from metergate.errors import BadValue
from metergate.model.reading import Value

NULL, NO_NUMBER, NO_DATE, SECRET = "null", "not a number", "not a date", "secret"
_ISO = {"Y": "20%", "M": "-%", "D": "-%", "h": "T%", "m": ":%", "s": ":%"}


@dataclass(frozen=True, slots=True)
class Format:
    """How a field is laid out. `kind` is one of X N T A H S *; `size` in octets (0: all that is left)."""

    kind: str
    size: int
    decimals: int = 0
    signed: bool = False
    letters: str = ""

    @staticmethod
    @lru_cache(256)
    def parse(text: str) -> Format:
        """From the notation above."""
        if text == "*":
            return Format("*", 0)
        if text[1:2] == "*":
            return Format(text[0], int(text[2:]))
        digits = text.lstrip("-").replace(".", "")
        if set(digits) <= {"X", "N"}:
            decimals = len(text) - text.index(".") - 1 if "." in text else 0
            return Format(digits[0], len(digits) // 2, decimals, text.startswith("-"))
        return Format("T", len(digits) // 2, letters=digits[::2])

    def decode(self, octets: bytes) -> tuple[Value, int | None, str | None]:
        """`(value, raw, reason)`; value None where there is none, with the reason."""
        if self.kind == "*":
            return octets, None, None
        if self.kind == "S":
            return None, None, SECRET
        if octets.count(0xFF) == self.size:
            return None, None, NULL
        if self.kind == "X":
            return self._number(octets)
        if self.kind == "T":
            return self._moment(octets)
        digits = octets[::-1].hex()
        if self.kind == "A":
            text = octets[::-1].decode("latin-1").strip("\0 ")
            return (text, None, None) if text.isprintable() else (digits, None, "not text")
        return digits, None, None

    def _number(self, octets: bytes) -> tuple[Value, int | None, str | None]:
        high = octets[-1]
        minus = self.signed and high & 0x80
        digits = (bytes((high & 0x7F,)) + octets[-2::-1] if minus else octets[::-1]).hex()
        if not digits.isdecimal():
            return None, None, NO_NUMBER
        raw = -int(digits) if minus else int(digits)
        return Decimal(raw).scaleb(-self.decimals), raw, None

    def _moment(self, octets: bytes) -> tuple[Value, int | None, str | None]:
        digits = octets[::-1].hex()
        if not digits.strip("0") and "Y" in self.letters:
            return None, None, NULL
        text = "".join(
            _ISO[letter].replace("%", digits[2 * at : 2 * at + 2]) for at, letter in enumerate(self.letters)
        ).lstrip("T")
        try:
            datetime.fromisoformat(text if "Y" in self.letters else f"2000-01-01T{text}")
        except ValueError:
            return None, None, NO_DATE
        return text, None, None

    def encode(self, value: Value | datetime) -> bytes:
        """The octets of `value` (None: FF). BadValue if it does not fit the format."""
        if value is None:
            return b"\xff" * self.size
        if isinstance(value, bytes):
            return value
        if self.kind == "X":
            return self._from_number(Decimal(value))  # type: ignore[arg-type]
        if self.kind == "T":
            return self._from_moment(value)
        text = str(value)
        if self.kind == "A":
            return text.encode("latin-1", "replace").ljust(self.size)[: self.size][::-1]
        return bytes.fromhex(text.zfill(2 * self.size))[::-1]

    def _from_number(self, value: Decimal) -> bytes:
        raw = int(value.scaleb(self.decimals))  # a register shows whole steps only: digits beyond are cut
        if raw < 0 and not self.signed:
            raise BadValue(f"{value} is negative, the item has no sign")
        try:
            octets = to_bcd_reversed(abs(raw), self.size)
        except OverflowError as error:
            raise BadValue(str(error)) from None
        if self.signed and octets[-1] & 0x80:
            raise BadValue(f"{value} does not fit {self.size} octets with a sign")
        return octets[:-1] + bytes((octets[-1] | 0x80,)) if raw < 0 else octets

    def _from_moment(self, value: object) -> bytes:
        if isinstance(value, datetime):
            moment = value
        else:
            text = str(value)
            moment = datetime.fromisoformat(text if "Y" in self.letters else f"2000-01-01T{text}")
        codes = {"Y": "%y", "M": "%m", "D": "%d", "h": "%H", "m": "%M", "s": "%S"}
        return bytes.fromhex(moment.strftime("".join(codes[letter] for letter in self.letters)))[::-1]
