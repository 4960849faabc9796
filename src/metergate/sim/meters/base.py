"""What simulated meters of all protocols share: the household's registers and the meters' own clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from metergate.sim.source import HouseholdSource, Wear
from metergate.sim.specs import Bank, MeterSpec

Frames = Callable[[datetime], list[bytes]]
"""What a meter that talks by itself sends at an instant."""
LOCAL = timedelta(hours=1)
"""The meters' own clocks: winter time of Central Europe."""
ELSEWHERE = ("dlt645", "dlt645-1997", "dlt698", "gdw376", "cjt188")
"""Protocols whose readers expect clocks of another part of the world."""


def reader_options(protocol: str) -> dict[str, object]:
    """What a reader has to know of the simulated meters of a protocol."""
    return {"utc_offset": LOCAL // timedelta(minutes=1)} if protocol in ELSEWHERE else {}


def source(spec: MeterSpec, bank: Bank) -> HouseholdSource:
    """The registers that the meter shows."""
    return HouseholdSource(bank.homes[spec.home], Wear(spec.digits, spec.stuck))


def installed(bank: Bank) -> datetime:
    """When the meters were put in."""
    return bank.installed or datetime(2024, 1, 1, tzinfo=UTC)
