"""A logical device: its objects, found by class and logical name or by short name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from metergate.errors import DecodeError
from metergate.model import Obis
from metergate.wire.dlms.apdu.items import AccessResult
from metergate.wire.dlms.cosem.classes import SHORT_STEP, short_method
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, Place
from metergate.wire.dlms.data import Data

NAME = "0-0:42.0.0"
"""The object that holds the logical device name."""


class Device:
    """The objects of a meter, kept over a loss of power."""

    def __init__(self, *objects: CosemObject) -> None:
        self._objects: dict[tuple[int, Obis], CosemObject] = {}
        self._bases: dict[int, CosemObject] = {}
        self.add(*objects)

    def add(self, *objects: CosemObject) -> None:
        """More objects; one of the same class and name takes the other's place."""
        for one in objects:
            self._objects[one.kind.number, one.name] = one
            if one.base is not None:
                self._bases[one.base] = one

    def __iter__(self) -> Iterator[CosemObject]:
        return iter(self._objects.values())

    def find(self, number: int, name: Obis) -> CosemObject | None:
        """The object of a class and logical name."""
        return self._objects.get((number, name))

    def named(self, name: Obis) -> CosemObject | None:
        """The object of a logical name, whatever its class."""
        return next((one for one in self._objects.values() if one.name == name), None)

    def short(self, name: int) -> tuple[CosemObject, int] | None:
        """The object and attribute of a short name."""
        for base in (base for base in self._bases if base <= name):
            kind, index = self._bases[base], (name - base) // SHORT_STEP + 1
            if (name - base) % SHORT_STEP == 0 and index <= len(kind.kind.attributes) + 1:
                return kind, index
        return None

    def short_method(self, name: int) -> tuple[CosemObject, int] | None:
        """The object and method of a short name."""
        for base, one in self._bases.items():
            for index in range(1, len(one.kind.methods) + 1):
                if short_method(one.kind.number, index) == name - base:
                    return one, index
        return None

    def look(self, place: Place, at: datetime) -> Data:
        """The value of a place at an instant. AccessRefused, UNDEFINED if there is none."""
        found = self.find(place.number, place.name)
        if found is None:
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        value = found.read(place.index, at)
        if not place.part:
            return value
        if not isinstance(value.value, tuple) or place.part > len(value.value):
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        return value.value[place.part - 1]

    def advance(self, now: datetime) -> None:
        """Time went on. What an object was told and cannot do leaves the others alone."""
        for one in self._objects.values():
            try:
                one.advance(now)
            except (AccessRefused, DecodeError):
                continue

    def power_loss(self) -> None:
        """The supply failed and came back."""
        for one in self._objects.values():
            one.power_loss()
