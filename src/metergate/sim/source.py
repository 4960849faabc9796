"""What a simulated meter shows of its household: registers in the meter's own units and resolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from metergate.model import Obis
from metergate.sim.household import Flow, Household

Source = Callable[[Obis, datetime], Decimal | None]

_COUNTERS = {
    Obis.parse("1-0:1.8.0"): (Flow.IMPORT, 360, 4),
    Obis.parse("1-0:2.8.0"): (Flow.EXPORT, 360, 4),
    Obis.parse("8-0:1.0.0"): (Flow.COLD_WATER, 1_000, 3),
    Obis.parse("9-0:1.0.0"): (Flow.HOT_WATER, 1_000, 3),
    Obis.parse("7-0:3.0.0"): (Flow.GAS, 1_000, 3),
    Obis.parse("6-0:1.0.0"): (Flow.HEAT, 3_600_000, 0),
}
"""Register -> its flow, the counter's units in one least digit, and the digits behind the point (kWh, m3)."""

COUNTED = {
    ("dlt645", 0): (
        Obis.parse("1-0:1.8.0"),
        Obis.parse("1-0:2.8.0"),
        Obis.parse("1-0:16.7.0"),
        Obis.parse("1-0:32.7.0"),
    ),
    ("cjt188", 0x10): (Obis.parse("8-0:1.0.0"),),
    ("cjt188", 0x11): (Obis.parse("9-0:1.0.0"),),
    ("cjt188", 0x30): (Obis.parse("7-0:3.0.0"),),
}
"""What a collector asks a meter for, by protocol and kind."""


@dataclass(frozen=True)
class Wear:
    """What is wrong with a register. `digits` before the point, then it rolls over; `stuck` since that instant."""

    digits: int = 8
    stuck: datetime | None = None


class HouseholdSource:
    """The registers of one household's meters: energy in kWh, power in kW, volume in m3, voltage, current, frequency.

    The value of a register at an instant is always the same, whoever asks and how often.
    """

    def __init__(self, home: Household, wear: Wear | None = None) -> None:
        self.home = home
        self.wear = wear or Wear()

    def __call__(self, obis: Obis, at: datetime) -> Decimal | None:
        """The value of `obis` at `at`; None if these meters do not have it."""
        at = at.astimezone(UTC)
        if self.wear.stuck:
            at = min(at, self.wear.stuck)
        if obis in _COUNTERS:
            flow, unit, places = _COUNTERS[obis]
            count = self.home.counter(flow, at) // unit % 10 ** (self.wear.digits + places)
            return Decimal(count).scaleb(-places)
        momentary = _MOMENTARY.get(obis)
        return momentary(self.home, at) if momentary else None


def _wobble(home: Household, at: datetime, per_mille: int) -> int:
    """A number within +-`per_mille`, the same whenever this second is asked for."""
    mixed = (int(at.timestamp()) * 2654435761 ^ home.seed * 40503) >> 7
    return mixed % (2 * per_mille + 1) - per_mille


def _watts(home: Household, at: datetime) -> int:
    """Power, import positive; flickers by 2 % from second to second."""
    net = home.flow(Flow.IMPORT, at) - home.flow(Flow.EXPORT, at)
    return net + net * _wobble(home, at, 20) // 1000


def _power(home: Household, at: datetime) -> Decimal:
    return Decimal(_watts(home, at)).scaleb(-3)


def _voltage(home: Household, at: datetime) -> Decimal:
    return Decimal(2305 + _wobble(home, at, 15) - abs(_watts(home, at)) // 500).scaleb(-1)


def _current(home: Household, at: datetime) -> Decimal:
    return Decimal(abs(_watts(home, at)) * 10_000 // int(_voltage(home, at) * 10)).scaleb(-3)


def _frequency(home: Household, at: datetime) -> Decimal:
    return Decimal(5000 + _wobble(home, at, 3)).scaleb(-2)


def _flow(home: Household, at: datetime) -> Decimal:
    return (Decimal(home.flow(Flow.COLD_WATER, at)) * 60).scaleb(-6)


def _heat_power(home: Household, at: datetime) -> Decimal:
    return Decimal(home.flow(Flow.HEAT, at)).scaleb(-3)


_MOMENTARY: dict[Obis, Callable[[Household, datetime], Decimal]] = {
    Obis.parse("1-0:16.7.0"): _power,
    Obis.parse("1-0:1.7.0"): lambda home, at: max(_power(home, at), Decimal(0)),
    Obis.parse("1-0:2.7.0"): lambda home, at: max(-_power(home, at), Decimal(0)),
    Obis.parse("1-0:32.7.0"): _voltage,
    Obis.parse("1-0:31.7.0"): _current,
    Obis.parse("1-0:14.7.0"): _frequency,
    Obis.parse("8-0:9.0.0"): _flow,
    Obis.parse("6-0:8.0.0"): _heat_power,
}
