"""The data formats A.1 to A.27 of Q/GDW 376.1 as notations of `dlt645.values.Format`, and those that are none.

The table is written from the standard's use and is to be checked per terminal.
"""

from __future__ import annotations

from datetime import datetime

from metergate.errors import BadValue
from metergate.wire.dlt645.values import Format

FORMATS: dict[int, str] = {
    5: "-XXX.X",
    6: "-XX.XX",
    7: "XXX.X",
    8: "XXXX",
    9: "-XX.XXXX",
    10: "XXXXXX",
    11: "XXXXXX.XX",
    12: "NNNNNNNNNNNN",
    13: "XXXX.XXXX",
    14: "XXXXXX.XXXX",
    15: "YYMMDDhhmm",
    16: "DDhhmmss",
    17: "MMDDhhmm",
    18: "DDhhmm",
    19: "hhmm",
    20: "YYMMDD",
    21: "YYMM",
    22: "X.X",
    23: "XX.XXXX",
    24: "DDhh",
    25: "-XXX.XXX",
    26: "X.XXX",
    27: "XXXXXXXX",
}
"""Number of the format -> notation."""


def form(number: int) -> Format:
    """Format A.`number`. BadValue if it is none of the table."""
    if number not in FORMATS:
        raise BadValue(f"format A.{number} is not decoded")
    return Format.parse(FORMATS[number])


def clock_octets(at: datetime) -> bytes:
    """A.1: second minute hour day, weekday in the high three bits of the month, year; BCD."""
    digits = bytearray(bytes.fromhex(f"{at:%S%M%H%d%m%y}"))
    digits[4] |= at.isoweekday() << 5
    return bytes(digits)


def clock(octets: bytes) -> datetime | None:
    """The instant in A.1, naive; None where it is none."""
    if len(octets) != 6:
        return None
    plain = bytearray(octets)
    plain[4] &= 0x1F
    return moment(plain[::-1].hex())


def moment(digits: str) -> datetime | None:
    """From `YYMMDDhhmm[ss]` as digits; None where it is none."""
    try:
        return datetime.strptime("20" + digits, "%Y%m%d%H%M%S" if len(digits) == 12 else "%Y%m%d%H%M")  # noqa: DTZ007
    except ValueError:
        return None
