"""Objects of a COSEM server: an interface class, a logical name, values, and what they do when used.

The values of an object are constants or functions of the instant, so that a value can be asked for at any instant. What
more an object does stands in a subclass, in methods named after the class's table: `read_time`, `write_time`,
`do_shift_time`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metergate.errors import BadValue, Refused
from metergate.model import Obis
from metergate.wire.dlms.apdu.items import AccessResult, Selector
from metergate.wire.dlms.cosem.classes import InterfaceClass, Level
from metergate.wire.dlms.data import Data, enum, i8, octets, structure, u16

Value = Data | Callable[[datetime], Data]


class AccessRefused(Refused):
    """An object says no; `result` is what the other side is told."""

    def __init__(self, result: int, text: str = "") -> None:
        known = {int(one): one.name.lower().replace("_", " ") for one in AccessResult}
        super().__init__(text or known.get(result, f"access result {result}"))
        self.result = result


@dataclass(frozen=True, slots=True)
class Place:
    """An attribute of an object (a method with `index` its number); `part` the element, 0 for all."""

    number: int
    name: Obis
    index: int
    part: int = 0

    @classmethod
    def of(cls, data: Data) -> Place:
        """From structure{class, logical name, attribute[, element]}. BadValue."""
        items = elements(data, 3, 4)
        part = items[3].number if len(items) > 3 else 0
        return cls(items[0].number, Obis.of(items[1].octets), items[2].number, part)

    @property
    def data(self) -> Data:
        """As a capture object definition."""
        return structure(u16(self.number), octets(self.name.octets), i8(self.index), u16(self.part))


def elements(data: Data, least: int, most: int | None = None) -> tuple[Data, ...]:
    """The elements of an array or structure. BadValue if it is none or their count is wrong."""
    if not isinstance(data.value, tuple) or not least <= len(data.value) <= (least if most is None else most):
        raise BadValue(f"{data.tag.name} where a structure of {least} elements is wanted")
    return data.value


def rows(data: Data) -> tuple[Data, ...]:
    """The elements of an array or structure of any length. BadValue if it is none."""
    if not isinstance(data.value, tuple):
        raise BadValue(f"{data.tag.name} where an array is wanted")
    return data.value


class CosemObject:
    """One object. `level`: the least right of an association that sees it; `base`: its short name, if it has one."""

    def __init__(
        self,
        kind: InterfaceClass,
        name: str | Obis,
        values: Mapping[str, Value] | None = None,
        level: Level = Level.PUBLIC,
        base: int | None = None,
    ) -> None:
        self.kind, self.level, self.base = kind, level, base
        self.name = Obis.parse(name) if isinstance(name, str) else name
        self.values: dict[str, Value] = dict(values or {})

    def read(self, index: int, now: datetime, selection: Selector | None = None) -> Data:
        """Attribute `index` at the instant `now`. AccessRefused."""
        if index == 1:
            return octets(self.name.octets)
        attribute = self.kind.attribute(index)
        if attribute is None:
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        reader: Any = getattr(self, f"read_{attribute.name}", None)
        if selection is not None and selection.selector not in attribute.selectors:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        if reader is not None:
            found: Data = reader(now, selection) if attribute.selectors else reader(now)
            return found
        return self.value(attribute.name, now)

    def value(self, name: str, now: datetime) -> Data:
        """The kept value `name`. AccessRefused if there is none."""
        value = self.values.get(name)
        if value is None:
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        return value if isinstance(value, Data) else value(now)

    def write(self, index: int, data: Data, now: datetime) -> None:
        """Set attribute `index`. AccessRefused; BadValue if `data` is of the wrong kind."""
        attribute = self.kind.attribute(index)
        if attribute is None:
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        writer: Any = getattr(self, f"write_{attribute.name}", None)
        if writer is not None:
            writer(data, now)
            return
        if data.tag != self.value(attribute.name, now).tag:
            raise AccessRefused(AccessResult.TYPE_UNMATCHED)
        self.values[attribute.name] = data

    def invoke(self, index: int, parameter: Data, now: datetime) -> Data | None:
        """Method `index`. AccessRefused; BadValue if `parameter` is of the wrong kind."""
        name = self.kind.method(index)
        method: Any = getattr(self, f"do_{name}", None) if name else None
        if method is None:
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        found: Data | None = method(parameter, now)
        return found

    def has_method(self, index: int) -> bool:
        """True if method `index` does something here."""
        name = self.kind.method(index)
        return name is not None and hasattr(self, f"do_{name}")

    def advance(self, now: datetime) -> None:
        """Time went on: do what became due."""

    def power_loss(self) -> None:
        """The supply failed and came back: what was not kept is gone."""


def scaler_unit(scaler: int, unit: int) -> Data:
    """The scaler_unit of a register; `unit` as DLMS code."""
    return structure(i8(scaler), enum(unit))
