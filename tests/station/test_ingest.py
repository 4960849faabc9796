"""The record lane's end: once, twice, out of order, from clocks that are wrong; and what it leaves on the pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from metergate.errors import BadChecksum
from metergate.model import Event, Obis, Quality, Reading, Register, Severity, Unit
from metergate.station.archive import services as archive
from metergate.station.archive.models import Register as Row
from metergate.station.collect import history, ingest
from metergate.station.collect import services as collect
from metergate.station.collect.models import Event as Kept
from metergate.station.collect.models import Intake, Latest, Presence
from metergate.wire.batch import NO_COLUMNS, Batch, Columns, decode, encode

EPOCH = "00112233445566778899aabbccddeeff"
START = datetime(2026, 3, 1, tzinfo=UTC)
IMPORT = Register("1EMH0001", Obis.parse("1-0:1.8.0"), "energy", Unit.WH, -1)
FLOAT = Register("10620912", Obis.parse("1-0:1.8.0"), "energy", Unit.KWH, 0)
POWER = Register("1EMH0001", Obis.parse("1-0:16.7.0"), "power", Unit.W, 0)

pytestmark = pytest.mark.django_db


def batch(first: int, count: int = 4, after: int = 0, events: tuple[Event, ...] = ()) -> Batch:
    """`count` quarters of both registers from the `first` one on, as a gateway sends them."""
    quarters = np.arange(first, first + count, dtype=np.int64)
    times = int(START.timestamp() * 1000) + quarters * 900_000
    columns = Columns.of(
        np.repeat([0, 1], count), np.tile(times, 2), np.concatenate([1000 + 7 * quarters, 200 + quarters])
    )
    return Batch(EPOCH, after, after + 2 * count, {0: IMPORT, 1: POWER}, columns, events=events)


def stored(register: Register = IMPORT) -> list[tuple[int, int]]:
    """(place, value) of the quarters of the first day that are there."""
    row = Row.objects.get(key=register.key)
    found = history.load([row], START, START + timedelta(days=1))[row.pk]
    return [(i, int(found.values[i])) for i in np.flatnonzero(found.quality).tolist()]


def latest(register: Register) -> Latest:
    return Latest.objects.get(register__key=register.key)


def test_a_batch_becomes_blocks_latest_values_and_an_acknowledgement() -> None:
    ack = ingest.store("gw-1", decode(encode(batch(0))), START)
    assert (ack.epoch, ack.cursor) == (EPOCH, 8)
    assert stored() == [(i, 1000 + 7 * i) for i in range(4)]
    assert latest(IMPORT).value == Decimal("102.1")
    assert latest(POWER).value == 203
    assert latest(POWER).meter_time == START + timedelta(minutes=45)
    assert Intake.objects.get().cursor == 8


def test_twice_is_once() -> None:
    for _ in range(3):
        ack = ingest.store("gw-1", batch(0), START)
    assert ack.cursor == 8
    assert stored() == [(i, 1000 + 7 * i) for i in range(4)]
    assert latest(POWER).value == 203


@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(6)), st.integers(0, 5))
def test_any_order_gives_the_same(order: list[int], repeated: int) -> None:
    Intake.objects.all().delete()
    pieces = [batch(4 * i, after=8 * i) for i in range(6)]
    for place in [*order, repeated]:
        ack = ingest.store("gw-1", pieces[place], START)
    assert ack.cursor == 48
    assert stored() == [(i, 1000 + 7 * i) for i in range(24)]
    assert latest(IMPORT).value == Decimal("116.1")


def test_a_gap_is_not_acknowledged() -> None:
    assert ingest.store("gw-1", batch(4, after=8), START).cursor == 0
    assert ingest.store("gw-1", batch(0), START).cursor == 16


def test_a_late_reading_does_not_become_the_latest() -> None:
    ingest.store("gw-1", batch(4, after=8), START)
    ingest.store("gw-1", batch(0), START)
    assert latest(IMPORT).value == Decimal("104.9")


def told(place: int, value: Decimal | str | None, *, reason: str | None = None) -> Reading:
    """What travels beside the columns: a float, rounded on its way, at a quarter of the day."""
    at = START + timedelta(minutes=15 * place)
    return Reading(FLOAT, value, None, None, at, reason=reason, notes=("inexact",))


def test_numbers_beside_the_columns_are_in_the_load_profile_too() -> None:
    values = ("9241.933", "9242", "9242.5000001", "1E+30", "NaN")
    texts = (*(told(place, Decimal(value)) for place, value in enumerate(values)), told(9, "text"), told(10, None))
    alone = Batch(EPOCH, 0, 7, {0: FLOAT}, NO_COLUMNS, texts)
    for _ in range(2):
        assert ingest.store("gw-1", decode(encode(alone)), START).cursor == 7
    row = Row.objects.get(key=FLOAT.key)
    found = history.load([row], START, START + timedelta(days=1))[row.pk]
    there = {place: found.exact(int(found.values[place])) for place in np.flatnonzero(found.quality).tolist()}
    assert there == {0: Decimal("9241.933"), 1: Decimal(9242), 2: Decimal("9242.5")}
    assert Intake.objects.get().readings == 14
    huge = replace(alone, texts=(told(20, Decimal("-8E+30")),))
    ingest.store("gw-1", huge, START)
    assert (latest(FLOAT).value, latest(FLOAT).text) == (None, "-8E+30")
    later = batch(0, after=7)
    mixed = replace(later, registers={**later.registers, 2: FLOAT}, texts=(told(3, Decimal("9243.25")),), end=16)
    ingest.store("gw-1", mixed, START)
    found = history.load([row], START, START + timedelta(days=1))[row.pk]
    assert found.exact(int(found.values[3])) == Decimal("9243.25")
    assert stored() == [(i, 1000 + 7 * i) for i in range(4)]


@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.decimals(-(10**9), 10**9, places=4), min_size=1, max_size=8))
def test_the_newest_number_is_the_latest_however_exact(values: list[Decimal]) -> None:
    Latest.objects.all().delete()
    texts = tuple(told(place, value) for place, value in enumerate(values))
    ingest.store("gw-1", Batch(EPOCH, 0, len(texts), {0: FLOAT}, NO_COLUMNS, texts), START)
    assert latest(FLOAT).value == values[-1]


def test_an_unknown_meter_is_a_new_device() -> None:
    ingest.store("gw-7", batch(0), START)
    [meter] = archive.new_devices()
    assert (meter.identity, meter.medium, meter.first_gateway) == ("1EMH0001", "electricity", "gw-7")
    kinds = {row.obis: row.kind for row in meter.registers.all()}
    assert kinds == {"1-0:1.8.0": "counter", "1-0:16.7.0": "gauge"}


@pytest.mark.parametrize("wrong", [datetime(1999, 1, 1, tzinfo=UTC), START + timedelta(days=400)])
def test_a_clock_that_cannot_be_right_is_not_believed(wrong: datetime) -> None:
    received = int((START + timedelta(hours=1)).timestamp() * 1000)
    columns = Columns.of(np.zeros(1, np.int64), np.array([int(wrong.timestamp() * 1000)]), np.array([5]))
    columns = Columns(*[*list(columns.all())[:2], np.array([received]), *list(columns.all())[3:]])
    ingest.store("gw-1", Batch(EPOCH, 0, 1, {0: IMPORT}, columns), START + timedelta(hours=1))
    assert stored() == [(4, 5)]
    assert latest(IMPORT).quality == Quality.SUSPECT


@pytest.mark.parametrize("scaler", [-6, 0, 9])
def test_a_number_that_is_too_large_stops_nobody(scaler: int) -> None:
    columns = Columns.of(np.zeros(1, np.int64), np.array([int(START.timestamp() * 1000)]), np.array([2**63 - 1]))
    wild = replace(IMPORT, scaler=scaler)
    assert ingest.store("gw-1", Batch(EPOCH, 0, 1, {0: wild}, columns), START).cursor == 1
    assert stored() == [(0, 2**63 - 1)]
    assert (latest(IMPORT).value is None) == (scaler >= 0)


def test_events_are_told_once() -> None:
    event = Event(START, "COVER_OPEN", "1EMH0001", Severity.WARNING, {"count": 2})
    for _ in range(2):
        ingest.store("gw-1", batch(0, events=(event,)), START)
    assert [(row.code, row.args) for row in Kept.objects.all()] == [("COVER_OPEN", {"count": "2"})]


def test_a_broken_message_stores_nothing() -> None:
    message = bytearray(encode(batch(0)))
    message[40] ^= 1
    with pytest.raises(BadChecksum):
        decode(bytes(message))
    assert not Row.objects.exists()


def test_a_gateway_dies_once_and_comes_back() -> None:
    collect.heard(Presence.Kind.GATEWAY, "gw-1", START)
    for minute in (1, 2):
        collect.died(Presence.Kind.GATEWAY, "gw-1", START + timedelta(minutes=minute))
    row = Presence.objects.get()
    assert (row.state, row.since) == (Presence.State.DOWN, START + timedelta(minutes=1))
    assert Kept.objects.filter(code="GATEWAY_DOWN").count() == 1
    collect.heard(Presence.Kind.GATEWAY, "gw-1", START + timedelta(minutes=9))
    assert Presence.objects.get().state == Presence.State.OK
