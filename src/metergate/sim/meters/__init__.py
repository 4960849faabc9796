"""Simulated meters: what a household's registers look like in each protocol, one module a protocol."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from metergate.errors import ConfigError
from metergate.sim.meters import cjt188, dlms, dlms_push, dlt645, dlt698, gdw376, iec62056, mbus, modbus, p1, sml, tic
from metergate.sim.meters.base import Frames, source
from metergate.sim.meters.mbus import HEAT, HOT_WATER
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Responder

__all__ = ["HEAT", "HOT_WATER", "PUSHERS", "RESPONDERS", "Pusher", "responder", "source"]

RESPONDERS: dict[str, Callable[[MeterSpec, Bank], Responder]] = {
    "dlt645": dlt645.meter,
    "dlt645-1997": dlt645.meter,
    "cjt188": cjt188.meter,
    "dlms-hdlc": dlms.hdlc_meter,
    "dlms-wrapper": dlms.WrapperMeter,
    "dlt698": dlt698.meter,
    "gdw376": gdw376.terminal,
    "iec62056-21": iec62056.meter,
    "mbus": mbus.slave,
    "modbus": modbus.meter,
    "modbus-tcp": modbus.meter_tcp,
    "sml": sml.meter,
}
"""Protocol -> the meter that answers in it."""

PUSHERS: dict[str, Callable[[MeterSpec, Bank], Frames]] = {
    "sml": sml.pusher,
    "wmbus": mbus.radio,
    "dlms-push": dlms_push.pusher,
    "p1": p1.pusher,
    "tic": tic.pusher,
    "iec62056-d": iec62056.pusher,
}
"""Protocol -> the meter that talks by itself in it."""


def responder(spec: MeterSpec, bank: Bank) -> Responder:
    """The meter as it answers on a bus. ConfigError for a protocol whose meters do not answer."""
    make = RESPONDERS.get(spec.protocol)
    if make is None:
        raise ConfigError(
            f"meter {spec.id}: {spec.protocol!r} does not answer on a bus; there are {', '.join(RESPONDERS)}"
        )
    return make(spec, bank)


class Pusher:
    """A meter that talks by itself: every call gives the frames of its next telegram."""

    def __init__(self, spec: MeterSpec, bank: Bank) -> None:
        self.spec = spec
        make = PUSHERS.get(spec.protocol)
        if make is None:
            raise ConfigError(
                f"meter {spec.id}: {spec.protocol!r} does not talk by itself; there are {', '.join(PUSHERS)}"
            )
        self._make = make(spec, bank)

    def frames(self, now: datetime) -> list[bytes]:
        """The next telegram at the instant `now`."""
        return self._make(now)
