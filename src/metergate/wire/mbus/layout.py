"""Learnt layouts: a meter repeats its records, so their places are found once and read with one mask and one struct.

The layout of a telegram is the bytes that are the same in every telegram of its kind: DIF, VIF, length octets, fillers.
Data that agrees with a learnt layout in all of them is read by its plan; any other goes through the general decoder and
is learnt anew. Both give the same readings. Meters of one model share the plan; only the registers are their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from metergate.model import Reading, Register
from metergate.model.reading import Value
from metergate.wire.mbus.plan import Plan, mask
from metergate.wire.mbus.records import RawRecord, header, readings, registers, shifted, split_records


class Found(NamedTuple):
    """What a telegram's data holds, as in `records.Records`, without the raw records."""

    readings: tuple[Reading, ...]
    manufacturer_data: bytes = b""
    more: bool = False


class Layout:
    """The layout of one meter's telegrams: the plan of its model, and its own registers."""

    __slots__ = ("_plan", "_tail", "more", "registers")

    def __init__(self, plan: Plan, places: tuple[Register, ...], tail: int, more: bool) -> None:
        self._plan, self._tail = plan, tail
        self.registers = places
        """What the readings and values are of, in their order."""
        self.more = more

    def read(self, data: bytes, at: datetime | None, status: int | None) -> Found | None:
        """The readings of `data`, or None if it has another layout."""
        found = self._plan.readings(data, self.registers, at, status)
        return None if found is None else Found(found, data[self._tail :], self.more)

    def values(self, data: bytes) -> Sequence[Value] | None:
        """The values of `registers` alone, None for absent ones; None altogether if `data` has another layout."""
        return self._plan.values(data)


class Plans:
    """The plans of all models that were heard, at most `most` of them; the oldest goes."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._known: dict[tuple[int, int, int], Plan] = {}

    def layout(
        self,
        data: bytes,
        meter: str,
        raw: Sequence[RawRecord],
        maker: bytes,
        more: bool,
        names: Mapping[int, Register] | None = None,
    ) -> Layout:
        """The layout of data that was split into `raw` and the maker's own; `names`: other registers, by place."""
        heads = [header(record.dif, record.vif) for record in raw]
        tail = len(data) - len(maker)
        under = mask(raw, tail, len(data))
        key = len(data), under, int.from_bytes(data) & under
        plan = self._known.get(key)
        if plan is None:
            while len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            plan = self._known[key] = Plan(raw, heads, *key)
        places = registers(heads, meter)
        for place, register in (names or {}).items():
            places[place] = register
        return Layout(plan, tuple(places), tail, more)


class Layouts:
    """Decodes records, learning layouts as it goes. One for each stream of telegrams; `most` layouts are kept."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._plans = Plans(most)
        self._known: dict[tuple[str, int], Layout] = {}
        self.learnt = 0
        """How many telegrams went through the general decoder."""

    def values(self, data: bytes, meter: str) -> tuple[tuple[Register, ...], Sequence[Value]] | None:
        """Registers and values of data whose layout is known: the fastest way, for archives of a great many meters.

        None: `decode` it, which learns the layout.
        """
        layout = self._known.get((meter, len(data)))
        found = layout.values(data) if layout else None
        return (layout.registers, found) if layout and found is not None else None

    def decode(
        self, data: bytes, meter: str, *, base: int = 0, at: datetime | None = None, status: int | None = None
    ) -> Found:
        """As `records.decode_records`, and the same errors."""
        layout = self._known.get((meter, len(data)))
        if layout is not None:
            found = layout.read(data, at, status)
            if found is not None:
                return found
        raw, maker, more = split_records(data, base)
        found = Found(readings(raw, meter, at, status), maker, more)
        if layout is None and len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self.learnt += 1
        self._known[meter, len(data)] = self._plans.layout(data, meter, shifted(raw, -base), maker, more)
        return found
