"""SML's coding: a type-length field before every element (SML binary encoding).

TL octet: bit 7 another TL octet follows, bits 6-4 type, bits 3-0 length (four more bits with each further octet). The
length of a scalar counts its TL octets; that of a list counts elements. A tree of elements is plain Python:

    octet string    bytes, None where absent (01)
    boolean         bool
    integer         Integer, which keeps width and sign so that it is written as it was read
    list            list
    end of message  END
"""

from __future__ import annotations

from typing import NamedTuple

from metergate.errors import BadValue, Truncated

MAX_DEPTH = 16
MAX_TL = 4
"""TL octets of one element at most: lengths up to 65,535."""
OCTETS, BOOLEAN, SIGNED, UNSIGNED, LIST = 0, 4, 5, 6, 7
KINDS = {OCTETS: "octet string", BOOLEAN: "boolean", SIGNED: "signed", UNSIGNED: "unsigned", LIST: "list"}


class Integer(NamedTuple):
    """A number as it stands on the wire: 1 to 8 octets, any count is legal."""

    value: int
    size: int
    signed: bool = False


class End:
    """The type of `END`."""

    def __repr__(self) -> str:
        return "END"


END = End()
"""The end-of-message element, 00."""

_make = tuple.__new__  # half the cost of Integer(...)
_UNSIGNED = tuple(Integer(value, 1) for value in range(256))
_SIGNED = tuple(Integer(value - (value >> 7 << 8), 1, True) for value in range(256))
_NUMBERS = frozenset((*range(0x52, 0x5A), *range(0x62, 0x6A)))
"""TL octets of numbers of one to eight bytes."""
Node = bytes | bool | None | Integer | End | list["Node"]


def header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """The element at `at`: (type, where its content begins, where it ends); of a list (7, content, element count).

    Truncated or BadValue if it cannot be one; a length never points past `end`.
    """
    if at >= end:
        raise Truncated("an element is missing", at)
    octet = data[at]
    kind, length, content = octet >> 4 & 7, octet & 15, at + 1
    while octet & 0x80:
        if content >= end:
            raise Truncated("a length is cut off", at)
        octet = data[content]
        content += 1
        if octet & 0x70 or content - at > MAX_TL:
            raise BadValue(f"no length can be coded {data[at:content].hex()}", at)
        length = length << 4 | octet & 15
    if kind == LIST:
        if length > end - content:
            raise Truncated(f"a list of {length} elements in {end - content} bytes", at)
        return kind, content, length
    stop = at + length
    if stop > end:
        raise Truncated(f"an element of {length} bytes, {end - at} are left", at)
    if stop < content and length:
        raise BadValue(f"an element of {length} bytes cannot have {content - at} of length", at)
    return kind, content, stop


def decode(data: bytes, at: int, end: int, depth: int = 0) -> tuple[Node, int]:
    """The element at `at` and where the next one begins. Truncated or BadValue; offsets count within `data`."""
    if at < end and data[at] == 1:
        return None, at + 1
    kind, content, stop = header(data, at, end)
    if kind == LIST:
        if depth >= MAX_DEPTH:
            raise BadValue(f"lists nested deeper than {MAX_DEPTH}", at)
        return decode_items(data, content, end, stop, depth + 1)
    if kind in (SIGNED, UNSIGNED):
        if not 1 <= stop - content <= 8:
            raise BadValue(f"a number of {stop - content} bytes", at)
        signed = kind == SIGNED
        return Integer(int.from_bytes(data[content:stop], "big", signed=signed), stop - content, signed), stop
    if kind == OCTETS:
        return (data[content:stop] or None, stop) if stop > at else (END, content)
    if kind != BOOLEAN or stop != content + 1:
        raise BadValue(f"no element begins with {data[at]:02x}", at)
    return data[content] != 0, stop


def decode_items(data: bytes, at: int, end: int, count: int, depth: int = 1) -> tuple[list[Node], int]:
    """`count` elements one after the other. Those with one TL octet, nearly all, are read here as `decode` would."""
    items: list[Node] = []
    for _ in range(count):
        octet = data[at] if at < end else 0
        stop = at + (octet & 15)
        if octet == 1:
            items.append(None)
        elif octet in _NUMBERS and stop <= end:
            signed = octet < 0x60
            if stop == at + 2:
                items.append((_SIGNED if signed else _UNSIGNED)[data[at + 1]])
            else:
                number = int.from_bytes(data[at + 1 : stop], "big", signed=signed)
                items.append(_make(Integer, (number, stop - at - 1, signed)))
        elif 1 < octet < 16 and stop <= end:
            items.append(data[at + 1 : stop])
        elif 0x70 < octet < 0x80 and depth < MAX_DEPTH and stop < end:
            inner, stop = decode_items(data, at + 1, end, octet & 15, depth + 1)
            items.append(inner)
        else:
            item, stop = decode(data, at, end, depth)
            items.append(item)
        at = stop
    return items, at


def encode(node: Node) -> bytes:
    """The bytes of a tree. OverflowError if a number does not fit its width; ValueError if the width is not 1 to 8."""
    if node is None:
        return b"\x01"
    if isinstance(node, bytes):
        return tl(OCTETS, len(node)) + node
    if isinstance(node, bool):
        return b"\x42\x01" if node else b"\x42\x00"
    if isinstance(node, Integer):
        if not 1 <= node.size <= 8:
            raise ValueError(f"a number of {node.size} bytes")
        kind = SIGNED if node.signed else UNSIGNED
        return tl(kind, node.size) + node.value.to_bytes(node.size, "big", signed=node.signed)
    if isinstance(node, End):
        return b"\x00"
    return tl(LIST, len(node)) + b"".join(map(encode, node))


def tl(kind: int, count: int) -> bytes:
    """The TL field before `count` bytes of content, or `count` list elements. ValueError if that is too much."""
    for size in range(1, MAX_TL + 1):
        length = count if kind == LIST else count + size
        if length < 16**size:
            nibbles = [length >> 4 * place & 15 for place in reversed(range(size))]
            nibbles[0] |= kind << 4
            return bytes(nibble | (0x80 if place < size - 1 else 0) for place, nibble in enumerate(nibbles))
    raise ValueError(f"{count} is too long for an element")


class Outline(NamedTuple):
    """Where an element lies: [`at`, `content`) is its TL field, [`content`, `end`) its content or its elements."""

    kind: int
    at: int
    content: int
    end: int
    items: tuple[Outline, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.end - self.content


def outline(data: bytes, at: int, end: int, depth: int = 0) -> Outline:
    """Where the element at `at` and all inside of it lie. Truncated or BadValue."""
    kind, content, stop = header(data, at, end)
    if kind != LIST:
        return Outline(kind, at, content, max(stop, content))
    if depth >= MAX_DEPTH:
        raise BadValue(f"lists nested deeper than {MAX_DEPTH}", at)
    items: list[Outline] = []
    place = content
    for _ in range(stop):
        items.append(outline(data, place, end, depth + 1))
        place = items[-1].end
    return Outline(kind, at, content, place, tuple(items))
