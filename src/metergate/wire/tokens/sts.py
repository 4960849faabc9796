"""Tokens of the form of STS (IEC 62055-41): 20 digits of credit or management for a prepaid meter, with toy keys.

Real keys live in certified security modules only: `Vault` is the interface to one. `Toy` is a stand-in with a cipher of
its own, for simulators and tests; it is not the standard's algorithm, and nothing here claims conformity. Which bits
stand where follows an outline of the standard that no published vector confirms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Protocol

from metergate.bits import crc_modbus
from metergate.crypto.siphash import siphash24
from metergate.errors import BadChecksum, BadValue, Replay

DIGITS, BLOCK = 20, 8
CREDIT, MANAGEMENT = 0, 2
BASES = {
    1993: datetime(1993, 1, 1, tzinfo=UTC),
    2014: datetime(2014, 1, 1, tzinfo=UTC),
    2035: datetime(2035, 1, 1, tzinfo=UTC),
}
_CLASS_AT = 27
_MANTISSA = 1 << 14
REMEMBERED = 50


class Resource(Enum):
    """What credit is for (subclasses of class 0)."""

    ELECTRICITY = 0
    WATER = 1
    GAS = 2
    CURRENCY = 4


class Order(Enum):
    """Management without a change of keys (subclasses of class 2)."""

    MAXIMUM_POWER = 0
    CLEAR_CREDIT = 1
    TARIFF_RATE = 2
    CLEAR_TAMPER = 5
    PHASE_LIMIT = 6


class Vault(Protocol):
    """A security module that holds a meter's key and enciphers blocks of 8 octets; the key never leaves it."""

    def encipher(self, block: bytes) -> bytes:
        """A block as it is sent."""
        ...

    def decipher(self, block: bytes) -> bytes:
        """The inverse."""
        ...


class Toy:
    """A vault without any safety: eight rounds over SipHash with a key from the test."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _mix(self, turn: int, half: int) -> int:
        return siphash24(self._key, bytes((turn,)) + half.to_bytes(4, "big")) & 0xFFFFFFFF

    def _turn(self, block: bytes, turns: Iterable[int]) -> bytes:
        left, right = int.from_bytes(block[:4], "big"), int.from_bytes(block[4:], "big")
        for turn in turns:
            left, right = right, left ^ self._mix(turn, right)
        return right.to_bytes(4, "big") + left.to_bytes(4, "big")

    def encipher(self, block: bytes) -> bytes:
        """See `Vault`."""
        return self._turn(block, range(8))

    def decipher(self, block: bytes) -> bytes:
        """See `Vault`."""
        return self._turn(block, range(7, -1, -1))


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `amount` counts tenths for credit and is the order's own number for management."""

    resource: Resource | Order
    issued: datetime
    amount: int
    random: int = 0

    @property
    def value(self) -> Decimal:
        """Credit in whole units."""
        return Decimal(self.amount).scaleb(-1)


def amount_bits(tenths: int) -> int:
    """The 16 bits of an amount, rounded up: 2 of exponent, 14 of mantissa. BadValue if it is too large."""
    start = 0
    for exponent in range(4):
        step: int = 10**exponent
        mantissa = -(-(tenths - start) // step)
        if 0 <= mantissa < _MANTISSA:
            return exponent << 14 | mantissa
        start += _MANTISSA * step
    raise BadValue(f"{tenths} tenths are more than a token carries")


def bits_amount(bits: int) -> int:
    """The inverse, in tenths."""
    exponent, mantissa = bits >> 14, bits & _MANTISSA - 1
    step: int = 10**exponent
    below: int = sum(_MANTISSA * 10**power for power in range(exponent))
    return mantissa * step + below


def encode(token: Token, vault: Vault, base: int = 1993) -> str:
    """The 20 digits. BadValue if the instant or the amount does not fit."""
    minutes = int((token.issued - BASES[base]).total_seconds()) // 60
    if not 0 <= minutes < 1 << 24 or not 0 <= token.random < 16:
        raise BadValue(f"{token.issued:%Y-%m-%d} is outside the time that base {base} covers")
    credit = isinstance(token.resource, Resource)
    kind = CREDIT if credit else MANAGEMENT
    amount = amount_bits(token.amount) if credit else token.amount
    if not 0 <= amount < 1 << 16:
        raise BadValue(f"{token.amount} does not fit 16 bits")
    content = token.resource.value << 44 | token.random << 40 | minutes << 16 | amount
    block = (content << 16 | _check(kind, content)).to_bytes(BLOCK, "big")
    return f"{_with_class(kind, int.from_bytes(vault.encipher(block), 'big')):0{DIGITS}d}"


def decode(digits: str, vault: Vault, base: int = 1993) -> Token:
    """What a token says. BadValue, or BadChecksum: mistyped, or for another meter."""
    number = int(digits) if len(digits) == DIGITS and digits.isascii() and digits.isdecimal() else 1 << 66
    if number >> 66:
        raise BadValue(f"a token has {DIGITS} digits, at most {(1 << 66) - 1}")
    kind, block = _without_class(number)
    plain = int.from_bytes(vault.decipher(block.to_bytes(BLOCK, "big")), "big")
    content, check = plain >> 16, plain & 0xFFFF
    if check != _check(kind, content):
        raise BadChecksum("mistyped, or made for another meter")
    subclass, random, minutes, amount = content >> 44, content >> 40 & 15, content >> 16 & 0xFFFFFF, content & 0xFFFF
    try:
        meant: Resource | Order = Resource(subclass) if kind == CREDIT else Order(subclass)
    except ValueError:
        raise BadValue(f"class {kind} has no token {subclass}") from None
    if kind not in (CREDIT, MANAGEMENT):
        raise BadValue(f"class {kind} is not known")
    told = bits_amount(amount) if kind == CREDIT else amount
    return Token(meant, BASES[base] + timedelta(minutes=minutes), told, random)


def _check(kind: int, content: int) -> int:
    """CRC of class and content."""
    return crc_modbus((kind << 48 | content).to_bytes(7, "big"))


def _with_class(kind: int, block: int) -> int:
    """66 bits: the class takes two places inside of the block, whose own bits go in front."""
    moved = block >> _CLASS_AT & 3
    return moved << 64 | block & ~(3 << _CLASS_AT) | kind << _CLASS_AT


def _without_class(number: int) -> tuple[int, int]:
    kind = number >> _CLASS_AT & 3
    block = number & (1 << 64) - 1 & ~(3 << _CLASS_AT) | (number >> 64) << _CLASS_AT
    return kind, block


@dataclass(frozen=True, slots=True)
class Meter:
    """What a prepaid meter remembers of its tokens: the instants of the last ones."""

    instants: tuple[datetime, ...] = ()
    tenths: int = 0

    def enter(self, digits: str, vault: Vault, base: int = 1993) -> tuple[Meter, Token]:
        """Take a token. BadValue, BadChecksum; Replay if it was used or is older than all that are remembered."""
        token = decode(digits, vault, base)
        full = len(self.instants) == REMEMBERED
        if token.issued in self.instants or (full and token.issued < min(self.instants)):
            raise Replay("this token was used, or is too old")
        instants = tuple(sorted((*self.instants, token.issued)))[-REMEMBERED:]
        if isinstance(token.resource, Resource):
            return Meter(instants, self.tenths + token.amount), token
        return Meter(instants, 0 if token.resource is Order.CLEAR_CREDIT else self.tenths), token
