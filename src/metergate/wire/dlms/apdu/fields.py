"""The fields of APDUs: how each is read and written (A-XDR). `forms` strings them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from metergate.bits import Cursor
from metergate.errors import BadValue
from metergate.wire.dlms import data as cosem
from metergate.wire.dlms.data import Data
from metergate.wire.dlms.lengths import count_of, length, length_of, prefixed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """One field: from the octets, to the octets."""

    read: Callable[[Cursor], T]
    write: Callable[[T], bytes]


def unsigned(size: int) -> Field[int]:
    """A number of `size` octets."""
    return Field(lambda cursor: cursor.uint(size, "big"), lambda value: value.to_bytes(size, "big"))


U8, U16, U32 = unsigned(1), unsigned(2), unsigned(4)
I8: Field[int] = Field(
    lambda cursor: int.from_bytes(cursor.take(1), "big", signed=True),
    lambda value: value.to_bytes(1, "big", signed=True),
)
DATA: Field[Data] = Field(cosem.read, cosem.encode)
BOOL: Field[bool] = Field(lambda cursor: cursor.byte() != 0, lambda value: b"\x01" if value else b"\x00")
OCTETS: Field[bytes] = Field(lambda cursor: cursor.take(length_of(cursor)), prefixed)
NOTHING: Field[None] = Field(lambda cursor: None, lambda value: b"")


def fixed(size: int) -> Field[bytes]:
    """`size` octets."""
    return Field(lambda cursor: cursor.take(size), bytes)


def optional(field: Field[T]) -> Field[T | None]:
    """A field that may be absent: 00, or 01 and the field."""

    def read(cursor: Cursor) -> T | None:
        at, usage = cursor.offset, cursor.byte()
        if usage > 1:
            raise BadValue(f"an optional field begins with 00 or 01, not {usage:02X}H", at)
        return field.read(cursor) if usage else None

    return Field(read, lambda value: b"\x00" if value is None else b"\x01" + field.write(value))


def at_end(field: Field[T]) -> Field[T | None]:
    """The last field, which some leave out."""
    return Field(
        lambda cursor: field.read(cursor) if cursor.left else None,
        lambda value: b"" if value is None else field.write(value),
    )


def default(field: Field[T], usual: T) -> Field[T]:
    """A field that is left out where it has its usual value."""
    inner = optional(field)

    def read(cursor: Cursor) -> T:
        found = inner.read(cursor)
        return usual if found is None else found

    return Field(read, lambda value: inner.write(None if value == usual else value))


def many(field: Field[T]) -> Field[tuple[T, ...]]:
    """A count and so many fields."""
    return Field(
        lambda cursor: tuple([field.read(cursor) for _ in range(count_of(cursor))]),
        lambda values: length(len(values)) + b"".join(map(field.write, values)),
    )


def record(make: Callable[..., T], **fields: Field[Any]) -> Field[T]:
    """Fields one after the other, by the names of the attributes they become."""

    def read(cursor: Cursor) -> T:
        return make(**{name: field.read(cursor) for name, field in fields.items()})

    return Field(read, lambda value: b"".join(field.write(getattr(value, name)) for name, field in fields.items()))


def choice(what: str, forms: Mapping[int, tuple[Callable[[Any], bool], Field[Any]]]) -> Field[Any]:
    """An octet that says which field follows; when writing, the first form whose test agrees with the value."""

    def read(cursor: Cursor) -> Any:
        at, number = cursor.offset, cursor.byte()
        if number not in forms:
            raise BadValue(f"{what}: there is no choice {number}", at)
        return forms[number][1].read(cursor)

    def write(value: Any) -> bytes:
        for number, (fits, field) in forms.items():
            if fits(value):
                return bytes((number,)) + field.write(value)
        raise ValueError(f"{what}: {value!r} cannot be written")

    return Field(read, write)


def kind(*types: type) -> Callable[[Any], bool]:
    """A test for `choice`: the value is of one of these types."""
    return lambda value: isinstance(value, types)
