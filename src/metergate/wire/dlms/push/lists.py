"""What a push says: the body of a notification as items, found by its content, never by a maker's name alone.

Three forms are told apart: a *push object list* (class, OBIS, attribute of every element) followed by the values in the
same order; a *positional* structure without any OBIS (Kaifa); everything else names its values itself: OBIS, value and
perhaps scaler and unit, one structure each (Aidon) or one after the other (Kamstrup).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from metergate.errors import BadValue, DecodeError, Unsupported
from metergate.model import Obis
from metergate.wire.dlms.data import INTEGERS, Data, Tag

CLOCK = bytes((0, 0, 1, 0, 0, 255))
LIST_NAME = bytes((1, 1, 0, 2, 129, 255))
METER = bytes((0, 0, 96, 1, 0, 255))
MODEL = bytes((0, 0, 96, 1, 7, 255))
_TEXTS = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
_LISTS = (Tag.ARRAY, Tag.STRUCTURE)
_PUSH_SETUP = 40
_SCALER_UNIT = {3: 3, 4: 3, 5: 4}
"""Which attribute of a class holds scaler and unit."""


class Item(NamedTuple):
    """A value with its OBIS; scaler and unit (DLMS code) where the list tells them."""

    obis: bytes
    value: Data
    scaler: int | None = None
    unit: int | None = None


class Listing(NamedTuple):
    """All of a notification: which form, the list's own name, the items in the order of the wire."""

    form: str
    name: str | None
    items: tuple[Item, ...]


def listing(body: Data) -> Listing:
    """What the body of a notification says. Unsupported where it has no value with an OBIS and no known positions."""
    found = _pushed(body) or _positional(body)
    if found is not None:
        return found
    items: list[Item] = []
    names: list[str] = []
    _walk(body.items if body.tag in _LISTS else (body,), items, names)
    if not items:
        raise Unsupported("no list that is known: no OBIS code in it, and no known positions")
    name = names[0] if names else next((text(item.value) for item in items if item.obis == LIST_NAME), None)
    return Listing("self-describing", name, tuple(items))


def text(value: Data) -> str | None:
    """Text of a string, or of octets that are printable; else None."""
    if isinstance(value.value, str) and value.tag in _TEXTS:
        return value.value
    if value.tag == Tag.OCTET_STRING and isinstance(value.value, bytes):
        shown = value.value.decode("latin-1")
        return shown if shown and shown.isascii() and shown.isprintable() else None
    return None


# ---- a push object list ----------------------------------------------------------------------------------------------
def _pushed(body: Data) -> Listing | None:
    if body.tag != Tag.STRUCTURE or not body.items or body.items[0].tag != Tag.ARRAY:
        return None
    objects = [_object(entry) for entry in body.items[0].items]
    if not objects or None in objects:
        return None
    if len(objects) != len(body.items):
        raise BadValue(f"a push list of {len(objects)} objects is followed by {len(body.items) - 1} values")
    named = [(entry, value) for entry, value in zip(objects, body.items, strict=True) if entry]
    told = {
        obis: pair
        for (kind, obis, attribute), value in named
        if _SCALER_UNIT.get(kind) == attribute and (pair := _scaler_unit(value))
    }
    items = [
        Item(obis, value, *told.get(obis, (None, None)))
        for (kind, obis, attribute), value in named
        if kind != _PUSH_SETUP and attribute == 2
    ]
    return Listing("push-object-list", None, tuple(items))


def _object(entry: Data) -> tuple[int, bytes, int] | None:
    """Class, OBIS and attribute of an element of a push object list."""
    if entry.tag != Tag.STRUCTURE or len(entry.items) < 4:
        return None
    kind, obis, attribute = (item.value for item in entry.items[:3])
    if isinstance(kind, int) and isinstance(obis, bytes) and len(obis) == 6 and isinstance(attribute, int):
        return kind, obis, attribute
    return None


# ---- positions -------------------------------------------------------------------------------------------------------
def _codes(*codes: str) -> tuple[bytes, ...]:
    return tuple(Obis.parse(code).octets for code in codes)


_NAMES = (LIST_NAME, METER, MODEL)
_POWER = _codes("1-0:1.7.0", "1-0:2.7.0", "1-0:3.7.0", "1-0:4.7.0")
_ONE_PHASE = _codes("1-0:31.7.0", "1-0:32.7.0")
_THREE_PHASES = _codes("1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0", "1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0")
_HOURLY = (CLOCK, *_codes("1-0:1.8.0", "1-0:2.8.0", "1-0:3.8.0", "1-0:4.8.0"))
POSITIONS = {
    len(codes): codes
    for codes in (
        _POWER[:1],
        (*_NAMES, *_POWER, *_ONE_PHASE),
        (*_NAMES, *_POWER, *_THREE_PHASES),
        (*_NAMES, *_POWER, *_ONE_PHASE, *_HOURLY),
        (*_NAMES, *_POWER, *_THREE_PHASES, *_HOURLY),
    )
}
"""What stands where in a structure of so many elements (Kaifa)."""
UNITS = {"W": 0x1B, "var": 0x1D, "A": 0x21, "V": 0x23, "Wh": 0x1E, "varh": 0x20}


def position_scale(obis: bytes) -> tuple[int, int] | None:
    """Scaler and DLMS unit of a value of a positional list; None for texts and the clock."""
    group, kind = obis[2], obis[3]
    if obis[0] != 1 or obis == LIST_NAME:
        return None
    if kind == 8:
        return 0, UNITS["Wh" if group < 3 else "varh"]
    if group in (31, 51, 71):
        return -3, UNITS["A"]
    if group in (32, 52, 72):
        return -1, UNITS["V"]
    return 0, UNITS["W" if group < 3 else "var"]


def _positional(body: Data) -> Listing | None:
    codes = POSITIONS.get(len(body.items)) if body.tag == Tag.STRUCTURE else None
    if codes is None or not all(_fits(code, value) for code, value in zip(codes, body.items, strict=True)):
        return None
    items = tuple(
        Item(code, value, *(position_scale(code) or (None, None)))
        for code, value in zip(codes, body.items, strict=True)
    )
    return Listing("positional", text(body.items[0]) if len(items) > 1 else None, items)


def _fits(code: bytes, value: Data) -> bool:
    if value.tag == Tag.NULL:
        return True
    if code in _NAMES:
        return value.tag in _TEXTS and _name(value) is None
    if code == CLOCK:
        return _is_time(value)
    return value.tag in INTEGERS


# ---- values that name themselves -------------------------------------------------------------------------------------
def _walk(elements: tuple[Data, ...], items: list[Item], names: list[str]) -> None:
    """Take up the values of a flat row of elements, and of the lists inside of it."""
    queue = iter(_Row(elements))
    for element, rest in queue:
        obis = _name(element)
        if obis is not None and rest.left:
            value = rest.take()
            items.append(Item(obis, value, *(rest.scaler_unit() or (None, None))))
        elif element.tag in _LISTS:
            _walk(element.items, items, names)
        elif _is_time(element):
            items.append(Item(CLOCK, element))
        elif (name := text(element)) is not None:
            names.append(name)


class _Row:
    """Elements taken one after the other."""

    def __init__(self, elements: tuple[Data, ...]) -> None:
        self._elements, self._at = elements, 0

    @property
    def left(self) -> int:
        return len(self._elements) - self._at

    def take(self) -> Data:
        self._at += 1
        return self._elements[self._at - 1]

    def scaler_unit(self) -> tuple[int, int] | None:
        found = _scaler_unit(self._elements[self._at]) if self.left else None
        self._at += found is not None
        return found

    def __iter__(self) -> Iterator[tuple[Data, _Row]]:
        while self.left:
            yield self.take(), self


def _scaler_unit(value: Data) -> tuple[int, int] | None:
    if value.tag != Tag.STRUCTURE or len(value.items) != 2:
        return None
    scaler, unit = value.items
    if scaler.tag == Tag.INT8 and unit.tag == Tag.ENUM and abs(scaler.number) <= 20:
        return scaler.number, unit.number
    return None


def _is_time(value: Data) -> bool:
    return value.tag == Tag.DATE_TIME or (
        value.tag == Tag.OCTET_STRING and isinstance(value.value, bytes) and len(value.value) == 12
    )


def _name(value: Data) -> bytes | None:
    """The OBIS that an element is: six octets ending like a code, or its text."""
    if value.tag == Tag.OCTET_STRING and isinstance(value.value, bytes) and len(value.value) == 6:
        return value.value
    if value.tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING) and str(value.value).count(".") in (2, 3, 4, 5):
        return _code(str(value.value))
    return None


def _code(shown: str) -> bytes | None:
    groups = shown.split(".")
    try:
        if len(groups) == 6:
            return bytes(int(group) for group in groups)
        return Obis.parse(shown).octets
    except (DecodeError, ValueError):
        return None
