"""What the data lines mean: which are numbers, texts, clocks and logs, and whose values the M-Bus devices' are.

Every value becomes a *row*: its slot (all that stays the same from telegram to telegram), where its text stands and
where the time stamp of its own, if it has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from metergate.errors import DecodeError
from metergate.model import Obis, Register, Unit
from metergate.wire.p1.frame import Line
from metergate.wire.p1.moments import STAMP

NUMBER, TEXT, CLOCK = "number", "text", "clock"
_AMOUNT = re.compile(r"-?\d{1,15}(?:\.\d{1,12})?", re.ASCII)
_CODE = re.compile(r"\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}", re.ASCII)
_EXACT = {unit.value: unit for unit in Unit}
_LOOSE = {unit.value.casefold(): unit for unit in Unit if not unit.value.startswith(("M", "m")) or unit is Unit.M3}
_HISTORIES = {98, 99}
_COUNTS = {(96, 7), (96, 3), (96, 14), (24, 1), (24, 4), (24, 9), (0, 2)}
_COUNTS |= {(phase + kind, d) for phase in (0, 20, 40) for kind, d in ((32, 32), (32, 36), (33, 7))} | {(13, 7)}
"""Groups C and D of numbers that are sent without a unit."""
_HEXED = {(96, 1), (96, 13), (42, 0)}
"""Groups C and D of texts whose characters are sent as hexadecimal."""
MEDIA = {3: "gas", 4: "heat", 6: "warm water", 7: "water", 10: "cooling", 12: "heat", 13: "heat", 2: "electricity"}
"""What an M-Bus device of a type (0-n:24.1.0) measures; the `quantity` of its values."""
MAIN, OLD_LIST = 24, 3


@dataclass(frozen=True, slots=True)
class Slot:
    """What of a row never changes. `register` is shared by all its readings."""

    register: Register
    kind: str
    status: int | None = None
    notes: tuple[str, ...] = ()


class Cell(NamedTuple):
    """Characters and where they stand in the frame."""

    text: str
    at: int


Row = tuple[Slot, Cell | None, Cell | None]
"""Slot, value (None: absent), time stamp of its own (None: the telegram's)."""


@lru_cache(4096)
def register(
    meter: str, code: str, unit: Unit | None, places: int, quantity: str | None, storage: int, subunit: int
) -> Register:
    """The register of a value; DecodeError where `code` is no OBIS code."""
    return Register(meter, Obis.parse(code), quantity, unit, -places, storage, subunit=subunit)


@dataclass(frozen=True, slots=True)
class Context:
    """What rows need to know of their telegram: whose it is, and what the M-Bus devices of channels measure."""

    meter: str
    media: dict[int, str]


def joined(lines: Iterable[Line]) -> Iterator[tuple[str, tuple[Cell, ...]]]:
    """Objects: codes and the cells in their brackets, those of continued lines too."""
    code, cells = "", tuple[Cell, ...]()
    for line in lines:
        if not (line.code or not code):
            cells += _cells(line)
            continue
        if code or cells:
            yield code, cells
        code, cells = line.code, _cells(line)
    if code or cells:
        yield code, cells


def _cells(line: Line) -> tuple[Cell, ...]:
    found, at = [], line.at + 1
    for group in line.groups:
        found.append(Cell(group, at))
        at += len(group) + 2
    return tuple(found)


def rows(code: str, cells: tuple[Cell, ...], context: Context) -> list[Row]:
    """All values of one object. What is no object of ours is one text, as sent."""
    try:
        obis = Obis.parse(code)
    except DecodeError:
        return [_raw(code, cells, context)]
    if not cells:
        return [_raw(code, cells, context)]
    if obis.c == MAIN and obis.d == OLD_LIST:
        return _old_list(obis, cells, context) or [_raw(code, cells, context)]
    if (obis.a, obis.c, obis.d) == (0, 1, 0):
        return [(Slot(register(context.meter, code, None, 0, None, 0, 0), CLOCK), cells[0], cells[0])]
    if obis.c in _HISTORIES:
        return _history(code, cells, context)
    stamp = cells[0] if len(cells) > 1 and STAMP.fullmatch(cells[0].text) else None
    values = cells[1:] if stamp else cells
    quantity = context.media.get(obis.b) if (obis.a, obis.c, obis.d) == (0, MAIN, 2) else None
    return [_row(code, cell, stamp, context, quantity, 0, place) for place, cell in enumerate(values)]


def _row(
    code: str,
    cell: Cell,
    stamp: Cell | None,
    context: Context,
    quantity: str | None = None,
    storage: int = 0,
    subunit: int = 0,
    notes: tuple[str, ...] = (),
) -> Row:
    """A value in brackets: `digits`, `digits*unit`, text, or nothing."""
    text, star, name = cell.text.partition("*")
    counted, hexed = _kind(code)
    digits = bool(_AMOUNT.fullmatch(text)) and (bool(star) or counted or "." in text)
    if text and not digits:
        plain = unhexed(text) if hexed else None
        return _slot(context.meter, code, None, 0, quantity, storage, subunit, TEXT, _more(notes, plain)), cell, stamp
    unit = _EXACT.get(name) or _LOOSE.get(name.casefold()) if star else None
    notes = _more(notes, f"unit {name}" if star and unit is None else None)
    places = len(text) - 1 - text.index(".") if "." in text else 0
    slot = _slot(context.meter, code, unit, places, quantity, storage, subunit, NUMBER, notes)
    return slot, Cell(text, cell.at) if text else None, stamp


@lru_cache(4096)
def _kind(code: str) -> tuple[bool, bool]:
    """Whether an object's digits are a number even without a unit, and whether its text is sent as hexadecimal."""
    obis = Obis.parse(code)
    place = (obis.c, obis.d)
    return place in _COUNTS or (obis.a, place, obis.e) == (0, (96, 1), 4), place in _HEXED


def _more(notes: tuple[str, ...], note: str | None) -> tuple[str, ...]:
    return notes if note is None else (*notes, note)


@lru_cache(4096)
def _slot(
    meter: str,
    code: str,
    unit: Unit | None,
    places: int,
    quantity: str | None,
    storage: int,
    subunit: int,
    kind: str,
    notes: tuple[str, ...],
) -> Slot:
    """The slot of a value; registers are shared by all that look alike."""
    return Slot(register(meter, code, unit, places, quantity, storage, subunit), kind, None, notes)


def unhexed(text: str) -> str | None:
    """The characters that hexadecimal digits spell; None where they spell nothing that can be printed."""
    try:
        found = bytes.fromhex(text).decode("ascii") if " " not in text else ""
    except ValueError:
        return None
    return found if found and found.isprintable() else None


def _raw(code: str, cells: tuple[Cell, ...], context: Context) -> Row:
    """A line that is no object: its text as sent, under the name before the bracket."""
    text = ")(".join(cell.text for cell in cells)
    name, _, rest = code.partition("(")
    place = Register(context.meter, address=name or "line")
    return Slot(place, TEXT), Cell(f"({text})" if cells else rest and f"({rest}", 0), None


def _history(code: str, cells: tuple[Cell, ...], context: Context) -> list[Row]:
    """A log: number of entries and what they hold, then each entry's time stamps and its values.

    Entry n is storage n, its values subunits 0...; a second stamp tells when it occurred (Belgian month maxima).
    """
    first = next((place for place, cell in enumerate(cells) if STAMP.fullmatch(cell.text)), len(cells))
    named = [cell.text for cell in cells[:first] if _CODE.fullmatch(cell.text)]
    found: list[Row] = []
    number, place, stamps = 0, 0, list[Cell]()
    fresh = True
    for cell in cells[first:]:
        if STAMP.fullmatch(cell.text):
            stamps = [cell] if fresh else [*stamps, cell]
            number, place, fresh = number + fresh, 0, False
            continue
        notes = tuple(f"occurred {other.text}" for other in stamps[1:])
        found.append(_row(named[-1] if named else code, cell, stamps[0], context, None, number, place, notes))
        place, fresh = place + 1, True
    return found


def _old_list(obis: Obis, cells: tuple[Cell, ...], context: Context) -> list[Row]:
    """0-n:24.3.0 of DSMR 2.2 and 3: (time)(status)(period)(n) n x (obis)(unit), and the n values on a line below."""
    if len(cells) < 4 or not STAMP.fullmatch(cells[0].text) or not cells[3].text.isdecimal():
        return []
    count = int(cells[3].text[:4])
    if len(cells) != 4 + 3 * count:
        return []
    status = int(cells[1].text, 16) if re.fullmatch(r"[0-9A-Fa-f]{1,4}", cells[1].text) else None
    found = []
    for number in range(count):
        name, unit, value = cells[4 + 2 * number].text, cells[5 + 2 * number].text, cells[4 + 2 * count + number]
        if not _CODE.fullmatch(name):
            return []
        slot, cell, stamp = _row(
            name, Cell(f"{value.text}*{unit}", value.at), cells[0], context, context.media.get(obis.b)
        )
        found.append((Slot(slot.register, slot.kind, status, slot.notes), cell, stamp))
    return found
