"""How meters that have to be asked are asked: one entry a protocol, so that gateway and command line know only targets.

A poller makes dialogues; who holds them on which line is the driver's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from metergate.errors import ConfigError
from metergate.model import (
    CloseValve,
    Command,
    Connect,
    Disconnect,
    Medium,
    MeterIdentity,
    OpenValve,
    Reading,
    SetClock,
)
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram


@dataclass(frozen=True, slots=True)
class Target:
    """The meter that is meant: its number, its address on the line, its key, what to ask for (empty: the usual)."""

    id: str
    address: str
    key: bytes | None = None
    registers: tuple[str, ...] = ()


def read_key(path: Path) -> bytes:
    """A key from its file of hex digits. ConfigError without telling what is in there."""
    try:
        return bytes.fromhex("".join(path.read_text("utf-8").split()))
    except (OSError, ValueError):
        raise ConfigError(f"{path}: no key: the file has to hold its hex digits and nothing else") from None


class Poller(Protocol):
    """Questions of one protocol."""

    def read(self, target: Target) -> Dialogue[Telegram]:
        """All usual values of a meter. NoAnswer, DecodeError."""
        ...

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """Carry out an order, once. UNSUPPORTED if the protocol knows no such order."""
        ...


def _telegram(protocol: str, identity: MeterIdentity, readings: tuple[Reading, ...]) -> Telegram:
    return Telegram(protocol, 0, 0, True, meter=identity, readings=readings)


USUAL_645 = ("00010000", "00020000", "02010100", "02020100", "02030000")
"""Forward and reverse active energy, voltage and current of phase A, active power."""
USUAL_645_1997 = ("9010", "9020", "b611", "b621", "b630")


class Dlt645Poller:
    """DL/T 645-2007, and 1997 with its own identifiers."""

    def __init__(self, options: Options, edition: str = "dlt645") -> None:
        from metergate.wire.dlt645 import dialogue
        from metergate.wire.dlt645.decode import E1997, E2007

        self._say, self._name = dialogue, edition
        self._kind = E2007 if edition == "dlt645" else E1997
        self._usual = USUAL_645 if edition == "dlt645" else USUAL_645_1997

    def read(self, target: Target) -> Dialogue[Telegram]:
        """The target's registers, or the usual ones."""
        wanted = [int(text, 16) for text in target.registers or self._usual]
        readings = yield from self._say.read_all(target.address, wanted, kind=self._kind)
        return _telegram(self._name, MeterIdentity(target.id, medium=Medium.ELECTRICITY), readings)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """Relay (read back) and clock."""
        match command:
            case Connect() | Disconnect():
                action = self._say.CLOSE if isinstance(command, Connect) else self._say.TRIP
                return (yield from self._say.relay(target.address, action, command.expires or now))
            case SetClock(time=time):
                yield from self._say.set_clock(target.address, time or now)
                return Outcome.DONE
        return Outcome.UNSUPPORTED


class Cjt188Poller:
    """CJ/T 188. The address may have the meter's type in front: `10:12345678901234`.

    Options: `swapped` true or false, where the order of the identifier's octets is known.
    """

    def __init__(self, options: Options) -> None:
        from metergate.wire.cjt188 import dialogue

        self._say = dialogue
        swapped = options.get("swapped")
        self._line = dialogue.Line(swapped=swapped if isinstance(swapped, bool) else None)

    def _who(self, target: Target) -> tuple[int, str]:
        kind, _, address = target.address.rpartition(":")
        return int(kind or "AA", 16), address

    def read(self, target: Target) -> Dialogue[Telegram]:
        """Counters and status (901F)."""
        state = yield from self._say.read(self._who(target), self._line)
        return _telegram("cjt188", MeterIdentity(target.id, medium=_medium(state.readings)), state.readings)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """The valve, polled until it is there."""
        match command:
            case OpenValve():
                return (yield from self._say.valve(self._who(target), self._say.OPEN, self._line))
            case CloseValve():
                return (yield from self._say.valve(self._who(target), self._say.CLOSE, self._line))
        return Outcome.UNSUPPORTED


class MbusPoller:
    """Wired M-Bus. The address is a primary one (0..250) or the eight digits of a secondary one.

    Options: `delay`, seconds that converters add.
    """

    def __init__(self, options: Options) -> None:
        from metergate.wire.mbus import reader, secondary

        self._reader, self._secondary = reader, secondary
        delay = options.get("delay")
        self._settings = reader.Settings(delay=float(delay)) if isinstance(delay, int | Decimal) else reader.Settings()

    def read(self, target: Target) -> Dialogue[Telegram]:
        """All telegrams of the meter as one."""
        where = target.address
        slave = self._secondary.Secondary(where) if len(where) == SECONDARY else int(where)
        expect = self._secondary.Secondary(target.id) if len(target.id) == SECONDARY and target.id.isdigit() else None
        readout = yield from self._reader.read(slave, settings=self._settings, expect=expect)
        first = readout.telegrams[0]
        return replace(first, readings=readout.readings)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """Nothing can be ordered."""
        yield from ()
        return Outcome.UNSUPPORTED


SECONDARY = 8
"""Digits of a secondary address."""
GROUP_A = {1: Medium.ELECTRICITY, 5: Medium.COOLING, 6: Medium.HEAT, 7: Medium.GAS, 8: Medium.COLD_WATER}


def _medium(readings: tuple[Reading, ...]) -> Medium | None:
    """What is measured, by group A of the first code."""
    codes = [reading.obis.a for reading in readings if reading.obis]
    return GROUP_A.get(codes[0], Medium.WARM_WATER) if codes else None


POLLERS: dict[str, Callable[[Options], Poller]] = {
    "dlt645": Dlt645Poller,
    "dlt645-1997": lambda options: Dlt645Poller(options, "dlt645-1997"),
    "cjt188": Cjt188Poller,
    "mbus": MbusPoller,
}
"""Protocols whose meters speak only when asked."""
