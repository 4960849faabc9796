"""Simulated electricity meters of SML."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from metergate.model import Obis, Reading, Register, Unit
from metergate.sim.meters.base import Frames, installed, source
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Responder
from metergate.wire.sml.identity import server_id
from metergate.wire.sml.meter import MeterData, SmlResponder
from metergate.wire.sml.push import entry_of, push, sec_index


def meter(spec: MeterSpec, bank: Bank) -> Responder:
    """The meter as it answers requests."""
    show = source(spec, bank)
    data = MeterData(server_id(spec.id), lambda now: [entry_of(reading) for reading in readings(spec.id, show, now)])
    return SmlResponder(data)


def readings(meter: str, show: HouseholdSource, now: datetime) -> Sequence[Reading]:
    """What an electricity meter with its PIN entered pushes: both registers and the power, in Wh and W."""
    found = []
    for code, unit, scaler in (("1-0:1.8.0", Unit.WH, -1), ("1-0:2.8.0", Unit.WH, -1), ("1-0:16.7.0", Unit.W, 0)):
        value = show(Obis.parse(code), now)
        if value is not None:
            found.append(Reading(Register(meter, Obis.parse(code), None, unit, scaler), value * 1000))
    return found


def pusher(spec: MeterSpec, bank: Bank) -> Frames:
    """The meter as it pushes by itself."""
    show, since, number = source(spec, bank), installed(bank), count(1)

    def frames(now: datetime) -> list[bytes]:
        seconds = int((now - since).total_seconds())
        return [push(server_id(spec.id), readings(spec.id, show, now), sec_index(seconds), next(number))]

    return frames
