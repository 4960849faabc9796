"""Points of a Modbus meter: which registers hold a value, and how the value is to be read from them.

`value = raw / divisor`, exactly; where a scale register is named, `x 10^scale`, where a ratio register, `x ratio`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from metergate.errors import BadValue
from metergate.model import Obis, Quality, Reading, Register, Unit

Words = Mapping[tuple[int, int], int]
"""What was read: function (3 holding, 4 input registers) and address -> the 16 bits."""
FUNCTIONS = (3, 4)
INEXACT, COARSE = "inexact", "resolution lost"
"""Notes: converted from a binary fraction; a single precision number that no longer tells units apart."""
_WHOLE = 1 << 24
_NO_SCALE = 0x8000


class Kind(Enum):
    """How the bits of a value are meant."""

    U16, I16, U32, I32, U64, I64 = "u16", "i16", "u32", "i32", "u64", "i64"
    FLOAT32, FLOAT64 = "float32", "float64"

    @property
    def words(self) -> int:
        """Registers that it takes."""
        return int(self.value[-2:]) // 16

    @property
    def signed(self) -> bool:
        """Whether whole numbers may be negative."""
        return self.value[0] == "i"

    @property
    def fraction(self) -> bool:
        """Whether it is a binary fraction."""
        return self.value[0] == "f"


class WordOrder(Enum):
    """Which register of several comes first."""

    MSW = "msw-first"
    LSW = "lsw-first"


class ByteOrder(Enum):
    """The order of the octets in a register; little-endian ones break the standard."""

    BIG = "big"
    LITTLE = "little"


def power_of_ten(divisor: Decimal) -> int | None:
    """k of 10^k; None if it is no power of ten."""
    sign, digits, exponent = divisor.normalize().as_tuple()
    return exponent if (sign, digits) == (0, (1,)) and isinstance(exponent, int) else None


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a model. `address` counts from 0, as on the wire.

    `scale_register`: address of the register with the power of ten (i16); `ct_ratio`: of the transformer ratio (u16) by
    which the value is to be multiplied. `invalid`: raw values, in hex, that say "no value". `poll` False: read only
    when it is asked for by name. `writable`: may be written.
    """

    name: str
    address: int
    function: int = 3
    type: Kind = Kind.U16
    words: int = 0
    word_order: WordOrder = WordOrder.MSW
    byte_order: ByteOrder = ByteOrder.BIG
    divisor: Decimal = Decimal(1)
    unit: Unit | None = None
    obis: Obis | None = None
    scale_register: int | None = None
    ct_ratio: int | None = None
    invalid: tuple[str, ...] = ()
    writable: bool = False
    poll: bool = True
    comment: str = ""

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise ValueError(f"function {self.function} reads no registers: 3 (holding) or 4 (input)")
        if self.words not in (0, self.type.words):
            raise ValueError(f"{self.type.value} takes {self.type.words} registers, not {self.words}")
        if not 0 <= self.address <= 0x10000 - self.type.words:
            raise ValueError(f"address {self.address} is outside 0..65535")
        if power_of_ten(self.divisor) is None:
            raise ValueError(f"divisor {self.divisor} is no power of ten")
        if self.writable and self.function != 3:
            raise ValueError("only holding registers (function 3) can be written")
        digits = 4 * self.type.words
        for raw in self.invalid:
            if len(raw) != digits or any(sign not in "0123456789abcdefABCDEF" for sign in raw):
                raise ValueError(f"invalid value {raw!r} is not {digits} hex digits")

    @property
    def designator(self) -> str:
        """What it is called where it has no name: `4:342`."""
        return f"{self.function}:{self.address}"

    @property
    def places(self) -> tuple[tuple[int, int, int], ...]:
        """Function, address and number of all registers that it needs."""
        more = (address for address in (self.scale_register, self.ct_ratio) if address is not None)
        return ((self.function, self.address, self.type.words), *((self.function, address, 1) for address in more))


def octets(point: Point, words: Sequence[int]) -> bytes:
    """The raw value, high octet first, whatever the order on the wire."""
    order = "big" if point.byte_order is ByteOrder.BIG else "little"
    parts = [word.to_bytes(2, order) for word in words]  # type: ignore[arg-type]
    return b"".join(parts if point.word_order is WordOrder.MSW else reversed(parts))


def to_words(point: Point, raw: bytes) -> list[int]:
    """The inverse of `octets`."""
    order = "big" if point.byte_order is ByteOrder.BIG else "little"
    parts = [int.from_bytes(raw[at : at + 2], order) for at in range(0, len(raw), 2)]  # type: ignore[arg-type]
    return parts if point.word_order is WordOrder.MSW else parts[::-1]


def shortest(raw: bytes) -> Decimal | None:
    """The shortest decimal that is the same binary fraction of 4 or 8 octets; None for NaN and infinities."""
    (number,) = struct.unpack(_FORMS[len(raw)], raw)
    if number != number or number in (float("inf"), float("-inf")):
        return None
    if len(raw) == _DOUBLE:
        return Decimal(repr(number))
    return next(
        Decimal(text)
        for digits in range(6, 10)
        if struct.pack(">f", float(text := f"{number:.{digits}g}")) == raw or digits == _ENOUGH
    )


_DOUBLE, _ENOUGH = 8, 9
_FORMS = {4: ">f", 8: ">d"}


def reading(point: Point, words: Words, meter: str) -> Reading:
    """The value of a point. None with the reason where its registers were refused, or say that there is no value."""
    held = [words.get((point.function, point.address + at)) for at in range(point.type.words)]
    scale, ratio = _other(point, point.scale_register, words), _other(point, point.ct_ratio, words)
    if None in held or (point.scale_register is not None and scale is None) or (point.ct_ratio and ratio is None):
        return _absent(point, meter, Quality.ABSENT, "not supported")
    raw = octets(point, held)  # type: ignore[arg-type]
    if raw.hex() in map(str.lower, point.invalid) or scale == _NO_SCALE:
        return _absent(point, meter, Quality.ABSENT, "invalid")
    shift = (scale - 0x10000 if scale & _NO_SCALE else scale) if scale is not None else 0
    if abs(shift) > _LARGEST:
        return _absent(point, meter, Quality.BAD, f"scale {shift}")
    return _value(point, raw, shift, 1 if ratio is None else ratio, meter)


_LARGEST = 10
"""A larger power of ten in a scale register is not believed."""


def _other(point: Point, address: int | None, words: Words) -> int | None:
    return None if address is None else words.get((point.function, address))


def _absent(point: Point, meter: str, quality: Quality, reason: str) -> Reading:
    return Reading(register(point, meter), None, quality=quality, reason=reason)


def _value(point: Point, raw: bytes, shift: int, ratio: int, meter: str) -> Reading:
    shift -= power_of_ten(point.divisor) or 0
    if not point.type.fraction:
        number = int.from_bytes(raw, "big", signed=point.type.signed)
        return Reading(register(point, meter, shift), Decimal(number * ratio).scaleb(shift), number)
    found = shortest(raw)
    if found is None:
        return _absent(point, meter, Quality.BAD, "not a number")
    lost = len(raw) < _DOUBLE and abs(found) >= _WHOLE
    value = (found * ratio).scaleb(shift)
    return Reading(register(point, meter), value, notes=(INEXACT, COARSE) if lost else (INEXACT,))


def register(point: Point, meter: str, scaler: int = 0) -> Register:
    """What is measured."""
    name = None if point.obis else point.name
    return Register(meter, point.obis, name, point.unit, scaler, address=point.designator)


def encode(point: Point, value: Decimal, scale: int = 0, ratio: int = 1) -> list[int]:
    """The registers that show `value` best; the inverse of `reading`. BadValue if it does not fit."""
    number = value.scaleb((power_of_ten(point.divisor) or 0) - scale) / ratio
    try:
        if point.type.fraction:
            raw = struct.pack(_FORMS[2 * point.type.words], float(number))
        else:
            raw = int(number.to_integral_value()).to_bytes(2 * point.type.words, "big", signed=point.type.signed)
    except (OverflowError, struct.error):
        raise BadValue(f"{point.name}: {value} does not fit {point.type.value}") from None
    return to_words(point, raw)
