"""Asking meters of CJ/T 188."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from metergate.errors import BadValue, ConfigError, Refused
from metergate.meters.pollers.base import Poller, Target, answered, beijing, clock_set
from metergate.model import CloseValve, Command, Medium, MeterIdentity, OpenValve, Reading, SetClock
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.cjt188 import dialogue
from metergate.wire.cjt188.frame import WRITE
from metergate.wire.cjt188.values import moment_octets

GROUP_A = {1: Medium.ELECTRICITY, 5: Medium.COOLING, 6: Medium.HEAT, 7: Medium.GAS, 8: Medium.COLD_WATER}


def _medium(readings: tuple[Reading, ...]) -> Medium | None:
    """What is measured, by group A of the first code."""
    codes = [reading.obis.a for reading in readings if reading.obis]
    return GROUP_A.get(codes[0], Medium.WARM_WATER) if codes else None


class Cjt188Poller(Poller):
    """CJ/T 188. The address may have the meter's type in front: `10:12345678901234`.

    Options: `swapped` true or false, where the order of the identifier's octets is known; `utc_offset` (minutes of the
    meters' clocks, 480); `clock`: the identifier that takes date and time, four hex digits (A015 by the standard; as
    makers differ, no clock is set without the option).
    """

    def __init__(self, options: Options) -> None:
        swapped = options.get("swapped")
        self._line = dialogue.Line(swapped=swapped if isinstance(swapped, bool) else None)
        self._offset = beijing(options)
        self._clock = _identifier(str(options.get("clock", "")))

    def _who(self, target: Target) -> tuple[int, str]:
        kind, _, address = target.address.rpartition(":")
        return int(kind or "AA", 16), address

    def read(self, target: Target) -> Dialogue[Telegram]:
        """Counters and status (901F)."""
        state = yield from dialogue.read(self._who(target), self._line, utc_offset=self._offset)
        return answered("cjt188", MeterIdentity(target.id, medium=_medium(state.readings)), state.readings)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """The valve, polled until it is there; the clock, read back."""
        match command:
            case OpenValve():
                return (yield from dialogue.valve(self._who(target), dialogue.OPEN, self._line))
            case CloseValve():
                return (yield from dialogue.valve(self._who(target), dialogue.CLOSE, self._line))
            case SetClock(time=time) if self._clock is not None:
                return (yield from self._set_clock(self._who(target), time or now, self._clock))
        return Outcome.UNSUPPORTED

    def _set_clock(self, who: tuple[int, str], at: datetime, item: int) -> Dialogue[Outcome]:
        zone = timezone(timedelta(minutes=self._offset))
        local = at if at.tzinfo is None else at.astimezone(zone).replace(tzinfo=None)
        try:
            return (yield from clock_set(self._write(who, item, moment_octets(local)), self._shown(who), local))
        except Refused:
            return Outcome.REFUSED

    def _write(self, who: tuple[int, str], item: int, octets: bytes) -> Dialogue[None]:
        reply, _ = yield from dialogue.ask(who, WRITE, item, octets, self._line)
        if reply.failed:
            raise Refused(f"meter {who[1]} takes no time under {item:04X}")

    def _shown(self, who: tuple[int, str]) -> Dialogue[datetime]:
        told = dialogue.local_time((yield from dialogue.read(who, self._line)))
        if told is None:
            raise BadValue(f"meter {who[1]} shows no time")
        return told


def _identifier(text: str) -> int | None:
    """From four hex digits; None for nothing. ConfigError."""
    try:
        return int(text, 16) if len(text) == 4 else None if not text else int("")
    except ValueError:
        raise ConfigError(f"clock = {text!r} is no identifier of CJ/T 188: write four hex digits, as A015") from None
