"""Asking meters of CJ/T 188."""

from __future__ import annotations

from datetime import datetime

from metergate.meters.pollers.base import Poller, Target, answered
from metergate.model import CloseValve, Command, Medium, MeterIdentity, OpenValve, Reading
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.cjt188 import dialogue

GROUP_A = {1: Medium.ELECTRICITY, 5: Medium.COOLING, 6: Medium.HEAT, 7: Medium.GAS, 8: Medium.COLD_WATER}


def _medium(readings: tuple[Reading, ...]) -> Medium | None:
    """What is measured, by group A of the first code."""
    codes = [reading.obis.a for reading in readings if reading.obis]
    return GROUP_A.get(codes[0], Medium.WARM_WATER) if codes else None


class Cjt188Poller(Poller):
    """CJ/T 188. The address may have the meter's type in front: `10:12345678901234`.

    Options: `swapped` true or false, where the order of the identifier's octets is known.
    """

    def __init__(self, options: Options) -> None:
        swapped = options.get("swapped")
        self._line = dialogue.Line(swapped=swapped if isinstance(swapped, bool) else None)

    def _who(self, target: Target) -> tuple[int, str]:
        kind, _, address = target.address.rpartition(":")
        return int(kind or "AA", 16), address

    def read(self, target: Target) -> Dialogue[Telegram]:
        """Counters and status (901F)."""
        state = yield from dialogue.read(self._who(target), self._line)
        return answered("cjt188", MeterIdentity(target.id, medium=_medium(state.readings)), state.readings)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """The valve, polled until it is there."""
        match command:
            case OpenValve():
                return (yield from dialogue.valve(self._who(target), dialogue.OPEN, self._line))
            case CloseValve():
                return (yield from dialogue.valve(self._who(target), dialogue.CLOSE, self._line))
        return Outcome.UNSUPPORTED
