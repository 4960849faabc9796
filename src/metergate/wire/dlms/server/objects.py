"""Reading, writing and executing on a device's objects, as far as an association may."""

from __future__ import annotations

from datetime import datetime

from metergate.errors import DecodeError
from metergate.model import Obis
from metergate.wire.dlms.apdu import AccessResult, Attribute, Method, Outcome, Result, Selector
from metergate.wire.dlms.cosem.association import AssociationLN, Right, may_execute, right_to, visible
from metergate.wire.dlms.cosem.classes import SECURITY, Level
from metergate.wire.dlms.cosem.device import Device
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject
from metergate.wire.dlms.cosem.security import SecuritySetup
from metergate.wire.dlms.data import NULL, Data, encode, structure

SETUP = Obis.parse("0-0:43.0.0")
"""The security setup that all ciphered associations are under."""


class View:
    """A device as one association sees it. No call raises anything: all ends in a result."""

    def __init__(self, device: Device, association: AssociationLN, level: Level) -> None:
        self.device, self.association, self.level = device, association, level

    @property
    def policy(self) -> int:
        """What the security setup of the device asks of protected messages; 0 where it has none."""
        found = self.device.find(SECURITY.number, SETUP)
        return found.policy if isinstance(found, SecuritySetup) else 0

    def find(self, number: int, name: bytes) -> CosemObject:
        """The object, if this association sees it. AccessRefused."""
        obis = Obis.of(name)
        if obis == self.association.name:
            found: CosemObject | None = self.association
        else:
            found = self.device.named(obis) if number != 0 else None
        if found is None or not visible(found, self.level):
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        exact = found if found.kind.number == number else self.device.find(number, obis)
        if exact is None:
            raise AccessRefused(AccessResult.OBJECT_CLASS_INCONSISTENT)
        return exact

    def get(self, attribute: Attribute, selector: Selector | None, now: datetime) -> Result:
        """The value, or why not."""
        try:
            return self.read(self.find(attribute.class_id, attribute.instance), attribute.index, selector, now)
        except (AccessRefused, DecodeError) as error:
            return why(error)

    def read(self, one: CosemObject, index: int, selector: Selector | None, now: datetime) -> Data:
        """Attribute `index` of an object (0: all that may be read, as a structure). AccessRefused, DecodeError."""
        if index == 0:
            numbers = range(1, len(one.kind.attributes) + 2)
            return structure(*(self._readable(one, at, now) for at in numbers))
        if one.kind.attribute(index) is None:
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        if not right_to(one, index, self.level) & Right.READ:
            raise AccessRefused(AccessResult.READ_WRITE_DENIED)
        value = one.read(index, now, selector)
        encode(value)
        return value

    def _readable(self, one: CosemObject, index: int, now: datetime) -> Data:
        """An attribute, or null-data where it may not be read."""
        try:
            return self.read(one, index, None, now)
        except AccessRefused:
            return NULL

    def set(self, attribute: Attribute, selector: Selector | None, value: Data, now: datetime) -> int:
        """0, or why not."""
        try:
            self.write(self.find(attribute.class_id, attribute.instance), attribute.index, selector, value, now)
        except (AccessRefused, DecodeError) as error:
            return why(error)
        return AccessResult.SUCCESS

    def write(self, one: CosemObject, index: int, selector: Selector | None, value: Data, now: datetime) -> None:
        """Set attribute `index` of an object. AccessRefused, DecodeError."""
        if one.kind.attribute(index) is None:
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        if not right_to(one, index, self.level) & Right.WRITE:
            raise AccessRefused(AccessResult.READ_WRITE_DENIED)
        if selector is not None:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        one.write(index, value, now)

    def act(self, method: Method, parameter: Data | None, now: datetime) -> Outcome:
        """What came of a method."""
        try:
            one = self.find(method.class_id, method.instance)
            if not one.has_method(method.index):
                raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
            if not may_execute(one, method.index, self.level):
                raise AccessRefused(AccessResult.READ_WRITE_DENIED)
            returned = one.invoke(method.index, NULL if parameter is None else parameter, now)
        except (AccessRefused, DecodeError) as error:
            return Outcome(why(error))
        return Outcome(AccessResult.SUCCESS, returned)


def why(error: AccessRefused | DecodeError) -> int:
    """The access result that tells of an error; what is of the wrong kind is TYPE_UNMATCHED."""
    return int(error.result) if isinstance(error, AccessRefused) else int(AccessResult.TYPE_UNMATCHED)
