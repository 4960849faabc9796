"""Simulated electricity and heat meters of IEC 62056-21."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from metergate.model import Obis
from metergate.sim.meters.base import LOCAL, Frames, source
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Responder
from metergate.wire.iec62056.datasets import DataSet, data_set
from metergate.wire.iec62056.frame import Identification
from metergate.wire.iec62056.meter import Access, History, Meter, Setup, Show
from metergate.wire.iec62056.profile import Channel, Section
from metergate.wire.iec62056.registers import at_clock

HEAT = 4
PASSWORD = "00000000"  # noqa: S105 - what meters come with from the factory
QUARTER = timedelta(minutes=15)
MAKER = "MGT"
"""The maker's letters, our own, of nobody else."""
ELECTRIC = (
    ("1.8.0", "1-0:1.8.0", 11, 4, "kWh"),
    ("2.8.0", "1-0:2.8.0", 11, 4, "kWh"),
    ("16.7.0", "1-0:16.7.0", 8, 3, "kW"),
    ("32.7.0", "1-0:32.7.0", 5, 1, "V"),
    ("31.7.0", "1-0:31.7.0", 7, 3, "A"),
)
"""Address, register of the household, width, decimals, unit."""
WARM = (
    ("6.8", "6-0:1.0.0", 8, 0, "kWh"),
    ("6.26", "9-0:1.0.0", 9, 3, "m3"),
)
"""The same of a heat meter; it counts warm water for its volume."""


def meter(spec: MeterSpec, bank: Bank) -> Responder:
    """The meter as it answers: mode C, its number for an address, password in `key` (hex of its characters)."""
    return _meter(spec, bank, "5")


def pusher(spec: MeterSpec, bank: Bank) -> Frames:
    """The meter as it pushes, mode D."""
    one = _meter(spec, bank, "5")
    return lambda now: [one.push(now)]


def _meter(spec: MeterSpec, bank: Bank, baud_id: str) -> Meter:
    show = source(spec, bank)
    password = bytes.fromhex(spec.key).decode("latin-1") if spec.key else PASSWORD
    who = Identification(MAKER, baud_id, "HEAT1" if spec.kind == HEAT else "EMETER1")
    setup = Setup(who, spec.id, Access({1: password}), block=16, utc_offset=LOCAL)
    history = None if spec.kind == HEAT else _history(show)
    return Meter(setup, _show(spec, show), profile=history)


def _show(spec: MeterSpec, show: HouseholdSource) -> Show:
    rows = WARM if spec.kind == HEAT else ELECTRIC

    def shown(now: datetime) -> Sequence[DataSet]:
        head = [data_set("0.0" if spec.kind == HEAT else "C.1.0", spec.id), data_set("F.F", "00000000")]
        return head + [
            data_set(address, f"{_digits(value, width, decimals)}*{unit}")
            for address, code, width, decimals, unit in rows
            if (value := show(Obis.parse(code), now)) is not None
        ]

    return shown


def _digits(value: Decimal, width: int, decimals: int) -> str:
    return f"{value.quantize(Decimal(1).scaleb(-decimals)):0{width}f}"


def _history(show: HouseholdSource) -> History:
    """Quarters of an hour: the mean power of import and export, in kW."""

    def history(begin: datetime, end: datetime) -> Sequence[Section]:
        first = begin + (-begin.timestamp() % QUARTER.total_seconds()) * timedelta(seconds=1)
        times = [first + number * QUARTER for number in range(max(0, -((first - end) // QUARTER)))]
        rows = tuple(tuple(_mean(show, code, at) for code in ("1-0:1.8.0", "1-0:2.8.0")) for at in times)
        channels = (Channel("1.5.0", "kW"), Channel("2.5.0", "kW"))
        return [Section(at_clock(first, LOCAL), "00", 15, channels, rows)] if rows else []

    return history


def _mean(show: HouseholdSource, code: str, end: datetime) -> str:
    """The mean power of the quarter that ends at `end`."""
    before, after = (show(Obis.parse(code), at) for at in (end - QUARTER, end))
    return "" if before is None or after is None else f"{(after - before) * 4:08.4f}"
