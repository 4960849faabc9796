"""Data sets -> readings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from metergate.model import Quality, Reading, TimeQuality
from metergate.wire.iec62056.datasets import DataSet, Item
from metergate.wire.iec62056.profile import is_profile, profile_readings
from metergate.wire.iec62056.registers import meaning, moment, value_of

EMPTY = "empty"


def readings(
    meter: str,
    sets: Iterable[DataSet],
    utc_offset: int | None = None,
    received: datetime | None = None,
    quality: Quality = Quality.GOOD,
    notes: tuple[str, ...] = (),
) -> tuple[Reading, ...]:
    """A reading for each bracket under an address; a bracket that holds an instant gives the others their time."""
    found: list[Reading] = []
    for one in sets:
        if is_profile(one):
            found += profile_readings(meter, one, utc_offset, received, quality, notes)
        elif one.address:
            found += _of_set(meter, one, utc_offset, received, quality, notes)
    return tuple(found)


def _of_set(
    meter: str,
    one: DataSet,
    utc_offset: int | None,
    received: datetime | None,
    quality: Quality,
    notes: tuple[str, ...],
) -> Iterator[Reading]:
    items, when = _times(one.items)
    instant = moment(when, utc_offset) if when else None
    surety = TimeQuality.UNCHECKED if instant else TimeQuality.NONE
    told = (*notes, f"time {when}") if when else notes
    for number, item in enumerate(items):
        register, textual = meaning(meter, one.address, item)
        if number:
            register = replace(register, subunit=number)
        value = value_of(item, textual)
        if value is None:
            yield Reading(register, None, None, instant, received, None, Quality.ABSENT, surety, EMPTY, told)
        else:
            yield Reading(register, value, None, instant, received, None, quality, surety, None, told)


def _times(items: Sequence[Item]) -> tuple[Sequence[Item], str | None]:
    """The brackets that hold values, and the instant in another one, where there is one."""
    if len(items) < 2:
        return items, None
    times = [item for item in items if item.unit is None and moment(item.text, 0)]
    if len(times) != 1:
        return items, None
    return [item for item in items if item is not times[0]], times[0].text
