"""Orders to a meter and what became of them. An order is a value; it does nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


@dataclass(frozen=True, slots=True)
class Command:
    """An order to one meter. `id` makes it idempotent: the same id twice is executed once; after `expires` never."""

    id: str
    meter: str
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadNow(Command):
    """Read all registers of the meter now."""


@dataclass(frozen=True, slots=True)
class SetClock(Command):
    """Set the meter's clock. `time` None: to the gateway's own at the moment of sending."""

    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenValve(Command):
    """Open a water or gas valve."""


@dataclass(frozen=True, slots=True)
class CloseValve(Command):
    """Close a water or gas valve."""


@dataclass(frozen=True, slots=True)
class Connect(Command):
    """Close the relay of an electricity meter: supply on (or allowed)."""


@dataclass(frozen=True, slots=True)
class Disconnect(Command):
    """Open the relay of an electricity meter: supply off."""


class Outcome(Enum):
    """How an order ended."""

    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    NO_ANSWER = "no answer"
    UNSUPPORTED = "unsupported"
    UNSURE = "unsure"  # sent, but the state could not be read back


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of order `id`."""

    id: str
    outcome: Outcome
    text: str = ""
