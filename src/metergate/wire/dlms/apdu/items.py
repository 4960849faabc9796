"""What APDUs are made of: descriptors, results, blocks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from metergate.model import Obis
from metergate.wire.dlms.data import Data


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an object: class, logical name of six octets, attribute number (0: all that are public)."""

    class_id: int
    instance: bytes
    index: int

    def __str__(self) -> str:
        return f"{Obis.of(self.instance).full} class {self.class_id} attribute {self.index}"


@dataclass(frozen=True, slots=True)
class Method:
    """A method of an object: class, logical name of six octets, method number."""

    class_id: int
    instance: bytes
    index: int

    def __str__(self) -> str:
        return f"{Obis.of(self.instance).full} class {self.class_id} method {self.index}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Selective access: which part of an attribute. 1 by range, 2 by entry (profile generic)."""

    selector: int
    parameter: Data


Selected = tuple[Attribute, Selector | None]


class AccessResult(IntEnum):
    """Data-access-result: why an attribute was not read or written."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250


class ActionResult(IntEnum):
    """Action-result: why a method was not executed."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ACTION_ABORTED = 15
    NO_LONG_ACTION_IN_PROGRESS = 16
    OTHER_REASON = 250


Result = Data | int
"""What was read, or the data-access-result (never 0) why not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a method: the action-result, and what it returned, a data-access-result, or nothing."""

    result: int
    returned: Result | None = None


def with_id(number: int, confirmed: bool = True, urgent: bool = True) -> int:
    """The invoke-id-and-priority octet: number 0..15 in the low nibble, 40H confirmed, 80H high priority."""
    return number & 15 | (0x40 if confirmed else 0) | (0x80 if urgent else 0)
