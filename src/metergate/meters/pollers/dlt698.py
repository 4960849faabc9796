"""Asking meters of DL/T 698.45."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from metergate.errors import ApplicationError, Refused, Unsupported
from metergate.meters.pollers.base import Poller, Target, answered, beijing
from metergate.model import (
    Command,
    Connect,
    Disconnect,
    Freeze,
    Medium,
    MeterIdentity,
    Obis,
    Reading,
    Register,
    SetClock,
    TimeQuality,
)
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.dlt698 import Address, dialogue, objects
from metergate.wire.dlt698.dialogue import Line, Reader
from metergate.wire.dlt698.frame import WILDCARD

USUAL = ("00100200", "00200200", "20000200", "20010200", "20040200", "200a0200", "200f0200")
"""Forward and reverse active energy, voltages, currents, active powers, power factors, frequency."""
LOGGED = (0x3011, 0x3012, 0x3013, 0x3016, 0x301B, 0x301F, 0x3020)


class Dlt698Poller(Poller):
    """DL/T 698.45. A register is an attribute of eight digits ("00100200") or an OBIS code.

    Options: `client` (address of the reader, 16), `utc_offset` (minutes of the meters' clocks, 480), `connect` true
    (associate first, with the target's key as password if it has one), `profile` (object of the load profile, "5002").
    """

    def __init__(self, options: Options) -> None:
        client, self._offset = options.get("client"), beijing(options)
        self._line = Line(client=client if isinstance(client, int) else 0x10, utc_offset=self._offset)
        self._connect = options.get("connect") is True
        self._table = int(str(options.get("profile", "5002")), 16)

    def _reader(self, target: Target) -> Reader:
        kind = WILDCARD if "a" in target.address.lower() else 0
        return Reader(Address(target.address.lower(), kind), self._line)

    def _local(self, now: datetime) -> datetime:
        return now.astimezone(timezone(timedelta(minutes=self._offset))).replace(tzinfo=None, microsecond=0)

    def _opened(self, target: Target) -> Dialogue[Reader]:
        reader = self._reader(target)
        if self._connect:
            yield from reader.connect(target.key.decode("latin-1") if target.key else None)
        return reader

    def _answer(self, target: Target, readings: tuple[Reading, ...]) -> Telegram:
        return answered("dlt698", MeterIdentity(target.id, medium=Medium.ELECTRICITY), readings)

    def read(self, target: Target) -> Dialogue[Telegram]:
        """The target's registers, or the usual ones."""
        reader = yield from self._opened(target)
        wanted = [attribute(text) for text in target.registers or USUAL]
        return self._answer(target, (yield from reader.read(wanted)))

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """Relay (read back), clock, freeze at once."""
        try:
            match command:
                case Connect() | Disconnect():
                    reader = yield from self._opened(target)
                    return (yield from reader.relay(isinstance(command, Disconnect)))
                case SetClock(time=time):
                    reader = yield from self._opened(target)
                    yield from reader.set_clock(self._local(time or now))
                    return Outcome.DONE
                case Freeze():
                    reader = yield from self._opened(target)
                    yield from reader.freeze()
                    return Outcome.DONE
        except Refused:
            return Outcome.REFUSED
        return Outcome.UNSUPPORTED

    def profile(self, target: Target, register: str, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """What was frozen of one register; "table/register" names another table, as "5004/00100201" (daily)."""
        table, _, name = register.rpartition("/")
        reader = yield from self._opened(target)
        object_ = int(table, 16) if table else self._table
        found = yield from reader.history(object_, (attribute(name),), self._local(begin), self._local(end))
        return self._answer(target, tuple(reading for reading in found if reading.register.quantity != "time_point"))

    def events(self, target: Target, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """Power failures, programming, clearing, clock setting, covers and relay; those the meter knows."""
        reader = yield from self._opened(target)
        found: list[Reading] = []
        for event in LOGGED:
            try:
                rows = yield from reader.events(event, self._local(begin), self._local(end))
            except ApplicationError:
                continue
            register = Register(target.id, None, "event", None, 0, address=f"{event:04x}")
            for row in rows:
                if row.register.quantity == "event begin" and row.meter_time:
                    name, quality = objects.EVENTS[event], TimeQuality.UNCHECKED
                    found.append(Reading(register, name, meter_time=row.meter_time, time_quality=quality))
        return self._answer(target, tuple(sorted(found, key=lambda one: str(one.meter_time))))

    def broadcast_clock(self, now: datetime) -> Dialogue[Outcome]:
        """Tell all meters the time."""
        yield from dialogue.broadcast_time(self._local(now), self._line)
        return Outcome.DONE


def attribute(text: str) -> int:
    """An attribute from eight hex digits or an OBIS code. Unsupported if it is none that is known."""
    if len(text) == 8 and set(text.lower()) <= set("0123456789abcdef"):
        return int(text, 16)
    found = objects.oad_of(Obis.parse(text))
    if found is None:
        raise Unsupported(f"{text}: DL/T 698.45 has no attribute for it; give the attribute as eight digits")
    return found
