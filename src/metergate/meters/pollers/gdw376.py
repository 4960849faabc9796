"""Asking terminals of Q/GDW 376.1, and meters behind them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TypeVar

from metergate.errors import Refused, Unsupported
from metergate.meters.pollers.base import Poller, Target, answered, beijing
from metergate.meters.pollers.dlt645 import Dlt645Poller
from metergate.model import Command, Connect, Disconnect, Medium, MeterIdentity, Obis, Reading, SetClock, TimeQuality
from metergate.model import Register as Described
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.gdw376.items import CURVES, DENSITIES
from metergate.wire.gdw376.master import Line, Master

T = TypeVar("T")
MOST_POINTS = 96
"""Points of a curve in one question."""


class Gdw376Poller(Poller):
    """Q/GDW 376.1. The address is `TERMINAL:POINT` (a measuring point, its present data), `TERMINAL` (point 0: the
    terminal itself) or `TERMINAL/METER` (a DL/T 645 meter behind it, by forwarding).

    Options: `utc_offset` (minutes of the terminals' clocks, 480), `password` (hex of PW, 16 octets), `density` (1).
    """

    def __init__(self, options: Options) -> None:
        density, self._offset = options.get("density"), beijing(options)
        self._density = density if isinstance(density, int) else 1
        password = bytes.fromhex(str(options.get("password", "00" * 16)))
        self._line = Line(password=password, utc_offset=self._offset)
        self._masters: dict[str, Master] = {}
        self._inner = Dlt645Poller(options)

    def _who(self, target: Target) -> tuple[Master, int, str]:
        """The terminal (questions go on counting from one read to the next), the point, the meter behind it."""
        rest, _, meter = target.address.partition("/")
        terminal, _, point = rest.partition(":")
        master = self._masters.setdefault(terminal, Master(terminal.lower(), self._line))
        return master, int(point or 0), meter

    def _behind(self, target: Target, meter: str) -> Target:
        return Target(target.id, meter, target.key, target.registers)

    def _local(self, now: datetime) -> datetime:
        return now.astimezone(timezone(timedelta(minutes=self._offset))).replace(tzinfo=None, microsecond=0)

    def _answer(self, target: Target, readings: tuple[Reading, ...]) -> Telegram:
        return answered("gdw376", MeterIdentity(target.id, medium=Medium.ELECTRICITY), readings)

    def read(self, target: Target) -> Dialogue[Telegram]:
        """Present powers, voltages, currents and energies of the point, or the registers of the meter behind."""
        master, point, meter = self._who(target)
        if meter:
            found = yield from master.through(self._inner.read(self._behind(target, meter)))
            return self._answer(target, found.readings)
        return self._answer(target, (yield from master.present(point)))

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """To a meter behind: all that DL/T 645 can. To the terminal: its clock, and the rounds of its own relays."""
        master, point, meter = self._who(target)
        if meter:
            return (yield from master.through(self._inner.execute(self._behind(target, meter), command, now)))
        match command:
            case SetClock(time=time):
                try:
                    yield from master.set_clock(self._local(time or now))
                except Refused:
                    return Outcome.REFUSED
                return Outcome.DONE
            case Connect() | Disconnect() if point:
                return (yield from master.switch(point, isinstance(command, Disconnect)))
        return Outcome.UNSUPPORTED

    def profile(self, target: Target, register: str, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """A curve of the point by its item ("F101") or OBIS code, or the profile of the meter behind."""
        master, point, meter = self._who(target)
        if meter:
            inner = self._inner.profile(self._behind(target, meter), register, begin, end)
            return self._answer(target, (yield from master.through(inner)).readings)
        item, step = curve(register), timedelta(seconds=DENSITIES[self._density])
        found: list[Reading] = []
        at = begin
        while at < end:
            count = min(MOST_POINTS, -((at - end) // step))
            found += yield from master.curve(point, item, self._local(at), count, self._density)
            at += count * step
        return self._answer(target, tuple(found))

    def events(self, target: Target, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """The terminal's important events as numbers (ERC); of a meter behind, its own."""
        master, _, meter = self._who(target)
        if meter:
            inner = self._inner.events(self._behind(target, meter), begin, end)
            return self._answer(target, (yield from master.through(inner)).readings)
        count, _ = yield from master.event_counters()
        register = Described(target.id, None, "event", address="ERC")
        logged = (yield from master.events(max(0, count - 10), count)) if count else []
        zone = timezone(timedelta(minutes=self._offset))
        found = [(one, one.time.replace(tzinfo=zone)) for one in logged if one.time]
        return self._answer(
            target,
            tuple(
                Reading(register, f"ERC{one.code}", meter_time=at, time_quality=TimeQuality.UNCHECKED)
                for one, at in found
                if begin <= at < end
            ),
        )


def curve(register: str) -> int:
    """The item of the curve of a register: "F101", or by its OBIS code. Unsupported if there is none."""
    if register[:1] == "F" and register[1:].isdecimal() and int(register[1:]) in CURVES:
        return int(register[1:])
    wanted = Obis.parse(register)
    for item, part in CURVES.items():
        if part.c == wanted.c and part.d == wanted.d and wanted.e == 0:
            return item
    raise Unsupported(f"{register}: Q/GDW 376.1 has no curve of it")
