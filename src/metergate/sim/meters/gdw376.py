"""Simulated terminals of Q/GDW 376.1: one measuring point, and behind it the same meter by DL/T 645."""

from __future__ import annotations

from metergate.sim.meters.base import LOCAL, installed, source
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Responder
from metergate.wire.dlt645.meter import Meter
from metergate.wire.gdw376.terminal import Terminal


def terminal(spec: MeterSpec, bank: Bank) -> Responder:
    """The terminal as it answers its station; its id is the address on the wire, eight digits.

    Measuring point 1 and the DL/T 645 meter of the same digits, filled up to twelve, show the household's registers.
    """
    show = source(spec, bank)
    meter = Meter(spec.id, show, installed(bank), LOCAL, tariffs=0)
    return Terminal(spec.id, {1: show}, [meter], LOCAL, tariffs=0)
