"""Load profiles and event logs: `P.01(time)(status)(period)(n)(code)(unit)...(value)(value)...`.

Channels and their units stand in front once, then the values of the first interval, of the second, and so on; a new
`P.01` begins where the status changes or intervals are missing. `P.98` has the same form and logs events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from metergate.errors import BadValue
from metergate.model import Quality, Reading, Register, TimeQuality
from metergate.wire.iec62056.datasets import DataSet, Item
from metergate.wire.iec62056.registers import meaning, moment, value_of

PROFILE, LOG = "P.01", "P.98"
HEAD = 4
CHANNELS = 64


class Channel(NamedTuple):
    """A register of the profile by its code, and its unit."""

    address: str
    unit: str = ""


class Section(NamedTuple):
    """Intervals without a break: `rows` of values as sent, the first at `begin` (text of the meter's clock)."""

    begin: str
    status: str
    period: int
    channels: tuple[Channel, ...]
    rows: tuple[tuple[str, ...], ...]


def is_profile(one: DataSet) -> bool:
    """Whether a data set is a section of a load profile or log."""
    return one.address in (PROFILE, LOG) and len(one.items) >= HEAD


def section(one: DataSet) -> Section:
    """A data set as a section. BadValue where its brackets do not add up."""
    begin, status, period, count = (item.text for item in one.items[:HEAD])
    channels, minutes = _whole(count), _whole(period) if period else 0
    if not 0 <= channels <= CHANNELS or minutes < 0:
        raise BadValue(f"{one.address}({begin}): {count!r} channels every {period!r} minutes")
    named, values = one.items[HEAD : HEAD + 2 * channels], one.items[HEAD + 2 * channels :]
    if len(named) < 2 * channels or (len(values) % channels if channels else len(values)):
        raise BadValue(f"{one.address}({begin}): {len(values)} values of {channels} channels")
    names = tuple(Channel(named[at].text, named[at + 1].text) for at in range(0, len(named), 2))
    rows = tuple(
        tuple(str(value)[1:-1] for value in values[at : at + channels]) for at in range(0, len(values), channels or 1)
    )
    return Section(begin, status, minutes, names, rows)


def encode(part: Section, address: str = PROFILE) -> str:
    """A section as text, an interval a line."""
    head = [part.begin, part.status, str(part.period or ""), str(len(part.channels))]
    head += [text for channel in part.channels for text in channel]
    return "\r\n".join([address + _brackets(head), *map(_brackets, part.rows)]) + "\r\n"


def _brackets(texts: Sequence[str]) -> str:
    return "".join(f"({text})" for text in texts)


def profile_readings(
    meter: str,
    one: DataSet,
    utc_offset: int | None,
    received: datetime | None = None,
    quality: Quality = Quality.GOOD,
    notes: tuple[str, ...] = (),
) -> Iterator[Reading]:
    """A reading for each value, with the instant of its interval where `utc_offset` or the season tells it.

    A log's section gives its status as text. BadValue.
    """
    part = section(one)
    begin = moment(part.begin, utc_offset)
    state = int(part.status, 16) if _hexadecimal(part.status) else None
    surety = TimeQuality.UNCHECKED if begin else TimeQuality.NONE
    if one.address == LOG:
        register = Register(meter, quantity="event", address=LOG)
        text = part.status + "".join(map(_brackets, part.rows))
        yield Reading(
            register, text or None, None, begin, received, state, quality, surety, None if text else "empty", notes
        )
        return
    for number, row in enumerate(part.rows):
        instant = begin + timedelta(minutes=part.period * number) if begin else None
        for channel, text in zip(part.channels, row, strict=True):
            item = Item(text, channel.unit or None)
            register, textual = meaning(meter, channel.address, item)
            value = value_of(item, textual)
            if value is None:
                yield Reading(register, None, None, instant, received, state, Quality.ABSENT, surety, "empty", notes)
            else:
                yield Reading(register, value, None, instant, received, state, quality, surety, None, notes)


def _whole(text: str) -> int:
    """A number of up to five digits; -1 for anything else."""
    return int(text) if text.isdecimal() and len(text) <= 5 else -1


def _hexadecimal(text: str) -> bool:
    return 0 < len(text) <= 16 and not set(text) - set("0123456789abcdefABCDEF")
