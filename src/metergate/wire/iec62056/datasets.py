"""Data sets, `address(value*unit)`: how values stand in data messages and commands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from metergate.errors import BadValue

ADDRESS = re.compile(r"[0-9A-Za-z][0-9A-Za-z.:*&\-]{0,31}")
"""What an address looks like; anything else in front of a bracket is noise where no check character protects it."""
_TOKEN = re.compile(r"(?:\r\n)*([^()\x00-\x1f]*)\(([^()\x00-\x1f]*)\)")
_TAIL = re.compile(r"[\r\n]*!?[\r\n]*")
MOST = 20_000
"""Values of one message."""


class Item(NamedTuple):
    """One bracket: the value as sent and the unit behind the last asterisk, None where there is none."""

    text: str
    unit: str | None = None

    def __str__(self) -> str:
        return f"({self.text})" if self.unit is None else f"({self.text}*{self.unit})"


class DataSet(NamedTuple):
    """An address (empty where an answer repeats none) and its brackets."""

    address: str
    items: tuple[Item, ...]

    def __str__(self) -> str:
        return self.address + "".join(map(str, self.items))


def item(text: str) -> Item:
    """The inside of a bracket."""
    value, star, unit = text.rpartition("*")
    return Item(value, unit) if star else Item(text)


def data_set(address: str, *values: str) -> DataSet:
    """A data set of values as they stand in their brackets."""
    return DataSet(address, tuple(map(item, values)))


def parse(text: str, strict: bool = False) -> tuple[DataSet, ...]:
    """All data sets of a message's text, up to the exclamation mark where there is one.

    Brackets that follow one another, also over a line end, belong to one address. BadValue, with the place, where
    something else stands between; `strict`: also where an address is none.
    """
    found: list[tuple[str, list[Item]]] = []
    at = count = 0
    while match := _TOKEN.match(text, at):
        address, inside = match.groups()
        if address and strict and not ADDRESS.fullmatch(address):
            raise BadValue(f"{address[:40]!r} is no address", at)
        if address or not found:
            found.append((address, []))
        found[-1][1].append(item(inside))
        at, count = match.end(), count + 1
        if count > MOST:
            raise BadValue(f"more than {MOST} values", at)
    if not _TAIL.fullmatch(text, at):
        raise BadValue(f"{text[at : at + 40]!r} is no data set", at)
    return tuple(DataSet(address, tuple(items)) for address, items in found)


def lines(sets: Iterable[DataSet]) -> str:
    """Each data set on a line of its own."""
    return "".join(f"{one}\r\n" for one in sets)


def readout(sets: Iterable[DataSet]) -> str:
    """The text of a data readout, exclamation mark and all."""
    return lines(sets) + "!\r\n"
