"""Simulated electricity meters of DL/T 698.45."""

from __future__ import annotations

from metergate.sim.meters.base import LOCAL, installed, source
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Responder
from metergate.wire.dlt698.meter import Meter


def meter(spec: MeterSpec, bank: Bank) -> Responder:
    """The meter as it answers on a bus."""
    return Meter(spec.id, source(spec, bank), installed(bank), LOCAL, tariffs=0)
