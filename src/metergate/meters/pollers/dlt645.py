"""Asking meters of DL/T 645."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from metergate.errors import BadValue, Refused, Unsupported
from metergate.meters.pollers.base import Poller, Target, answered, beijing, clock_set
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
    SetPassword,
    SetTariffTable,
    TimeQuality,
)
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.dlt645 import dialogue, dialogue97, history, load, schedule
from metergate.wire.dlt645.decode import E1997, E2007
from metergate.wire.dlt645.dialogue import Authority

USUAL_645 = ("00010000", "00020000", "02010100", "02020100", "02030000")
"""Forward and reverse active energy, voltage and current of phase A, active power."""
USUAL_645_1997 = ("9010", "9020", "b611", "b621", "b630")
SOON = timedelta(minutes=2)
"""An order is valid for at least so long; a tariff calendar "at once" counts from so much later."""
KINDS = {"daily": history.DAILY, "hourly": history.HOURLY, "timed": history.TIMED, "frozen": history.AT_ONCE}
PASSWORD_ITEM = 0x04000C00
"""Identifier of the password of level n, less n + 1."""


class Dlt645Poller(Poller):
    """DL/T 645-2007, and 1997 with its own identifiers. A target's key is the password as sent: level and three octets.

    Options: `utc_offset` (minutes of the meters' clocks, 480), `operator` (eight hex digits).
    """

    def __init__(self, options: Options, edition: str = "dlt645") -> None:
        self._name = edition
        self._kind = E2007 if edition == "dlt645" else E1997
        self._usual = USUAL_645 if edition == "dlt645" else USUAL_645_1997
        self._offset = beijing(options)
        self._zone = timezone(timedelta(minutes=self._offset))
        self._operator = bytes.fromhex(str(options.get("operator", "00000000")))

    def _who(self, target: Target) -> Authority:
        return Authority(target.key or b"\x02\0\0\0", self._operator)

    def _local(self, now: datetime) -> datetime:
        """The meters' own time; a time without zone is theirs already."""
        return now if now.tzinfo is None else now.astimezone(self._zone).replace(tzinfo=None)

    def read(self, target: Target) -> Dialogue[Telegram]:
        """The target's registers, or the usual ones."""
        wanted = [int(text, 16) for text in target.registers or self._usual]
        readings = yield from dialogue.read_all(target.address, wanted, kind=self._kind, utc_offset=self._offset)
        return self._answer(target, readings)

    def _answer(self, target: Target, readings: tuple[Reading, ...]) -> Telegram:
        return answered(self._name, MeterIdentity(target.id, medium=Medium.ELECTRICITY), readings)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """Relay and clock (read back), freeze at once, password, tariff calendar (read back)."""
        try:
            perform = self._order(target, command, now)
            if perform is None:
                return Outcome.UNSUPPORTED
            found = yield from perform
        except (Unsupported, BadValue):
            return Outcome.UNSUPPORTED
        except Refused:
            return Outcome.REFUSED
        return found if isinstance(found, Outcome) else Outcome.DONE

    def _order(self, target: Target, command: Command, now: datetime) -> Dialogue[Any] | None:
        address, who = target.address, self._who(target)
        if self._kind is E1997:
            return self._order_1997(target, command, now)
        match command:
            case Connect() | Disconnect():
                action = dialogue.CLOSE if isinstance(command, Connect) else dialogue.TRIP
                until = command.expires or (now + SOON)
                return dialogue.relay(address, action, self._local(until), who)
            case SetClock(time=time):
                local = self._local(time or now)
                return clock_set(dialogue.set_clock(address, local, who), dialogue.read_clock(address), local)
            case Freeze():
                return dialogue.freeze(address)
            case SetPassword(level=level, old=old, new=new):
                item = PASSWORD_ITEM + level + 1
                return dialogue.change_password(address, item, _secret(level, old), _secret(level, new))
            case SetTariffTable(special=()):
                switch = self._local(command.activate or now + SOON)
                return schedule.write_calendar(address, schedule.Calendar.of(command), switch, who)
        return None

    def _order_1997(self, target: Target, command: Command, now: datetime) -> Dialogue[Any] | None:
        password = self._who(target).password
        match command:
            case SetClock(time=time):
                local, address = self._local(time or now), target.address
                return clock_set(dialogue97.set_clock(address, local, password), dialogue97.read_clock(address), local)
            case SetPassword(level=level, old=old, new=new):
                return dialogue97.change_password(target.address, _secret(level, old), _secret(level, new))
        return None

    def profile(self, target: Target, register: str, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """A register (OBIS code) of the load records, or of freezes: "daily/1-0:1.8.0", hourly, timed, frozen."""
        kind, _, name = register.rpartition("/")
        obis, first, last = Obis.parse(name), self._local(begin), self._local(end)
        if self._kind is E1997 or (kind and kind not in KINDS):
            raise Unsupported(f"{register}: no such profile; there are {', '.join(KINDS)} and load records")
        if kind:
            found = yield from history.freezes(target.address, KINDS[kind], _frozen(obis), first, last)
        else:
            number = load.class_of(obis)
            if number is None:
                raise Unsupported(f"{register}: no class of load records holds it")
            found = yield from history.load_profile(target.address, number, first, last)
        return self._answer(target, tuple(self._stamped(found, obis)))

    def _stamped(self, found: Iterable[history.Timed], obis: Obis) -> Iterable[Reading]:
        for when, reading in found:
            own = reading.register.obis
            if own is not None and (own.c, own.d, own.e) == (obis.c, obis.d, obis.e):
                register = replace(reading.register, obis=obis, storage=0, subunit=0)
                yield replace(
                    reading, register=register, meter_time=self._instant(when), time_quality=TimeQuality.UNCHECKED
                )

    def _instant(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self._zone).astimezone(UTC)

    def events(self, target: Target, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """Power failures, programming, clearing, clock setting, covers and relay."""
        if self._kind is E1997:
            raise Unsupported("DL/T 645-1997 keeps no event records")
        found = yield from history.events(target.address, self._local(begin), self._local(end))
        return self._answer(
            target,
            tuple(
                Reading(
                    Register(target.id, None, "event", address=f"{event:08x}"),
                    history.EVENTS[event],
                    meter_time=self._instant(when),
                    time_quality=TimeQuality.UNCHECKED,
                )
                for when, event in found
            ),
        )

    def broadcast_clock(self, now: datetime) -> Dialogue[Outcome]:
        """Tell all meters the time; each takes it once a day, and five minutes of correction at most."""
        yield from dialogue.broadcast_time(self._local(now))
        return Outcome.DONE


def _secret(level: int, digits: str) -> bytes:
    """Level and password as sent. Unsupported (without the secret) if it is not six digits."""
    if len(digits) != 6 or not digits.isdecimal():
        raise Unsupported("a password of DL/T 645 has six digits")
    return bytes((level,)) + bytes.fromhex(digits)


def _frozen(obis: Obis) -> int:
    """What a freeze calls a register: energies by group C, powers 10H. Unsupported for others."""
    if obis.d == 8 and 1 <= obis.c <= 8:
        return obis.c
    if obis.d == 7 and obis.c in (16, 36, 56, 76):
        return 0x10
    raise Unsupported(f"{obis}: meters of DL/T 645 do not freeze it")


def poller_1997(options: Options) -> Dlt645Poller:
    """DL/T 645-1997."""
    return Dlt645Poller(options, "dlt645-1997")
