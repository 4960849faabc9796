"""A reading: what was measured (its register), the value, both clocks, and how sure it is.

The register part of a meter's readings never changes from telegram to telegram, so it is a value of its own that
decoders learn once and share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

from metergate.model.obis import Obis
from metergate.model.unit import Unit

Value = Decimal | str | bytes | None


class Function(Enum):
    """How the value came about (EN 13757-3 function field)."""

    INSTANTANEOUS = "instantaneous"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    ERROR = "error"


class Quality(IntEnum):
    """How sure a value is; the numbers are what blocks store, higher is surer."""

    ABSENT = 0
    BAD = 1
    SUSPECT = 2
    ESTIMATED = 3
    GOOD = 4


class TimeQuality(Enum):
    """What is known of `meter_time`."""

    NONE = "none"  # the meter told no time
    SYNCHRONISED = "synchronised"
    UNCHECKED = "unchecked"
    DOUBTFUL = "doubtful"  # before 2000, in the future, or going backwards
    COUNTER = "counter"  # seconds since an unknown start (SML secIndex)


@dataclass(frozen=True, slots=True)
class Register:
    """What is measured: one register (or channel) of one meter.

    `scaler` is the power of ten of the wire's integer; `address` the designator as sent by text protocols.
    """

    meter: str
    obis: Obis | None = None
    quantity: str | None = None
    unit: Unit | None = field(default=None, hash=False)  # an Enum's hash is slow, and the others tell enough apart
    scaler: int = 0
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    function: Function = field(default=Function.INSTANTANEOUS, hash=False)
    address: str | None = None

    @property
    def key(self) -> str:
        """Names the register for ever, whatever the wire calls it: `meter/obis` and what else tells it apart."""
        what = self.obis.full if self.obis else self.address or self.quantity or "?"
        rest = (self.storage, self.tariff, self.subunit, self.function)
        if rest == (0, 0, 0, Function.INSTANTANEOUS):
            return f"{self.meter}/{what}"
        return f"{self.meter}/{what}/{self.storage}.{self.tariff}.{self.subunit}.{self.function.value}"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one register. `value` is exact: raw x 10^scaler as Decimal, text, or octets.

    `value` None means there is none; `reason` then says why ("null", "not supported", "error state", ...).
    `meter_time` is the meter's own clock (aware, UTC), `received` ours.
    """

    register: Register
    value: Value
    raw: int | None = None
    meter_time: datetime | None = None
    received: datetime | None = None
    status: int | None = None
    quality: Quality = Quality.GOOD
    time_quality: TimeQuality = TimeQuality.NONE
    reason: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def meter(self) -> str:
        """The meter's id."""
        return self.register.meter

    @property
    def obis(self) -> Obis | None:
        """What the value is."""
        return self.register.obis

    @property
    def unit(self) -> Unit | None:
        """The unit of `value`."""
        return self.register.unit


class _Draft:
    """A reading being filled in: the same slots as `Reading`, but not frozen yet."""

    __slots__ = tuple(Reading.__dataclass_fields__)


def quick_reading(
    register: Register,
    value: Value,
    raw: int | None,
    meter_time: datetime | None,
    received: datetime | None,
    status: int | None,
    quality: Quality,
    time_quality: TimeQuality,
    reason: str | None = None,
    notes: tuple[str, ...] = (),
) -> Reading:
    """`Reading(...)` at a quarter of its cost, for decoders in a hurry: a frozen dataclass fills itself in slowly."""
    draft: Any = _Draft()
    draft.register = register
    draft.value = value
    draft.raw = raw
    draft.meter_time = meter_time
    draft.received = received
    draft.status = status
    draft.quality = quality
    draft.time_quality = time_quality
    draft.reason = reason
    draft.notes = notes
    draft.__class__ = Reading
    return draft  # type: ignore[no-any-return]
