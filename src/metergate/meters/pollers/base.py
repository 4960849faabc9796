"""What pollers share: the target, its key, and the questions that a protocol may be able to ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from metergate.errors import ConfigError, DecodeError, NoAnswer, Unsupported
from metergate.meters.map import generic
from metergate.model import Command, MeterIdentity, Reading, Register
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram

T = TypeVar("T")
BEIJING = 480
"""Minutes by which clocks of Chinese meters are ahead of UTC."""
SURE = timedelta(minutes=1)
"""A clock that was just set and read back is off by less."""


@dataclass(frozen=True, slots=True)
class Target:
    """The meter that is meant: its number, its address on the line, its key, what to ask for (empty: the usual), and
    its map, where the protocol cannot do without."""

    id: str
    address: str
    key: bytes | None = field(default=None, repr=False)
    registers: tuple[str, ...] = ()
    map: str = ""
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Further keys and secrets by name, where the protocol has more than one."""


def read_key(path: Path) -> bytes:
    """A key from its file of hex digits. ConfigError without telling what is in there."""
    try:
        return bytes.fromhex("".join(path.read_text("utf-8").split()))
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path}: no key: the file has to hold its hex digits and nothing else") from None


class Poller:
    """Questions of one protocol. What a protocol cannot do raises `Unsupported` and sends nothing."""

    def read(self, target: Target) -> Dialogue[Telegram]:
        """All usual values of a meter. NoAnswer, DecodeError."""
        return _cannot("be asked for its values")

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """Carry out an order, once. UNSUPPORTED if the protocol knows no such order."""
        yield from ()
        return Outcome.UNSUPPORTED

    def profile(self, target: Target, register: str, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """The load profile that holds `register` (OBIS code, or the protocol's own name), `begin` <= time < `end`.

        The readings' `meter_time` tells the instants. NoAnswer, DecodeError, Unsupported.
        """
        return _cannot("be asked for a load profile")

    def events(self, target: Target, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """The meter's event log as text readings with `meter_time`. NoAnswer, DecodeError, Unsupported."""
        return _cannot("be asked for its events")

    def broadcast_clock(self, now: datetime) -> Dialogue[Outcome]:
        """Tell all meters of the line the time; nobody answers. UNSUPPORTED where there is no broadcast."""
        yield from ()
        return Outcome.UNSUPPORTED


def _cannot(what: str) -> Dialogue[T]:
    yield from ()
    raise Unsupported(f"a meter of this protocol cannot {what}")


def beijing(options: Options) -> int:
    """The option `utc_offset` of Chinese protocols, minutes."""
    offset = options.get("utc_offset")
    return offset if isinstance(offset, int) else BEIJING


def clock_set(write: Dialogue[None], read: Dialogue[datetime], local: datetime) -> Dialogue[Outcome]:
    """Set, then read back: a reply to writing does not say what was written, so that one may be late."""
    heard = True
    try:
        yield from write
    except NoAnswer:
        heard = False
    try:
        shown = yield from read
    except (NoAnswer, DecodeError):
        return Outcome.UNSURE if heard else Outcome.NO_ANSWER
    return Outcome.DONE if abs(shown - local) < SURE else Outcome.UNSURE if heard else Outcome.NO_ANSWER


def answered(protocol: str, identity: MeterIdentity, readings: tuple[Reading, ...]) -> Telegram:
    """What a meter answered, as one telegram."""
    return Telegram(protocol, 0, 0, True, meter=identity, readings=with_quantities(readings))


def with_quantities(readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """The readings; those that have a code and no quantity with that of the generic table, if it knows the code."""
    return tuple(
        one if (register := _named(one.register)) is one.register else replace(one, register=register)
        for one in readings
    )


@lru_cache(4096)
def _named(register: Register) -> Register:
    if register.obis is None or register.quantity is not None:
        return register
    quantity = generic().quantity(register.obis)
    return register if quantity is None else replace(register, quantity=quantity)
