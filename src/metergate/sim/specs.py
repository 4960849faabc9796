"""What a simulator process is told in its file: the clock, the households, the meters and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from metergate.errors import ConfigError
from metergate.sim.clock import SimClock
from metergate.sim.household import Household


@dataclass(frozen=True)
class MeterSpec:
    """A simulated meter of household number `home`.

    `kind`: for CJ/T 188 the meter type (16 cold water, 48 gas ...), for M-Bus and wireless M-Bus the device type,
    for P1 the version or country (`sim.meters.p1`), for TIC the mode.
    `key` (hex) encrypts radio telegrams in security `mode`; `every` seconds between pushed telegrams; `digits` of the
    register before it rolls over; `stuck` since; `silent` does not answer; `channel` at a collector; `map` of a Modbus
    meter; `port`, the line of its own that `sim.bench` gives it.
    """

    protocol: str
    id: str
    home: int
    kind: int = 0
    key: str = field(default="", repr=False)
    mode: int = 0
    every: float = 2.0
    digits: int = 8
    stuck: datetime | None = None
    silent: bool = False
    channel: int = 0
    map: str = ""
    port: str = ""


@dataclass(frozen=True)
class Bank:
    """A file for `metergate sim meter`, `radio` or `collector`."""

    homes: tuple[Household, ...]
    meters: tuple[MeterSpec, ...]
    clock: SimClock | None = None
    installed: datetime | None = None

    @property
    def time(self) -> SimClock:
        """The clock of the simulation; real time where none is told."""
        return self.clock or SimClock.real()


def load(path: Path) -> Bank:
    """Read a file. ConfigError says what is wrong with it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Bank)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def save(path: Path, bank: Bank) -> None:
    """Write a file for other processes."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(bank), indent=1))
