"""A simulated DLMS meter whose time stands still, and what it truly shows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from metergate.model import Obis
from metergate.sim.household import Household
from metergate.sim.meters.base import source
from metergate.sim.meters.dlms import Meter
from metergate.sim.specs import Bank, MeterSpec

HOME = Household(77, persons=3, pv_watts=5000, since=date(2026, 11, 1))
NOON = datetime(2026, 11, 20, 12, 7, 30, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
SPEC = MeterSpec("dlms-hdlc", "10004711", 0, key=(EK + AK).hex())
BANK = Bank((HOME,), (SPEC,), None, datetime(2026, 11, 1, tzinfo=UTC))
TITLE = bytes.fromhex("4d4d4d0000000001")
"""Of the client."""


def meter() -> Meter:
    return Meter(SPEC, BANK)


def truth(code: str, at: datetime = NOON) -> Decimal:
    """What the meter shows, from the household itself: kWh, kW, V ..."""
    value = source(SPEC, BANK)(Obis.parse(code), at)
    assert value is not None
    return value


def profile(begin: datetime, end: datetime) -> list[tuple[datetime, int, int]]:
    """Rows of the load profile, both ends included: instant, import and export in tenths of Wh."""
    found, at = [], begin
    while at <= end:
        found.append((at, int(truth("1-0:1.8.0", at) * 10_000), int(truth("1-0:2.8.0", at) * 10_000)))
        at += QUARTER
    return found
