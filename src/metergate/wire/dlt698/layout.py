"""How things lie on the wire of DL/T 698.45: small codecs that read and write the same octets.

Each has `read(cursor, depth)` and `write(value)`. A `Cursor` that is a `Tracer` notes every named part it passes, which
is how a telegram is explained. Numbers travel high octet first, counts and lengths in the short or long form of A-XDR.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from metergate.bits import Cursor
from metergate.errors import BadValue, DecodeError, Truncated

DEEPEST = 16


class Codec(Protocol):
    """One thing on the wire."""

    def read(self, cursor: Cursor, depth: int = 0) -> Any:
        """The value that begins at the cursor. DecodeError."""
        ...

    def write(self, value: Any) -> bytes:
        """The octets of a value. BadValue if it does not fit."""
        ...


class Tracer(Cursor):
    """A cursor that remembers the named parts: `(depth, name, begin, end, value)`."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.parts: list[tuple[int, str, int, int, Any]] = []


@dataclass(frozen=True, slots=True)
class Uint:
    """An unsigned number of `size` octets."""

    size: int

    def read(self, cursor: Cursor, depth: int = 0) -> int:
        """See `Codec`."""
        return cursor.uint(self.size, "big")

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        try:
            return int(value).to_bytes(self.size, "big")
        except OverflowError:
            raise BadValue(f"{value} does not fit {self.size} octets") from None


@dataclass(frozen=True, slots=True)
class Int:
    """A signed number of `size` octets."""

    size: int

    def read(self, cursor: Cursor, depth: int = 0) -> int:
        """See `Codec`."""
        return int.from_bytes(cursor.take(self.size), "big", signed=True)

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        try:
            return int(value).to_bytes(self.size, "big", signed=True)
        except OverflowError:
            raise BadValue(f"{value} does not fit {self.size} octets with a sign") from None


@dataclass(frozen=True, slots=True)
class Fixed:
    """`size` octets as they are."""

    size: int

    def read(self, cursor: Cursor, depth: int = 0) -> bytes:
        """See `Codec`."""
        return cursor.take(self.size)

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        if len(value) != self.size:
            raise BadValue(f"{len(value)} octets, {self.size} wanted")
        return bytes(value)


@dataclass(frozen=True, slots=True)
class Nothing:
    """No octets at all."""

    def read(self, cursor: Cursor, depth: int = 0) -> None:
        """See `Codec`."""

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        return b""


def read_length(cursor: Cursor) -> int:
    """A count or length: one octet up to 7F, else 81..84 and as many octets."""
    first = cursor.byte()
    if first < 0x80:
        return first
    if not 0x81 <= first <= 0x84:
        raise BadValue(f"length octet {first:02x}", cursor.offset - 1)
    return cursor.uint(first & 0x7F, "big")


def write_length(value: int) -> bytes:
    """See `read_length`."""
    if value < 0x80:
        return bytes((value,))
    octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


@dataclass(frozen=True, slots=True)
class Octets:
    """Length and octets."""

    def read(self, cursor: Cursor, depth: int = 0) -> bytes:
        """See `Codec`."""
        return cursor.take(read_length(cursor))

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        return write_length(len(value)) + bytes(value)


@dataclass(frozen=True, slots=True)
class Text:
    """Length and text; `coding` ascii (other octets are kept as Latin-1) or utf-8."""

    coding: str = "latin-1"

    def read(self, cursor: Cursor, depth: int = 0) -> str:
        """See `Codec`."""
        octets = cursor.take(read_length(cursor))
        try:
            return octets.decode(self.coding)
        except UnicodeDecodeError:
            raise BadValue("text is not UTF-8", cursor.offset - len(octets)) from None

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        try:
            octets = str(value).encode(self.coding)
        except UnicodeEncodeError:
            raise BadValue("text that has no octets in this coding") from None
        return write_length(len(octets)) + octets


@dataclass(frozen=True, slots=True)
class Many:
    """A count and as many of one kind; a tuple."""

    of: Codec
    name: str = "item"

    def read(self, cursor: Cursor, depth: int = 0) -> tuple[Any, ...]:
        """See `Codec`."""
        count = read_length(cursor)
        if count > cursor.left:
            raise Truncated(f"{count} {self.name}s announced, {cursor.left} octets left", cursor.offset)
        return tuple([noted(cursor, self.name, self.of, depth) for _ in range(count)])

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        return write_length(len(value)) + b"".join([self.of.write(one) for one in value])


@dataclass(frozen=True, slots=True)
class Seq:
    """Named parts one after the other; a dict."""

    parts: tuple[tuple[str, Codec], ...]

    def read(self, cursor: Cursor, depth: int = 0) -> dict[str, Any]:
        """See `Codec`."""
        return {name: noted(cursor, name, codec, depth) for name, codec in self.parts}

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        return b"".join([codec.write(value.get(name, _DEFAULTS.get(name))) for name, codec in self.parts])


@dataclass(frozen=True, slots=True)
class Row:
    """As `Seq`, but a tuple without names."""

    parts: tuple[Codec, ...]

    def read(self, cursor: Cursor, depth: int = 0) -> tuple[Any, ...]:
        """See `Codec`."""
        return tuple([codec.read(cursor, depth + 1) for codec in self.parts])

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        if len(value) != len(self.parts):
            raise BadValue(f"{len(value)} parts, {len(self.parts)} wanted")
        return b"".join([codec.write(one) for codec, one in zip(self.parts, value, strict=True)])


@dataclass(frozen=True, slots=True)
class Choice:
    """One octet tells which; `(octet, value)`."""

    what: str
    of: Mapping[int, Codec]

    def read(self, cursor: Cursor, depth: int = 0) -> tuple[int, Any]:
        """See `Codec`."""
        which = cursor.byte()
        codec = self.of.get(which)
        if codec is None:
            raise BadValue(f"{self.what} {which:02x} is none", cursor.offset - 1)
        return which, codec.read(cursor, depth + 1)

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        which, inner = value
        if which not in self.of:
            raise BadValue(f"{self.what} {which:02x} is none")
        return bytes((which,)) + self.of[which].write(inner)


@dataclass(frozen=True, slots=True)
class Optional:
    """00: None; 01: the thing."""

    of: Codec

    def read(self, cursor: Cursor, depth: int = 0) -> Any:
        """See `Codec`."""
        there = cursor.byte()
        if there > 1:
            raise BadValue(f"{there:02x} for there or not there", cursor.offset - 1)
        return self.of.read(cursor, depth + 1) if there else None

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        return b"\0" if value is None else b"\1" + self.of.write(value)


@dataclass(frozen=True, slots=True)
class Lazy:
    """A codec that is only named here, because it contains itself. BadValue deeper than 16."""

    get: Callable[[], Codec] = field(repr=False)

    def read(self, cursor: Cursor, depth: int = 0) -> Any:
        """See `Codec`."""
        if depth > DEEPEST:
            raise BadValue(f"nested deeper than {DEEPEST}", cursor.offset)
        return self.get().read(cursor, depth + 1)

    def write(self, value: Any) -> bytes:
        """See `Codec`."""
        return self.get().write(value)


_DEFAULTS: dict[str, Any] = {"piid": 0, "time_tag": None, "follow_report": None}


def noted(cursor: Cursor, name: str, codec: Codec, depth: int) -> Any:
    """Read a named part, and note where it lay if the cursor is a tracer."""
    if not isinstance(cursor, Tracer):
        return codec.read(cursor, depth + 1)
    begin, place = cursor.at, len(cursor.parts)
    value = codec.read(cursor, depth + 1)
    cursor.parts.insert(place, (depth, name, begin, cursor.at, value))
    return value


def seq(*parts: tuple[str, Codec]) -> Seq:
    """A `Seq` of these parts."""
    return Seq(parts)


def whole(codec: Codec, octets: bytes) -> Any:
    """The value of all of `octets`. BadValue if some are left over, and what the codec raises."""
    cursor = Cursor(octets)
    value = codec.read(cursor)
    if cursor.left:
        raise BadValue(f"{cursor.left} octets more than expected", cursor.at)
    return value


def trace(codec: Codec, octets: bytes) -> Sequence[tuple[int, str, int, int, Any]]:
    """The named parts of `octets`, as far as they can be read."""
    tracer = Tracer(octets)
    try:
        codec.read(tracer)
    except DecodeError as error:
        tracer.parts.append((0, "unreadable", tracer.at, len(octets), error.reason))
    return tracer.parts
