"""Asking meters of DL/T 645."""

from __future__ import annotations

from datetime import datetime

from metergate.meters.pollers.base import Poller, Target, answered
from metergate.model import Command, Connect, Disconnect, Medium, MeterIdentity, SetClock
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.dlt645 import dialogue
from metergate.wire.dlt645.decode import E1997, E2007

USUAL_645 = ("00010000", "00020000", "02010100", "02020100", "02030000")
"""Forward and reverse active energy, voltage and current of phase A, active power."""
USUAL_645_1997 = ("9010", "9020", "b611", "b621", "b630")


class Dlt645Poller(Poller):
    """DL/T 645-2007, and 1997 with its own identifiers."""

    def __init__(self, options: Options, edition: str = "dlt645") -> None:
        self._name = edition
        self._kind = E2007 if edition == "dlt645" else E1997
        self._usual = USUAL_645 if edition == "dlt645" else USUAL_645_1997

    def read(self, target: Target) -> Dialogue[Telegram]:
        """The target's registers, or the usual ones."""
        wanted = [int(text, 16) for text in target.registers or self._usual]
        readings = yield from dialogue.read_all(target.address, wanted, kind=self._kind)
        return answered(self._name, MeterIdentity(target.id, medium=Medium.ELECTRICITY), readings)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """Relay (read back) and clock."""
        match command:
            case Connect() | Disconnect():
                action = dialogue.CLOSE if isinstance(command, Connect) else dialogue.TRIP
                return (yield from dialogue.relay(target.address, action, command.expires or now))
            case SetClock(time=time):
                yield from dialogue.set_clock(target.address, time or now)
                return Outcome.DONE
        return Outcome.UNSUPPORTED


def poller_1997(options: Options) -> Dlt645Poller:
    """DL/T 645-1997."""
    return Dlt645Poller(options, "dlt645-1997")
