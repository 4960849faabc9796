"""The record lane's end: a batch becomes blocks, latest values and events; then it may be acknowledged.

Everything here may run twice, in any order and in several workers at once: blocks know what they have, latest values
only move forward, events are told once, and the acknowledgement is the cursor below which nothing is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from metergate.model import Quality, Reading
from metergate.model import Register as Wired
from metergate.profiles.arrays import Registers, to_columns
from metergate.profiles.blocks import Measured
from metergate.station.archive import services as archive
from metergate.station.archive.models import Register
from metergate.station.collect import history, services, watch
from metergate.station.collect.models import Presence
from metergate.station.collect.services import Newest
from metergate.wire.batch import Ack, Batch, Columns

YEAR_2000 = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
AHEAD = 10 * 60 * 1000
"""How far a meter's clock may be before ours; beyond, its readings are placed by the time of receipt."""
_PLACES = Decimal("0.000001")
_LARGEST = 12
"""Digits before the point that fit load profiles beside those after it."""
_MOST_SHOWN = 17
"""Of latest values; rounding may add one."""
MEDIUM_OF_A = {1: "electricity", 6: "heat", 7: "gas", 8: "cold_water", 9: "hot_water"}
"""Medium by OBIS group A."""


def store(gateway: str, batch: Batch, at: datetime) -> Ack:
    """Store a batch that arrived at `at`; what may be acknowledged. StorageError: nothing is stored, try again."""
    count = len(batch.columns) + len(batch.texts)
    rows = archive.know(map(_seen, batch.registers.values()), gateway, at)
    batch = _counted(batch)
    ours = {number: rows[wired.key] for number, wired in batch.registers.items()}
    batch = replace(batch, columns=_placed(batch.columns, at))
    measured = Measured.of_batch(batch, {number: (row.pk, row.period_s) for number, row in ours.items()})
    with history.writing() as transaction:
        transaction.write(measured)
        cursor = transaction.advance(gateway, batch.epoch, batch.start, batch.end, batch.acknowledged)
    newest = list(_newest(batch, ours)) + [_text(reading, rows, at) for reading in batch.texts]
    services.note_latest(newest)
    services.note_events(batch.events, gateway)
    services.heard(Presence.Kind.GATEWAY, gateway, at)
    watch.hear_wires(ours.values(), at)
    last = max((each.meter_time for each in newest), default=None)
    services.note_intake(gateway, cursor, count, last)
    return Ack(batch.epoch, cursor)


def _counted(batch: Batch) -> Batch:
    """Numbers that travel beside the columns, because of a note or of digits that their register's integers have not,
    as rows of the columns too: load profiles want every number."""
    numbers = [(one, one.value) for one in batch.texts if isinstance(one.value, Decimal) and _storable(one.value)]
    if not numbers:
        return batch
    finest: dict[str, int] = {}
    for one, value in numbers:
        finest[one.register.key] = min(finest.get(one.register.key, 0), _digits(value))
    registers = Registers(batch.registers)
    columns, _ = to_columns((_plain(one, value, finest[one.register.key]) for one, value in numbers), registers)
    return replace(batch, registers=registers.by_number, columns=Columns.join([batch.columns, columns]))


def _storable(value: Decimal) -> bool:
    return value.is_finite() and value.adjusted() < _LARGEST


def _digits(value: Decimal) -> int:
    """The power of ten of a number's last digit, a millionth at the least."""
    return max(int(value.normalize().as_tuple().exponent), _PLACES.adjusted())


def _plain(reading: Reading, value: Decimal, scaler: int) -> Reading:
    rounded = value.quantize(Decimal(1).scaleb(scaler), ROUND_HALF_EVEN)
    return replace(reading, register=replace(reading.register, scaler=scaler), value=rounded, raw=None, notes=())


def _seen(wired: Wired) -> archive.SeenRegister:
    medium = MEDIUM_OF_A.get(wired.obis.a, "") if wired.obis else ""
    return archive.SeenRegister(
        wired.key,
        wired.meter,
        str(wired.obis or ""),
        wired.unit.value if wired.unit else "",
        wired.scaler,
        medium=medium,
        quantity=wired.quantity or "",
    )


def _placed(columns: Columns, at: datetime) -> Columns:
    """Readings of a clock that cannot be right are placed by their time of receipt, and suspect."""
    wrong = (columns.instants < YEAR_2000) | (columns.instants > columns.received + AHEAD)
    if not wrong.any():
        return columns
    now = int(at.timestamp() * 1000)
    received = np.where((columns.received < YEAR_2000) | (columns.received > now + AHEAD), now, columns.received)
    quality = np.where(wrong, np.minimum(columns.quality, Quality.SUSPECT), columns.quality).astype(np.uint8)
    return replace(columns, time=np.where(wrong, received, columns.time), received=received, quality=quality)


def _newest(batch: Batch, ours: Mapping[int, Register]) -> Iterator[Newest]:
    columns = batch.columns
    if not len(columns):
        return
    order = np.lexsort((columns.instants, columns.register))
    last = order[np.append(np.flatnonzero(np.diff(columns.register[order])), len(order) - 1)]
    for place in last.tolist():
        number = int(columns.register[place])
        exact = Decimal(int(columns.value[place])).scaleb(batch.registers[number].scaler)
        yield Newest(
            ours[number].pk,
            _shown(exact),
            _instant(int(columns.instants[place])),
            _instant(int(columns.received[place])),
            int(columns.quality[place]),
        )


def _shown(value: Decimal) -> Decimal | None:
    """As a latest value is kept; None for what no meter counts: that is shown as text, where it was sent as such."""
    return value.quantize(_PLACES, ROUND_HALF_EVEN) if value.is_finite() and value.adjusted() < _MOST_SHOWN else None


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _text(reading: Reading, rows: Mapping[str, Register], at: datetime) -> Newest:
    value = reading.value
    text = value.hex() if isinstance(value, bytes) else "" if value is None else str(value)
    received = reading.received or at
    return Newest(
        rows[reading.register.key].pk,
        _shown(value) if isinstance(value, Decimal) else None,
        reading.meter_time or received,
        received,
        int(reading.quality),
        text[:120],
        (reading.reason or "")[:120],
    )
