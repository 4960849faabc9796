"""Push setup (class 40): what a meter tells unasked, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from metergate.errors import DecodeError
from metergate.wire.dlms.apdu import AccessResult, DataNotification
from metergate.wire.dlms.cosem.classes import PUSH, Level
from metergate.wire.dlms.cosem.clock import Clock
from metergate.wire.dlms.cosem.device import Device
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, Place, Value, elements, rows
from metergate.wire.dlms.data import NULL, Data, array, enum, octets, structure, u8, u16

TCP, CIPHERED_MESSAGES = 0, 0
Send = Callable[[DataNotification, datetime], None]


class PushSetup(CosemObject):
    """`0.b.25.9.0.255`. `send` is given the notification when method 1 is executed; None: there is nowhere to."""

    def __init__(
        self,
        device: Device,
        clock: Clock,
        places: Iterable[Place],
        send: Send | None = None,
        destination: bytes = b"",
        name: str = "0-0:25.9.0",
    ) -> None:
        values: dict[str, Value] = {
            "object_list": array(*(place.data for place in places)),
            "destination": structure(enum(TCP), octets(destination), enum(CIPHERED_MESSAGES)),
            "communication_window": array(),
            "randomisation_interval": u16(0),
            "retries": u8(3),
            "repetition_delay": u16(60),
        }
        super().__init__(PUSH, name, values, Level.READER)
        self._device, self._clock, self.send = device, clock, send
        self._invoke = 0

    def notification(self, now: datetime) -> DataNotification:
        """What is pushed: a structure of the listed values, null-data where there is none."""
        self._invoke = self._invoke % 0xFFFFFF + 1
        places = [Place.of(item) for item in rows(self.value("object_list", now))]
        values = (self._value(place, now) for place in places)
        return DataNotification(self._invoke, self._clock.stamp(now).octets, structure(*values))

    def _value(self, place: Place, now: datetime) -> Data:
        """Attribute 0 is the whole object: its logical name and attribute 2 here."""
        if place.name == self.name and place.index == 2:
            return self.value("object_list", now)
        try:
            return self._device.look(place, now)
        except (AccessRefused, DecodeError):
            return NULL

    def write_object_list(self, data: Data, now: datetime) -> None:
        """Attribute 2: array of capture object definitions."""
        for item in elements(data, 0, 64):
            Place.of(item)
        self.values["object_list"] = data

    def do_push(self, parameter: Data, now: datetime) -> None:
        """Method 1: push now."""
        if self.send is None:
            raise AccessRefused(AccessResult.TEMPORARY_FAILURE)
        self.send(self.notification(now), now)
