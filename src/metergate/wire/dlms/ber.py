"""BER as far as ACSE needs it: tags of one byte, definite lengths, elements in the order of their tag numbers."""

from __future__ import annotations

from collections.abc import Iterator

from metergate.bits import Cursor
from metergate.errors import BadValue, Truncated
from metergate.wire.dlms.lengths import length_of, prefixed

OCTETS, OID, INTEGER = 0x04, 0x06, 0x02
"""Universal tags."""
Element = tuple[int, bytes]
"""A tag and its content."""


def tlv(tag: int, content: bytes) -> bytes:
    """An element on the wire."""
    return bytes((tag,)) + prefixed(content)


def joined(tag: int, *elements: tuple[int, bytes | None]) -> bytes:
    """An element of elements by their tag numbers; those without content are left out."""
    present = [(inner, content) for inner, content in elements if content is not None]
    present.sort(key=lambda element: element[0] & 0x1F)
    return tlv(tag, b"".join(tlv(inner, content) for inner, content in present))


def element(cursor: Cursor) -> Element:
    """The element that begins at the cursor. Truncated, BadValue."""
    tag = cursor.byte()
    return tag, cursor.take(length_of(cursor))


def elements(content: bytes) -> Iterator[Element]:
    """All elements. Truncated, BadValue."""
    cursor = Cursor(content)
    while cursor.left:
        yield element(cursor)


def inner(content: bytes, wanted: int, what: int) -> bytes:
    """The content of the one element inside of `what`. BadValue if there is another."""
    found = list(elements(content))
    if len(found) != 1 or found[0][0] != wanted:
        raise BadValue(f"element {what:02X} does not hold one element {wanted:02X}")
    return found[0][1]


def number(content: bytes) -> int:
    """A number of one byte. BadValue for any other size."""
    if len(content) != 1:
        raise BadValue(f"a number of {len(content)} bytes, not of one")
    return content[0]


class Elements:
    """The elements of one APDU by tag; whatever is not taken stays in `others`. BadValue if one comes twice."""

    def __init__(self, content: bytes) -> None:
        found = list(elements(content))
        self._by_tag = dict(found)
        if len(self._by_tag) != len(found):
            raise BadValue("an element comes twice")

    @property
    def others(self) -> tuple[Element, ...]:
        """What is left."""
        return tuple(sorted(self._by_tag.items()))

    def take(self, tag: int) -> bytes | None:
        """The content of an element; None if there is none."""
        return self._by_tag.pop(tag, None)

    def needed(self, tag: int) -> bytes:
        """The content of an element. Truncated if there is none."""
        content = self.take(tag)
        if content is None:
            raise Truncated(f"element {tag:02X} is missing")
        return content

    def octets(self, tag: int) -> bytes:
        """The octet string inside of an element; empty if there is none."""
        content = self.take(tag)
        return b"" if content is None else inner(content, OCTETS, tag)

    def value(self, tag: int) -> bytes | None:
        """The character string [0] inside of an element; other choices are left in `others`."""
        content = self._by_tag.get(tag)
        if content is None or content[:1] != b"\x80":
            return None
        del self._by_tag[tag]
        return inner(content, 0x80, tag)
