"""What a simulated meter of DL/T 698.45 keeps, shows and does when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from metergate.model import Obis, Unit
from metergate.wire.dlt645.core import RegisterSource
from metergate.wire.dlt645.items import KINDS
from metergate.wire.dlt698 import objects
from metergate.wire.dlt698.objects import ONE, PHASES, TARIFFS, TOTAL_PHASES, Item
from metergate.wire.dlt698.values import (
    ARRAY,
    BITS,
    DATE_TIME_S,
    ENUM,
    INT16,
    INT32,
    INT64,
    NOTHING,
    OCTETS,
    SCALER_UNIT,
    STRUCTURE,
    UINT16,
    UINT32,
    UINT64,
    VISIBLE,
    Data,
)

DONE, DENIED, UNDEFINED, UNMATCHED, OTHER = 0, 3, 4, 7, 255
"""Data access results."""
WRONG_PASSWORD = 1
"""Result of a connect-response (to be checked per meter)."""
WRONG_LIMIT = 3
UNITS = {Unit.W: 27, Unit.KW: 28, Unit.VA: 29, Unit.KVA: 30, Unit.VAR: 31, Unit.KVAR: 32, Unit.KWH: 33, Unit.WH: 34}
UNITS |= {Unit.KVARH: 35, Unit.A: 36, Unit.V: 38, Unit.HZ: 47, Unit.PERCENT: 51, Unit.DEG_C: 9, Unit.MIN: 6}
"""Unit codes of a scaler_unit; they are not those of DLMS."""
SIZES = {0x2000: UINT16, 0x200F: UINT16, 0x200A: INT16, 0x2010: INT16, 0x2011: UINT16, 0x2012: UINT16, 0x2013: UINT32}
THOUSANDS = frozenset((0x2004, 0x2005, 0x2006))
"""Shown in W where the source says kW."""
TRIP, CLOSE, ALLOW_ONLY = 0x80008100, 0x80008200, 0
CLEAR_METER, CLEAR_DEMAND, CLEAR_EVENTS, TELL_TIME, FREEZE = 0x43000300, 0x43000600, 0x43000500, 0x40007F00, 0x50000300
STEP = timedelta(minutes=5)
"""Most that a broadcast moves a clock."""
KEPT = 62
"""Freezes at once and records of an event that are kept."""


@dataclass(slots=True)
class State:
    """What a meter keeps through a loss of power. `events`: object -> `(begin, end)`, the latest last."""

    relay_open: bool = False
    clock_error: timedelta = timedelta(0)
    settings: dict[int, Data] = field(default_factory=dict)
    frozen: list[datetime] = field(default_factory=list)
    events: dict[int, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    wrong_passwords: int = 0
    locked_on: str = ""
    clock_set_on: str = ""


class Store:
    """One meter. `installed`: nothing was recorded before; `utc_offset` of its clock; `password`: who wants to write or
    to act has to tell it in connect-request (None: anybody may); three wrong ones lock the meter for the day.
    """

    def __init__(
        self,
        address: str,
        source: RegisterSource,
        installed: datetime,
        utc_offset: timedelta = timedelta(hours=8),
        tariffs: int = 4,
        password: str | None = None,
        state: State | None = None,
    ) -> None:
        self.address = address.zfill(12)
        self.source, self.installed, self.tariffs = source, installed, tariffs
        self.zone = timezone(utc_offset)
        self.password, self.trusted = password, False
        self.state = state or State()

    def local(self, now: datetime) -> datetime:
        """What the meter's own clock shows, without zone."""
        return (now + self.state.clock_error).astimezone(self.zone).replace(tzinfo=None)

    def instant(self, local: datetime) -> datetime:
        """The true instant at which the meter's clock shows `local`."""
        return local.replace(tzinfo=self.zone) - self.state.clock_error

    def note(self, event: int, begin: datetime, end: datetime | None = None) -> None:
        """Keep a record of an event; times of the meter's own clock."""
        kept = self.state.events.setdefault(event, [])
        kept.append((begin.replace(microsecond=0), (end or begin).replace(microsecond=0)))
        del kept[:-KEPT]

    def associate(self, fields: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """The fields of a connect-response: what was asked for, and whether the password is right."""
        which, told = fields["mechanism"]
        today, state = f"{self.local(now):%Y-%m-%d}", self.state
        right = self.password is None or (which == 1 and told == self.password and state.locked_on != today)
        if not right and which:
            state.wrong_passwords += 1
            if state.wrong_passwords >= WRONG_LIMIT:
                state.locked_on, state.wrong_passwords = today, 0
        self.trusted = right and self.password is not None
        names = ("version", "protocol", "functions", "send_frame", "receive_frame", "window", "apdu_size", "timeout_s")
        refused = which and not right
        return {name: fields[name] for name in names} | {"result": WRONG_PASSWORD if refused else 0}


# --- reading ---------------------------------------------------------------------------------------------------------
def attribute(store: Store, oad: int, now: datetime) -> tuple[int, Any]:
    """`(1, Data)` of an attribute or of one of its elements, or `(0, DAR)`."""
    found = value(store, oad & 0xFFFFFF00, now)
    index = oad & 0xFF
    if found is None:
        return 0, UNDEFINED
    if not index:
        return 1, found
    if found.tag not in (ARRAY, STRUCTURE):
        return (1, found) if index == 1 else (0, UNDEFINED)
    return (1, found.value[index - 1]) if index <= len(found.value) else (0, UNDEFINED)


def value(store: Store, oad: int, at: datetime) -> Data | None:
    """The whole of an attribute as it is, or was, at an instant; None if the meter has none such."""
    if oad in store.state.settings:
        return store.state.settings[oad]
    item = objects.item(oad)
    if item is not None:
        return _register(store, oad, item, at)
    return _scaler(oad) or _own(store, oad, at)


def _register(store: Store, oad: int, item: Item, at: datetime) -> Data | None:
    counts = {TARIFFS: store.tariffs + 1, TOTAL_PHASES: 4, PHASES: 3, ONE: 1}
    found = [_element(store, oad, item, place, at) for place in range(counts[item.members])]
    while found and found[-1] is None:
        found.pop()
    if not found:
        return None
    if item.members == ONE:
        return found[0]
    return Data(ARRAY, tuple(one or NOTHING for one in found))


def _element(store: Store, oad: int, item: Item, place: int, at: datetime) -> Data | None:
    obis = objects.register("", oad, place).obis
    answer = store.source(Obis(obis.a, obis.b, obis.c, obis.d, obis.e), at) if obis else None
    if answer is None:
        return None
    amount, when = answer if isinstance(answer, tuple) else (answer, at)
    raw = int((amount * 1000 if oad >> 16 in THOUSANDS else amount).scaleb(item.decimals))
    number = Data(_tag(oad), _rolled(raw, _tag(oad)))
    if item.d != 6:
        return number
    return Data(STRUCTURE, (number, Data(DATE_TIME_S, store.local(when).replace(microsecond=0))))


def _tag(oad: int) -> int:
    oi = oad >> 16
    if oi >> 12 == 2:
        return SIZES.get(oi, INT32)
    signed = KINDS[oi >> 4 & 0xFF][3]
    if oad >> 8 & 0x1F == objects.FINE and oi >> 12 == 0:
        return INT64 if signed else UINT64
    return INT32 if signed else UINT32


def _rolled(raw: int, tag: int) -> int:
    """As much as the register has room for: it rolls over."""
    return raw % 10**8 if tag == UINT32 else raw % 10**10 if tag == UINT64 else raw


def _scaler(oad: int) -> Data | None:
    """Scale and unit: attribute 3 belongs to 2, attribute 5 to 4."""
    number = oad >> 8 & 0x1F
    item = objects.item(oad - 0x100) if number in (3, 5) else None
    if item is None:
        return None
    return Data(SCALER_UNIT, (-item.decimals, UNITS.get(item.unit, 255) if item.unit else 255))


def _own(store: Store, oad: int, at: datetime) -> Data | None:
    number = bytes.fromhex(store.address)
    own: dict[int, Data] = {
        objects.CLOCK: Data(DATE_TIME_S, store.local(at).replace(microsecond=0)),
        objects.CLOCK_MODE: Data(ENUM, 1),
        objects.ADDRESS: Data(OCTETS, number),
        objects.METER_NUMBER: Data(OCTETS, number),
        0x410B0200: Data(VISIBLE, "METERGATE"),
        0x80000300: Data(ARRAY, (Data(BITS, (8, b"\x80" if store.state.relay_open else b"\0")),)),
    }
    return own.get(oad)


# --- writing ---------------------------------------------------------------------------------------------------------
WRITABLE = {objects.CLOCK_MODE: ENUM, 0x41000200: 17, 0x41010200: 17, 0x41030200: VISIBLE, 0x40030200: OCTETS}
"""Settings that are just kept, and their types."""


def write(store: Store, oad: int, data: Data, now: datetime) -> int:
    """Set an attribute; the data access result."""
    if oad == objects.CLOCK:
        return _set_clock(store, data, now)
    if oad == objects.ADDRESS:
        if data.tag != OCTETS or not data.value.hex().isdecimal() or len(data.value) != 6:
            return UNMATCHED
        store.address = data.value.hex()
        return DONE
    if oad not in WRITABLE:
        return DENIED if value(store, oad, now) else UNDEFINED
    if data.tag != WRITABLE[oad]:
        return UNMATCHED
    store.state.settings[oad] = data
    store.note(0x3012, store.local(now))
    return DONE


def _set_clock(store: Store, data: Data, now: datetime) -> int:
    if data.tag != DATE_TIME_S or not isinstance(data.value, datetime):
        return UNMATCHED
    shown = store.local(now)
    store.state.clock_error += data.value - shown.replace(microsecond=0)
    store.note(0x3016, shown, data.value)
    return DONE


def act(store: Store, method: int, data: Data, now: datetime) -> int:
    """Do what a method says; the data access result."""
    shown, state = store.local(now), store.state
    if method in (TRIP, CLOSE):
        return _switch(store, method == TRIP, data, shown)
    if method == FREEZE:
        state.frozen = [*state.frozen[1 - KEPT :], now]
    elif method == TELL_TIME:
        return _told_time(store, data, now)
    elif method == CLEAR_EVENTS:
        state.events.clear()
        store.note(0x3015, shown)
    elif method in (CLEAR_METER, CLEAR_DEMAND):
        store.note(0x3013 if method == CLEAR_METER else 0x3014, shown)
    else:
        return UNDEFINED
    return DONE


def _switch(store: Store, trip: bool, data: Data, shown: datetime) -> int:
    orders = [one.value for one in data.value] if data.tag == ARRAY else []
    if not orders or any(len(order) != (4 if trip else 2) for order in orders):
        return UNMATCHED
    if not trip and orders[0][1].value == ALLOW_ONLY:
        return DONE
    if store.state.relay_open is not trip:
        store.note(0x301F if trip else 0x3020, shown)
    store.state.relay_open = trip
    return DONE


def _told_time(store: Store, data: Data, now: datetime) -> int:
    """Once a day, at most five minutes."""
    shown = store.local(now)
    if not isinstance(data.value, datetime) or abs(data.value - shown) > STEP:
        return OTHER
    if store.state.clock_set_on == f"{shown:%Y-%m-%d}":
        return DENIED
    store.state.clock_set_on = f"{shown:%Y-%m-%d}"
    return _set_clock(store, data, now)
