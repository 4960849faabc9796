"""From rows to a telegram. Both decoders, the general one and the learnt layouts, end here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from metergate.model import Medium, MeterIdentity, Quality, Reading, TimeQuality
from metergate.model.reading import Value, quick_reading
from metergate.wire.p1.frame import Frame
from metergate.wire.p1.moments import CENTRAL_EUROPE, clock, moment
from metergate.wire.p1.objects import MEDIA, NUMBER, TEXT, Cell, Context, Row, Slot, joined, rows, unhexed

_IDENTITIES = ("0-0:96.1.1", "0-0:96.1.255*255", "0-0:96.1.0", "1-0:0.0.0*255", "1-0:0.0.0")
_VERSIONS = ("1-3:0.2.8", "0-0:96.1.4")
CLOCK_CODE = "0-0:1.0.0"
CRC_SINCE = 40
"""From this version on every telegram has a check sum."""
_MODERN = re.compile(rf"(?:{'|'.join(map(re.escape, _VERSIONS))})\([4-9]\d", re.ASCII)
_SWAPPED = timedelta(days=1)
Texts = tuple[Slot, str | None, str | None]
"""Slot, value, time stamp of its own."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a frame says. `superseded`: something is sent twice, and only the time stamps tell which one counts."""

    meter: MeterIdentity
    header: dict[str, object]
    rows: tuple[Row, ...]
    time: Cell | None
    superseded: bool = False


def content(frame: Frame, winter: int = CENTRAL_EUROPE) -> Content:
    """The content of a frame."""
    objects = list(joined(frame.lines))
    single = {code: cells[0] for code, cells in objects if len(cells) == 1}
    meter = _identity(frame, {code: cell.text for code, cell in single.items()})
    types = {
        int(code[2:].partition(":")[0]): int(cell.text)
        for code, cell in single.items()
        if code.startswith("0-") and code.endswith(":24.1.0") and cell.text.isdecimal() and len(cell.text) < 4
    }
    media = {channel: MEDIA[kind] for channel, kind in types.items() if kind in MEDIA}
    context = Context(meter.id, media)
    found = [row for code, cells in objects for row in rows(code, cells, context)]
    twice = len(set(types.values())) < len(types) or len({code for code, _ in objects}) < len(objects)
    header: dict[str, object] = {"identification": frame.identification, "crc": frame.checked}
    if meter.version is not None:
        header["version"] = meter.version
    if types:
        header["devices"] = {str(channel): _device(channel, kind, single) for channel, kind in sorted(types.items())}
    told = tuple(_without_superseded(found, winter) if twice else found)
    return Content(meter, header, told, single.get(CLOCK_CODE), twice)


def _identity(frame: Frame, single: dict[str, str]) -> MeterIdentity:
    """Who sent it: the equipment id where one is told, else maker and model."""
    sent = next((single[code] for code in _IDENTITIES if single.get(code, "").strip("0")), None)
    version = next((int(single[code]) for code in _VERSIONS if single.get(code, "x").isdecimal()), None)
    electric = any(code.startswith("1-0") for code in single)
    name = (unhexed(sent) or sent) if sent else f"{frame.manufacturer}-{frame.model}"
    return MeterIdentity(name, frame.manufacturer, Medium.ELECTRICITY if electric else None, version, frame.model)


def _device(channel: int, kind: int, single: dict[str, Cell]) -> dict[str, object]:
    sent = next((single[code].text for e in (0, 1) if (code := f"0-{channel}:96.1.{e}") in single), "")
    return {"type": kind, "id": unhexed(sent) or sent}


def _without_superseded(found: list[Row], winter: int) -> Iterable[Row]:
    """After a meter was changed its channel, or another one of the kind, still shows the old one: the newest counts.

    Of values sent twice the older is left out; of two devices of one kind whose times are a day apart, the older one's
    values lose their `quantity`, so that nobody takes them for the present meter's.
    """
    newest: dict[object, datetime] = {}
    for row in found:
        for key in (row[0].register, row[0].register.quantity):
            if key is not None and (at := _instant(row, winter)) is not None:
                newest[key] = max(at, newest.get(key, at))
    done = set[object]()
    for row in found:
        key, at = row[0].register, _instant(row, winter)
        if (key in newest and at != newest[key]) or key in done:
            continue
        done.add(key)
        yield _old(row) if _outdated(row, at, newest) else row


def _instant(row: Row, winter: int) -> datetime | None:
    return moment(row[2].text, winter) if row[2] is not None else None


def _outdated(row: Row, at: datetime | None, newest: dict[object, datetime]) -> bool:
    latest = newest.get(row[0].register.quantity)
    return row[0].register.quantity is not None and latest is not None and (at is None or latest - at > _SWAPPED)


def _old(row: Row) -> Row:
    slot, value, stamp = row
    changed = replace(slot.register, quantity=None)
    return Slot(changed, slot.kind, slot.status, (*slot.notes, "of a device that was replaced")), value, stamp


@lru_cache(4096)
def number(text: str) -> tuple[Decimal, int]:
    """Digits as exact value and as the integer of all its digits. ValueError where they are none."""
    return Decimal(text), int(text.replace(".", "", 1))


def readings(
    found: Sequence[Texts], time: str | None, winter: int, at: datetime | None, quality: Quality = Quality.GOOD
) -> tuple[Reading, ...]:
    """The readings of one telegram's rows, sent at `time`, heard at `at`."""
    told: list[Reading] = []
    sent = clock(time, winter, at)
    own: dict[str, tuple[datetime | None, TimeQuality]] = {}
    for slot, text, stamp in found:
        when = sent if stamp is None else own.get(stamp) or own.setdefault(stamp, clock(stamp, winter, at))
        raw, reason = None, None
        amount: Value
        if text is None:
            amount, reason = None, "null"
        elif slot.kind is NUMBER:
            amount, raw = number(text)
        elif slot.kind is TEXT:
            amount = text
        else:
            value = moment(text, winter)
            amount, reason = (value.isoformat(), None) if value else (None, f"invalid date {text}")
        told.append(
            quick_reading(slot.register, amount, raw, when[0], at, slot.status, quality, when[1], reason, slot.notes)
        )
    return tuple(told)


def texts(found: Iterable[Row]) -> list[Texts]:
    """Rows without the places of their cells."""
    return [(slot, value.text if value else None, stamp.text if stamp else None) for slot, value, stamp in found]


def unchecked(meter: MeterIdentity, frame: Frame) -> bool:
    """Whether a frame has no check sum although its version demands one; a spoilt line may still tell that version."""
    if frame.checked:
        return False
    return (meter.version or 0) >= CRC_SINCE or any(_MODERN.search(line.text) for line in frame.lines)
