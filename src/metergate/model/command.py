"""Orders to a meter and what became of them. An order is a value; it does nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
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
class ReadProfile(Command):
    """Fetch what the meter stored of `register` (OBIS code, or the protocol's own name), `begin` <= time < `end`."""

    register: str = ""
    begin: datetime | None = None
    end: datetime | None = None


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


@dataclass(frozen=True, slots=True)
class LimitPower(Command):
    """Let at most `watts` pass; None lifts the limit."""

    watts: int | None = None


@dataclass(frozen=True, slots=True)
class Switching:
    """From `hour:minute` of the meter's local day on, `tariff` counts."""

    hour: int
    minute: int
    tariff: int


@dataclass(frozen=True, slots=True)
class Season:
    """From `month`/`day` of every year on: the number (1...) of the day table of each weekday, Monday first."""

    month: int
    day: int
    week: tuple[int, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """On `month`/`day` (of every year where none is told) day table `table` counts, whatever the weekday."""

    month: int
    day: int
    table: int
    year: int | None = None


@dataclass(frozen=True, slots=True)
class SetTariffTable(Command):
    """Give the meter its tariff calendar: day tables 1..n, each in the order of the day, and the seasons of the year.

    `activate` None: at once. `special`: holidays; who cannot tell the meter of them leaves the order undone.
    """

    days: tuple[tuple[Switching, ...], ...] = ()
    seasons: tuple[Season, ...] = ()
    activate: datetime | None = None
    special: tuple[SpecialDay, ...] = ()


@dataclass(frozen=True, slots=True)
class SetPassword(Command):
    """Change the meter's password of an access `level`. The secrets are files' contents, never shown or logged."""

    level: int = 0
    old: str = field(default="", repr=False)
    new: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Freeze(Command):
    """Keep the present registers for reading later; at once."""


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
