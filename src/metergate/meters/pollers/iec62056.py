"""Asking meters of IEC 62056-21."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from metergate.errors import DecodeError, NoAnswer, Refused
from metergate.meters.pollers.base import Poller, Target, answered, with_quantities
from metergate.model import Command, MeterIdentity, SetClock
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.iec62056 import reader
from metergate.wire.iec62056.datasets import DataSet
from metergate.wire.iec62056.profile import LOG, PROFILE
from metergate.wire.iec62056.readings import readings
from metergate.wire.iec62056.receiver import NAME
from metergate.wire.iec62056.registers import medium_of, short
from metergate.wire.iec62056.session import CLOCK, Places, Session

WINTER = 60
"""Minutes of Central Europe's winter time."""
SURE = timedelta(seconds=10)
"""How far a clock may be off right after it was set."""
FORMS = {6: "%H%M%S", 10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S"}


class Iec62056Poller(Poller):
    """IEC 62056-21, modes A, B and C. A target with registers is asked for them in programming mode; else it is read
    out. The key is the password, as the octets of its characters.

    Options: `bcc` "lenient"; `utc_offset`, minutes of the meter's winter time (60); `baud` and `format` of the sign-on;
    `fastest`, the highest baud identification; `stay` true: no change of speed; `wake` true: zeros first; `level` of
    the password; `read` (R1), `profile` (R5), `count` lines of its partial blocks, `write_clock` (W5); `clock`: an
    address that takes date and time in one (`YYMMDDhhmmss`), where it is not 0.9.2 and 0.9.1.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        line = reader.LINE
        self._line = replace(
            line,
            baud=_whole(options, "baud", line.baud),
            format=str(options.get("format", line.format)),
            fastest=str(options.get("fastest", line.fastest)),
            stay=options.get("stay") is True,
            wake=options.get("wake") is True,
            lenient=options.get("bcc") == "lenient",
        )
        self._offset = _whole(options, "utc_offset", WINTER)
        clock = options.get("clock")
        self._clock: Places = ((clock, "%y%m%d%H%M%S"),) if isinstance(clock, str) else CLOCK

    def _on(self, target: Target) -> reader.Line:
        return replace(self._line, address=target.address)

    def _local(self, at: datetime) -> datetime:
        """An instant by the meter's clock, without zone."""
        return at.astimezone(timezone(timedelta(minutes=self._offset))).replace(tzinfo=None)

    def _session(self, target: Target, work: reader.Work[tuple[DataSet, ...]]) -> Dialogue[Telegram]:
        """A session whose data sets become readings of the target."""
        sets = yield from self._programming(target, work)
        found = readings(target.id, sets, self._offset)
        return answered(NAME, MeterIdentity(target.id, medium=medium_of(sets)), found)

    def _programming(self, target: Target, work: reader.Work[reader.T]) -> Dialogue[reader.T]:
        password = target.key.decode("latin-1") if target.key else None
        level = str(self._options.get("level", "1"))
        return (yield from reader.programming(work, password, self._on(target), level))

    def read(self, target: Target) -> Dialogue[Telegram]:
        """The readout, or the target's registers one by one."""
        if target.registers:
            return (yield from self._session(target, self._each(target.registers)))
        options = {"meter": target.id, "utc_offset": self._offset}
        telegram = yield from reader.readout(self._on(target), options)
        named = replace(telegram, readings=with_quantities(telegram.readings))
        return replace(named, meter=replace(telegram.meter, id=target.id)) if telegram.meter and target.id else named

    def _each(self, registers: tuple[str, ...]) -> Callable[[Session], Dialogue[tuple[DataSet, ...]]]:
        name = str(self._options.get("read", "R1"))

        def work(session: Session) -> Dialogue[tuple[DataSet, ...]]:
            found: list[DataSet] = []
            for address in registers:
                found += ((yield from session.read(address, name=name)),)
            return tuple(found)

        return work

    def profile(self, target: Target, register: str, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """The load profile P.01 (or the one that `register` names as P.nn), the channel of `register` alone."""
        whole = register.startswith("P.")
        telegram = yield from self._session(target, self._range(register if whole else PROFILE, begin, end))
        wanted = tuple(
            reading
            for reading in telegram.readings
            if reading.meter_time
            and begin <= reading.meter_time < end
            and (whole or short(reading.register.address or "") == short(register))
        )
        return replace(telegram, readings=wanted)

    def events(self, target: Target, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """The log P.98."""
        return (yield from self._session(target, self._range(LOG, begin, end)))

    def _range(self, address: str, begin: datetime, end: datetime) -> reader.Work[tuple[DataSet, ...]]:
        name, count = str(self._options.get("profile", "R5")), str(self._options.get("count", ""))
        return lambda session: session.profile(self._local(begin), self._local(end), address, count, name)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """The clock, set once and read back: DONE only if it then shows the time."""
        if not isinstance(command, SetClock):
            return Outcome.UNSUPPORTED
        local, sent = self._local(command.time or now), False

        def work(session: Session) -> Dialogue[Outcome]:
            nonlocal sent
            sent = True
            name = str(self._options.get("write_clock", "W5"))
            yield from session.set_clock(local, self._clock, name)
            shown = yield from session.clock(self._clock)
            return Outcome.DONE if abs(shown - local) < SURE else Outcome.UNSURE

        try:
            return (yield from self._programming(target, work))
        except Refused:
            return Outcome.REFUSED
        except (DecodeError, NoAnswer):
            return Outcome.UNSURE if sent else Outcome.NO_ANSWER


def _whole(options: Options, name: str, usual: int) -> int:
    found = options.get(name)
    return int(found) if isinstance(found, int | Decimal) else usual
