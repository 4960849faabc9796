"""An event log: a profile (class 7) that gets a row whenever something happens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from metergate.model import Obis
from metergate.wire.dlms.cosem.classes import DATA, Level
from metergate.wire.dlms.cosem.clock import Clock
from metergate.wire.dlms.cosem.device import Device
from metergate.wire.dlms.cosem.objects import CosemObject, Place
from metergate.wire.dlms.cosem.profile import CLOCK_NUMBER, Layout, ProfileGeneric
from metergate.wire.dlms.data import u8


class EventLog(ProfileGeneric):
    """`0.0.99.98.0.255`: the clock and the code of an event. `code` is the object that holds the last one."""

    def __init__(
        self,
        device: Device,
        clock: Clock,
        begin: datetime,
        entries: int = 100,
        names: tuple[str, str] = ("0-0:99.98.0", "0-0:96.11.0"),
        more: Iterable[Place] = (),
    ) -> None:
        self.code = CosemObject(DATA, names[1], {"value": u8(0)}, Level.READER)
        places = (Place(CLOCK_NUMBER, clock.name, 2), Place(DATA.number, Obis.parse(names[1]), 2), *more)
        super().__init__(names[0], places, device.look, clock, begin, Layout(timedelta(0), entries))
        device.add(self, self.code)

    def note(self, code: int, now: datetime) -> None:
        """Something happened."""
        self.code.values["value"] = u8(code)
        self._capture(now)
