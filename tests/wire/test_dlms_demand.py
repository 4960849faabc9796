"""Demand registers: blocks and sliding averages, what resets them, and the maximum."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.wire.dlms.cosem.clock import Clock
from metergate.wire.dlms.cosem.demand import DemandRegister, MaximumDemand
from metergate.wire.dlms.cosem.objects import AccessRefused, scaler_unit
from metergate.wire.dlms.data import NULL, u16, u32

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
WATTS = (1000, 2000, 4000, 500, 8000, 0)
"""Power in the quarters after midnight, then again from the start."""
UNIT = scaler_unit(0, 27)


def energy(at: datetime) -> int:
    """Wh since midnight."""
    seconds = int((at - MIDNIGHT).total_seconds())
    quarters, rest = divmod(seconds, 900)
    whole = sum(WATTS[at % len(WATTS)] for at in range(quarters)) * 900
    return (whole + WATTS[quarters % len(WATTS)] * rest) // 3600


def demand(periods: int = 1) -> DemandRegister:
    return DemandRegister("1-0:1.4.0", energy, Clock(), UNIT, 900, periods)


@given(st.integers(1, 20), st.integers(0, 899))
def test_blocks(quarter: int, second: int) -> None:
    now = MIDNIGHT + quarter * QUARTER + timedelta(seconds=second)
    one = demand()
    assert one.read(3, now).number == WATTS[(quarter - 1) % len(WATTS)]
    assert abs(one.read(2, now).number - WATTS[quarter % len(WATTS)] * second / 900) <= 4
    assert one.read(6, now) == one.read(7, now)


@given(st.integers(4, 20), st.integers(2, 4))
def test_sliding_averages(quarter: int, periods: int) -> None:
    now = MIDNIGHT + quarter * QUARTER + timedelta(seconds=7)
    wanted = sum(WATTS[at % len(WATTS)] for at in range(quarter - periods, quarter)) // periods
    assert abs(demand(periods).read(3, now).number - wanted) <= 4


def test_another_period_begins_anew() -> None:
    one, now = demand(), MIDNIGHT + 5 * QUARTER + timedelta(minutes=5)
    one.write(8, u32(1800), now)
    assert (one.read(8, now).number, one.read(2, now).number) == (1800, 0)
    for wrong in (0, 100_000):
        with pytest.raises(AccessRefused):
            one.write(8, u32(wrong), now)
    with pytest.raises(AccessRefused):
        one.write(9, u16(0), now)


def test_the_maximum_and_its_instant() -> None:
    one, clock = demand(), Clock()
    most = MaximumDemand("1-0:1.6.0", one, MIDNIGHT, UNIT)
    now = MIDNIGHT + 4 * QUARTER
    assert most.read(2, now).number == 4000
    assert most.read(5, now).octets == clock.stamp(MIDNIGHT + 3 * QUARTER).octets
    most.invoke(1, NULL, now)
    assert most.read(2, now).number == 0
    assert most.read(2, now + QUARTER).number == 8000
    assert most.read(5, now + 3 * QUARTER).octets == clock.stamp(now + QUARTER).octets
