"""What the decoders of makers' own formats share: the block they are given and the values they find in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from metergate.bits import le
from metergate.errors import BadValue, Truncated
from metergate.model import Function, Medium, Quality, Reading, Register, Unit
from metergate.wire.mbus.times import moment
from metergate.wire.wmbus.keys import Cipher
from metergate.wire.wmbus.link import Address

OWN_CI = range(0xA0, 0xB8)
"""CI fields that say that a maker's own format follows."""


@dataclass(frozen=True, slots=True)
class Block:
    """The octets in a maker's own format, and what else a decoder may need: who sent it, its CI, all of it, the key."""

    data: bytes
    address: Address
    ci: int = 0
    telegram: bytes = b""
    key: Cipher | None = None

    def need(self, count: int) -> bytes:
        """The data, of which there must be `count` bytes at least, else Truncated."""
        if len(self.data) < count:
            raise Truncated(f"the maker's block has {count} bytes or more, here are {len(self.data)}", len(self.data))
        return self.data


class Item(NamedTuple):
    """One value: what `Register` and `Reading` hold, without the meter."""

    quantity: str
    value: Decimal | str | None
    unit: Unit | None = None
    raw: int | None = None
    scaler: int = 0
    storage: int = 0
    address: str | None = None
    function: Function = Function.INSTANTANEOUS
    notes: tuple[str, ...] = ()
    reason: str | None = None


Decode = Callable[[Block], list[Item]]
"""Raises DecodeError with an offset that counts from the block's beginning."""
Key = tuple[str, int | None, int | None]
"""Manufacturer, version and device type; None stands for any."""


class Own(NamedTuple):
    """A format: its name for people, its decoder, the medium where the header's type does not tell it, its CIs."""

    name: str
    decode: Decode
    medium: Medium | None = None
    cis: Iterable[int] = OWN_CI


def scaled(
    quantity: str,
    raw: int,
    unit: Unit | None,
    scaler: int = 0,
    storage: int = 0,
    address: str | None = None,
    function: Function = Function.INSTANTANEOUS,
    notes: tuple[str, ...] = (),
) -> Item:
    """The number raw x 10^scaler."""
    return Item(quantity, Decimal(raw).scaleb(scaler), unit, raw, scaler, storage, address, function, notes)


def halved(quantity: str, raw: int, bits: int, unit: Unit, scaler: int = 0, storage: int = 0) -> Item:
    """The number raw / 2^bits x 10^scaler, exactly."""
    value = (Decimal(raw) / Decimal(1 << bits)).scaleb(scaler)
    return Item(quantity, value.normalize() + 0, unit, storage=storage, notes=(f"{raw} / {1 << bits}",))


def thirds(quantity: str, raw: int, unit: Unit, scaler: int = 0) -> Item:
    """A third of raw x 10^scaler, to the sixth decimal: such meters count three times a unit."""
    value = (Decimal(raw).scaleb(scaler) / 3).quantize(Decimal("1e-6"))
    return Item(quantity, value, unit, raw, notes=("three counts a unit", "rounded to six decimals"))


def absent(quantity: str, unit: Unit | None, storage: int, reason: str, notes: tuple[str, ...] = ()) -> Item:
    """A value that the meter says it has not."""
    return Item(quantity, None, unit, storage=storage, reason=reason, notes=notes)


def day(
    octets: bytes, storage: int = 0, address: str | None = None, function: Function = Function.INSTANTANEOUS
) -> Item:
    """A date of type G of EN 13757-3."""
    text, reason, notes = moment(octets)
    return Item("time_point", text, None, None, 0, storage, address, function, notes, reason)


def packed_day(word: int) -> str:
    """The date in a word of day (bits 0-4), month (5-8), year since 2000 (9-14). BadValue if there is no such day."""
    return real_day(2000 + (word >> 9 & 63), word >> 5 & 15, word & 31)


def real_day(year: int, month: int, number: int) -> str:
    """ISO 8601 of a day; BadValue if there is none."""
    try:
        return date(year, month, number).isoformat()
    except ValueError:
        raise BadValue(f"no such date in the maker's block: {year}-{month}-{number}") from None


def signed(octets: bytes) -> int:
    """A number in two's complement, low byte first."""
    return int.from_bytes(octets, "little", signed=True)


def word(data: bytes, at: int, size: int = 2) -> int:
    """The unsigned number of `size` bytes at `at`, low byte first."""
    return int(le(data[at : at + size]))


def readings(items: Iterable[Item], meter: str, at: datetime | None, status: int | None) -> tuple[Reading, ...]:
    """The readings of `meter` that these values are."""
    return tuple(_reading(item, meter, at, status) for item in items)


def _reading(item: Item, meter: str, at: datetime | None, status: int | None) -> Reading:
    where = Register(
        meter, None, item.quantity, item.unit, item.scaler, item.storage, 0, 0, item.function, item.address
    )
    sure = Quality.ABSENT if item.value is None else Quality.GOOD
    return Reading(where, item.value, item.raw, None, at, status, sure, reason=item.reason, notes=item.notes)
