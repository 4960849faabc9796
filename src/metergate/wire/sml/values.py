"""The field types of SML messages: each turns an element into a Python value and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from metergate.errors import BadValue
from metergate.wire.sml.tlv import Integer, Node

SEC_INDEX, TIMESTAMP, LOCAL = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Time:
    """SML_Time. `choice` 1: secIndex, seconds since an unknown start; 2: UTC; 3: UTC with local offsets in min.

    `bare`: sent without list and choice, as Holley does with secIndex.
    """

    choice: int
    seconds: int
    offset: int = 0
    season: int = 0
    bare: bool = field(default=False, compare=False)

    @property
    def instant(self) -> datetime | None:
        """The moment in UTC; None of a secIndex, which is no wall clock."""
        return None if self.choice == SEC_INDEX else datetime.fromtimestamp(self.seconds, UTC)


Value = Integer | bytes | bool | Time | None


class Kind(NamedTuple):
    """A field type: `load` raises BadValue where the element is of another kind; absent is None for every kind."""

    load: Callable[[Node], Any]
    dump: Callable[[Any], Node]


def _wrong(node: Node, wanted: str) -> BadValue:
    found = "absent" if node is None else type(node).__name__.lower()
    return BadValue(f"{wanted} wanted, the element is {found}")


def _load_octets(node: Node) -> bytes | None:
    if node is None or type(node) is bytes:
        return node
    raise _wrong(node, "an octet string")


def _load_flag(node: Node) -> bool | None:
    if node is None or isinstance(node, bool):
        return node
    raise _wrong(node, "a boolean")


def number(size: int, signed: bool = False) -> Kind:
    """An integer field that is written with `size` bytes and read with any, but must fit."""
    low, high = (-(1 << 8 * size - 1), 1 << 8 * size - 1) if signed else (0, 1 << 8 * size)

    def load(node: Node) -> int | None:
        if node is None:
            return None
        if type(node) is not Integer:
            raise _wrong(node, "a number")
        if not low <= node.value < high:
            raise BadValue(f"{node.value} does not fit {size} byte(s)")
        return node.value

    return Kind(load, lambda value: None if value is None else Integer(value, size, signed))


def _load_time(node: Node) -> Time | None:
    if node is None:
        return None
    if type(node) is Integer:
        return Time(SEC_INDEX, _seconds(node), bare=True)
    if isinstance(node, list) and len(node) == 3:
        return _local(node, bare=True)
    if not isinstance(node, list) or len(node) != 2 or not isinstance(node[0], Integer):
        raise _wrong(node, "a time")
    choice, content = node[0].value, node[1]
    if choice == LOCAL and isinstance(content, list) and len(content) == 3:
        return _local(content, bare=False)
    if choice not in (SEC_INDEX, TIMESTAMP):
        raise BadValue(f"there is no time of choice {choice}")
    return Time(choice, _seconds(content))


def _seconds(node: Node) -> int:
    if not isinstance(node, Integer) or not 0 <= node.value < 1 << 32:
        raise _wrong(node, "seconds")
    return node.value


def _local(items: list[Node], bare: bool) -> Time:
    seconds, offset, season = items
    return Time(LOCAL, _seconds(seconds), I16.load(offset) or 0, I16.load(season) or 0, bare)


def _dump_time(time: Time | None) -> Node:
    if time is None:
        return None
    content: Node = Integer(time.seconds, 4)
    if time.choice == LOCAL:
        content = [content, Integer(time.offset, 2, True), Integer(time.season, 2, True)]
    return content if time.bare else [Integer(time.choice, 1), content]


_SCALARS = (Integer, bytes, bool, type(None))


def _load_value(node: Node) -> Value:
    if isinstance(node, _SCALARS):
        return node
    if isinstance(node, list) and len(node) == 2 and isinstance(node[1], list):
        listed = isinstance(node[0], Integer) and node[0].value == 1
        return _load_time(node[1] if listed else node)
    return _load_time(node)


def _dump_value(value: Value) -> Node:
    return [Integer(1, 1), _dump_time(value)] if isinstance(value, Time) else value


def _load_integer(node: Node) -> Integer | None:
    if node is None or type(node) is Integer:
        return node
    raise _wrong(node, "a number")


def sequence(kind: Kind) -> Kind:
    """A list of any length whose elements are all of one kind, none of them absent; None where the list is absent."""

    def load(node: Node) -> tuple[Any, ...] | None:
        if node is None:
            return None
        if not isinstance(node, list):
            raise _wrong(node, "a list")
        if None in node:
            raise BadValue("an element of a list is absent")
        return tuple([kind.load(item) for item in node])

    return Kind(load, lambda items: None if items is None else [kind.dump(item) for item in items])


def field_names(cls: Any) -> tuple[str, ...]:
    """The names of the fields of a dataclass or named tuple, in their order."""
    return tuple(getattr(cls, "_fields", None) or cls.__dataclass_fields__)


def record(cls: Callable[..., Any], kinds: tuple[Kind, ...]) -> Kind:
    """A list that is a `cls`: one kind an element, in the order of its fields."""
    names = field_names(cls)
    loads = [kind.load for kind in kinds]

    def load(node: Node) -> Any:
        if node is None:
            return None
        if not isinstance(node, list) or len(node) != len(loads):
            raise _wrong(node, f"a list of {len(loads)}")
        return cls(*[None if item is None else loader(item) for loader, item in zip(loads, node, strict=True)])

    def dump(value: Any) -> Node:
        if value is None:
            return None
        return [kind.dump(getattr(value, name)) for kind, name in zip(kinds, names, strict=True)]

    return Kind(load, dump)


OCTETS = Kind(_load_octets, lambda value: value or None)
FLAG = Kind(_load_flag, lambda value: value)
U8, U16, U32 = number(1), number(2), number(4)
I8, I16 = number(1, True), number(2, True)
TIME = Kind(_load_time, _dump_time)
VALUE = Kind(_load_value, _dump_value)
INTEGER = Kind(_load_integer, lambda value: value)
"""A number of any width that keeps it."""


def integer(value: int, signed: bool | None = None) -> Integer:
    """`value` in the narrowest of 1, 2, 4 and 8 bytes; signed where it is negative, or as told."""
    sign = value < 0 if signed is None else signed
    bits = (value if value >= 0 else ~value).bit_length() + sign
    return Integer(value, next(size for size in (1, 2, 4, 8, 99) if bits <= 8 * size), sign)
