"""A meter's inside, for the responder: its registers' source, its clock, and what it keeps through a loss of power."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Protocol

from metergate.errors import Refused
from metergate.model import Obis

OTHER, NO_DATA, NO_RIGHT = 0x01, 0x02, 0x04
"""Error octets (DL/T 645-2007)."""
RECORDS = 10
"""How many records of an event are kept."""
Answer = Decimal | tuple[Decimal, datetime] | None


class RegisterSource(Protocol):
    """Where a meter's numbers come from."""

    def __call__(self, obis: Obis, at: datetime) -> Answer:
        """The value of `obis` (group F 255) at the aware instant `at`, in kWh, kW, V, A ...; None if there is none.

        A maximum demand is `(value, instant when it occurred)`.
        """
        ...


class Refusal(Refused):
    """The meter says no, with this error octet."""

    def __init__(self, octet: int) -> None:
        super().__init__(f"error {octet:02x}")
        self.octet = octet


@dataclass(frozen=True, slots=True)
class Prepaid:
    """Money paid in when the forward register stood at `energy` (kWh), and the price of a kWh."""

    money: Decimal
    energy: Decimal
    price: Decimal


@dataclass(slots=True)
class State:
    """What a meter keeps through a loss of power."""

    relay_open: bool = False
    may_close: bool = False
    keep_power: bool = False
    alarm: bool = False
    trips: int = 0
    closes: int = 0
    clock_error: timedelta = timedelta(0)
    clock_set_on: str = ""
    baud: int = 0x08
    wrong_passwords: int = 0
    locked_on: str = ""
    demand_cleared: datetime | None = None
    cleared: datetime | None = None
    frozen: list[datetime] = field(default_factory=list)
    schedule: str = "99990000"
    settings: dict[int, bytes] = field(default_factory=dict)
    second_tables: bool = False
    counts: dict[int, int] = field(default_factory=dict)
    records: dict[int, list[bytes]] = field(default_factory=dict)
    prepaid: Prepaid | None = None


class Core:
    """One meter. `installed`: nothing was recorded before; `utc_offset` of its clock and its midnight."""

    def __init__(
        self,
        address: str,
        source: RegisterSource,
        installed: datetime,
        utc_offset: timedelta = timedelta(hours=8),
        tariffs: int = 4,
        passwords: dict[int, bytes] | None = None,
        most_data: int = 200,
        state: State | None = None,
    ) -> None:
        self.address = address.zfill(12)
        self.source = source
        self.installed = installed
        self.zone = timezone(utc_offset)
        self.tariffs = tariffs
        self.passwords = passwords if passwords is not None else {2: b"\0\0\0", 4: b"\0\0\0"}
        self.most_data = most_data
        self.state = state or State()

    def local(self, now: datetime) -> datetime:
        """What the meter's own clock shows, without zone."""
        return (now + self.state.clock_error).astimezone(self.zone).replace(tzinfo=None)

    def instant(self, local: datetime) -> datetime:
        """The true instant at which the meter's clock shows `local`."""
        return local.replace(tzinfo=self.zone) - self.state.clock_error

    def second_tables(self, now: datetime) -> bool:
        """Whether the second set of tariff tables counts: it changes when the switching time (04000106) has come."""
        digits = self.state.settings.get(0x04000106, b"")[::-1].hex()
        come = bool(digits) and digits.isdecimal() and digits <= f"{self.local(now):%y%m%d%H%M}"
        return self.state.second_tables ^ come

    def note(self, event: int, record: bytes) -> None:
        """Count an event (identifier with DI0 = 00) and keep its record."""
        self.state.counts[event] = self.state.counts.get(event, 0) + 1
        records = self.state.records.setdefault(event, [])
        records.insert(0, record)
        del records[RECORDS:]
