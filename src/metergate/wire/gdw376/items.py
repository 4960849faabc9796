"""What the items F of class 1 and class 2 data hold, as tables: time heads, counts of tariffs, fields and codes.

A layout is a tuple of parts. Which item holds what beyond F2, F25, F33, F129 and F161 is to be checked per terminal:
`ITEMS` may be given with other rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from metergate.model import Function, Obis, Unit
from metergate.wire.gdw376.frame import CLASS_1, CLASS_2


@dataclass(frozen=True, slots=True)
class Part:
    """`count` fields of format A.`form`; `c`, `d` of OBIS of the first. `per`: "phase" (20 more each), "tariff"."""

    quantity: str
    form: int
    unit: Unit | None = None
    c: int | None = None
    d: int = 7
    count: int = 1
    per: str = ""
    first: int = 0
    """Phase of the first field: 0 a total, 1 phase A."""
    function: Function = Function.INSTANTANEOUS


@dataclass(frozen=True, slots=True)
class Layout:
    """An item: `asked` and `head` name what stands before the values.

    asked: "" nothing, "day" A.20, "month" A.21, "curve" A.15, density and count - in the question and in the answer.
    head: whether the time of reading (A.15) follows. tariffs: whether the count of tariffs M follows, and M + 1 values.
    """

    parts: tuple[Part, ...]
    asked: str = ""
    head: bool = True
    tariffs: bool = False


def _energy(quantity: str, form: int, unit: Unit, c: int | None) -> Part:
    return Part(f"energy {quantity}", form, unit, c, 8, 0, "tariff")


FORWARD = _energy("active forward", 14, Unit.KWH, 1)
REVERSE = _energy("active reverse", 14, Unit.KWH, 2)
REACTIVE_FORWARD = _energy("reactive combined 1", 11, Unit.KVARH, None)
REACTIVE_REVERSE = _energy("reactive combined 2", 11, Unit.KVARH, None)
QUADRANTS = tuple(_energy(f"reactive quadrant {number}", 11, Unit.KVARH, 4 + number) for number in range(1, 5))
SINGLE = (FORWARD, REACTIVE_FORWARD, REVERSE, REACTIVE_REVERSE, *QUADRANTS)
"""The kinds of F129..F136, of F161..F168 and of F177..F184, one each."""
MOMENTARY = (
    Part("active power", 9, Unit.KW, 16, 7, 4, "phase"),
    Part("reactive power", 9, Unit.KVAR, None, 7, 4, "phase"),
    Part("power factor", 5, Unit.PERCENT, None, 7, 4, "phase"),
    Part("voltage", 7, Unit.V, 12, 7, 3, "phase", 1),
    Part("current", 25, Unit.A, 11, 7, 3, "phase", 1),
    Part("neutral current", 25, Unit.A, 91),
    Part("apparent power", 9, Unit.KVA, 9, 7, 4, "phase"),
)
CURVES: dict[int, Part] = {
    81: Part("active power", 9, Unit.KW, 16),
    82: Part("active power", 9, Unit.KW, 36, first=1),
    83: Part("active power", 9, Unit.KW, 56, first=2),
    84: Part("active power", 9, Unit.KW, 76, first=3),
    85: Part("reactive power", 9, Unit.KVAR),
    89: Part("voltage", 7, Unit.V, 32, first=1),
    90: Part("voltage", 7, Unit.V, 52, first=2),
    91: Part("voltage", 7, Unit.V, 72, first=3),
    92: Part("current", 25, Unit.A, 31, first=1),
    93: Part("current", 25, Unit.A, 51, first=2),
    94: Part("current", 25, Unit.A, 71, first=3),
    101: Part("energy active forward", 11, Unit.KWH, 1, 8),
    103: Part("energy active reverse", 11, Unit.KWH, 2, 8),
}
ITEMS: dict[tuple[int, int], Layout] = {
    (CLASS_1, 25): Layout(MOMENTARY),
    (CLASS_1, 33): Layout((FORWARD, REACTIVE_FORWARD, QUADRANTS[0], QUADRANTS[3]), tariffs=True),
    (CLASS_1, 34): Layout((REVERSE, REACTIVE_REVERSE, QUADRANTS[1], QUADRANTS[2]), tariffs=True),
    **{(CLASS_1, 129 + at): Layout((part,), tariffs=True) for at, part in enumerate(SINGLE)},
    **{(CLASS_2, 161 + at): Layout((part,), "day", tariffs=True) for at, part in enumerate(SINGLE)},
    **{(CLASS_2, 177 + at): Layout((part,), "month", tariffs=True) for at, part in enumerate(SINGLE)},
    **{(CLASS_2, item): Layout((part,), "curve", head=False) for item, part in CURVES.items()},
}
DENSITIES = {1: 900, 2: 1800, 3: 3600, 254: 300, 255: 60}
"""Density of a curve -> seconds between its points."""
ASKED = {"": 0, "day": 3, "month": 2, "curve": 7}
"""Octets that name the time in question and answer."""


def obis(part: Part, place: int) -> Obis | None:
    """The code of the field at `place` of a part."""
    if part.c is None:
        return None
    if part.per == "tariff":
        return Obis(1, 0, part.c, part.d, place)
    return Obis(1, 0, part.c + 20 * (part.first + place if part.per else 0), part.d, 0)
