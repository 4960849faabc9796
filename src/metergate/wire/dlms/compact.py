"""Compact arrays: one type description, then the elements' contents without types and counts.

What reads and writes a single content comes from `data`, so that both coding forms agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from metergate.bits import Cursor
from metergate.errors import BadValue
from metergate.wire.dlms.kinds import LISTS, TAGS, Data, Tag
from metergate.wire.dlms.lengths import count_of, length, length_of, prefixed

MAX_DEPTH = 16
DENSITY = 4
"""Most values that one octet of contents may stand for: types without content cost nothing there."""

Readers = Mapping[Tag, Callable[[Cursor], Any]]
Content = Callable[[Data], bytes]


@dataclass(frozen=True, slots=True)
class Shape:
    """The type description of a compact array's elements. `count`: how many elements an array has."""

    tag: Tag
    items: tuple[Shape, ...] = ()
    count: int = 0


def _shape(cursor: Cursor, depth: int) -> Shape:
    octet = cursor.byte()
    tag = TAGS.get(octet)
    if tag is None or tag == Tag.COMPACT_ARRAY:
        raise BadValue(f"{octet:02X}H is no type of a compact array's elements", cursor.offset - 1)
    if depth >= MAX_DEPTH:
        raise BadValue(f"types nested deeper than {MAX_DEPTH}", cursor.offset - 1)
    if tag == Tag.ARRAY:
        count = cursor.uint(2, "big")
        return Shape(tag, (_shape(cursor, depth + 1),), count)
    if tag == Tag.STRUCTURE:
        return Shape(tag, tuple([_shape(cursor, depth + 1) for _ in range(count_of(cursor))]))
    return Shape(tag)


def read(cursor: Cursor, readers: Readers, depth: int = 1) -> tuple[Data, ...]:
    """The elements of a compact array, the cursor behind its type octet. Truncated or BadValue."""
    shape = _shape(cursor, depth)
    held = cursor.take(length_of(cursor))
    inner = Cursor(held, base=cursor.offset - len(held))
    budget = [DENSITY * len(held)]
    found: list[Data] = []
    while inner.left:
        at = inner.at
        found.append(_shaped(inner, shape, readers, budget))
        if inner.at == at:
            raise BadValue("elements of a compact array have no content", inner.offset)
    return tuple(found)


def _shaped(cursor: Cursor, shape: Shape, readers: Readers, budget: list[int]) -> Data:
    budget[0] -= 1
    if budget[0] < 0:
        raise BadValue("a compact array has more elements than its contents can hold", cursor.offset)
    if shape.tag == Tag.ARRAY:
        return Data(shape.tag, tuple([_shaped(cursor, shape.items[0], readers, budget) for _ in range(shape.count)]))
    if shape.tag == Tag.STRUCTURE:
        return Data(shape.tag, tuple([_shaped(cursor, item, readers, budget) for item in shape.items]))
    return Data(shape.tag, readers[shape.tag](cursor))


def shape_of(value: Data) -> Shape:
    """The type description of an element. ValueError if an array in it is mixed."""
    if value.tag == Tag.STRUCTURE:
        return Shape(value.tag, tuple(shape_of(item) for item in value.items))
    if value.tag == Tag.ARRAY:
        shapes = {shape_of(item) for item in value.items} or {Shape(Tag.NULL)}
        if len(shapes) > 1:
            raise ValueError("the elements of an array in a compact array differ in type")
        return Shape(value.tag, tuple(shapes), len(value.items))
    return Shape(value.tag)


def _described(shape: Shape) -> bytes:
    head = bytes((shape.tag,))
    if shape.tag == Tag.ARRAY:
        head += shape.count.to_bytes(2, "big")
    elif shape.tag == Tag.STRUCTURE:
        head += length(len(shape.items))
    return head + b"".join(map(_described, shape.items))


def write(items: tuple[Data, ...], content: Content) -> bytes:
    """Type description and contents. ValueError if the elements differ in shape, or have no content at all."""
    shapes = {shape_of(value) for value in items} or {Shape(Tag.NULL)}
    if len(shapes) > 1:
        raise ValueError("the elements of a compact array differ in type")
    held = b"".join(_bare(value, content) for value in items)
    if items and not held:
        raise ValueError("the elements of a compact array have no content")
    return _described(*shapes) + prefixed(held)


def _bare(data: Data, content: Content) -> bytes:
    if data.tag in LISTS:
        return b"".join(_bare(item, content) for item in data.items)
    return content(data)
