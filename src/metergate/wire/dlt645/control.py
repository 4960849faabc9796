"""What a meter does when it is told to: every request but reading, by control code (DL/T 645-2007)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from metergate.wire.dlt645 import items
from metergate.wire.dlt645.core import NO_DATA, NO_RIGHT, OTHER, Core, Refusal
from metergate.wire.dlt645.frame import address_octets
from metergate.wire.dlt645.values import Format

SECOND = Format.parse("YYMMDDhhmmss")
STEP = timedelta(minutes=5)
"""Most that a broadcast moves a clock, and how near to midnight it does nothing."""
WRONG_LIMIT = 3
"""Wrong passwords until the meter locks for the rest of the day."""
CLOCK_SET, PROGRAMMED, CLEARED, DEMAND_CLEARED = 0x03300400, 0x03300000, 0x03300100, 0x03300200
SWITCH = 0x04000106
"""When the waiting set of tariff tables begins to count."""
TRIPPED, CLOSED = 0x1D000000, 0x1E000000
OVER_ZONES, OVER_SLOTS, OVER_TARIFFS = 0x10, 0x20, 0x40
"""Error octets: more year zones, day slots or tariffs than there can be (DL/T 645-2007)."""


def authorise(core: Core, octets: bytes, most: int, now: datetime) -> None:
    """Refusal unless `PA P0 P1 P2` is the password of a level up to `most`, and the meter is not locked."""
    state, today = core.state, f"{core.local(now):%Y-%m-%d}"
    if state.locked_on == today:
        raise Refusal(NO_RIGHT)
    if len(octets) == 4 and octets[0] <= most and core.passwords.get(octets[0]) == octets[1:]:
        state.wrong_passwords = 0
        return
    state.wrong_passwords += 1
    if state.wrong_passwords >= WRONG_LIMIT:
        state.locked_on, state.wrong_passwords = today, 0
    raise Refusal(NO_RIGHT)


def _moment(octets: bytes, form: Format = SECOND) -> datetime:
    text = form.decode(octets)[0]
    if not isinstance(text, str):
        raise Refusal(OTHER)
    return datetime.fromisoformat(text)


def broadcast_time(core: Core, data: bytes, now: datetime) -> bytes:
    """Once a day, at most five minutes, not around midnight."""
    told, shown = _moment(data), core.local(now)
    midnight = shown.replace(hour=0, minute=0, second=0, microsecond=0)
    near = min(shown - midnight, midnight + timedelta(days=1) - shown)
    if core.state.clock_set_on != f"{shown:%Y-%m-%d}" and abs(told - shown) <= STEP < near:
        core.state.clock_set_on = f"{shown:%Y-%m-%d}"
        core.state.clock_error += told - shown
    return b""


def read_address(core: Core, data: bytes, now: datetime) -> bytes:
    """The own address, low octet first."""
    return address_octets(core.address)


def set_address(core: Core, data: bytes, now: datetime) -> bytes:
    """Take a new address; the reply already carries it."""
    if len(data) != 6 or not data.hex().isdecimal():
        raise Refusal(OTHER)
    core.address = data[::-1].hex()
    return b""


def write(core: Core, data: bytes, now: datetime) -> bytes:
    """Parameters (04...), by identifier, password and operator; date and time set the clock."""
    if len(data) < 12:
        raise Refusal(OTHER)
    di, value = int.from_bytes(data[:4], "little"), data[12:]
    authorise(core, data[4:8], 4, now)
    fields = items.item(di)
    size = sum(field.layout.size for field in fields or ())
    if di >> 24 != 4 or fields is None or di >> 8 == 0x04000C or (size and size != len(value)):
        raise Refusal(NO_DATA)
    check_schedule(di, value)
    if di == SWITCH:
        core.state.second_tables = core.second_tables(now)
    if di in (0x04000101, 0x04000102):
        set_clock_part(core, di == 0x04000101, value, data[8:12], now)
    elif di == 0x04000401:
        set_address(core, value, now)
    else:
        core.state.settings[di] = value
    core.note(PROGRAMMED, SECOND.encode(core.local(now)) + data[8:12] + data[:4])
    return b""


def check_schedule(di: int, value: bytes) -> None:
    """Refusal where a tariff table is none, or has more rows or tariffs than a meter can hold."""
    if di >> 16 not in (0x0401, 0x0402):
        return
    if len(value) % 3 or not value.hex().isdecimal():
        raise Refusal(OTHER)
    if len(value) // 3 > 14:
        raise Refusal(OVER_SLOTS if di & 0xFF else OVER_ZONES)
    if di & 0xFF and any(int(f"{tariff:02x}") > 63 for tariff in value[::3]):
        raise Refusal(OVER_TARIFFS)


def set_clock_part(core: Core, date: bool, value: bytes, operator: bytes, now: datetime) -> None:
    """Set the date (weekday and date) or the time."""
    shown = core.local(now)
    if date:
        told = datetime.combine(_moment(value[1:], Format.parse("YYMMDD")), shown.time())
    else:
        octets = value + SECOND.encode(shown)[3:]
        told = _moment(octets).replace(microsecond=shown.microsecond)
    core.state.clock_error += told - shown
    core.note(CLOCK_SET, operator + SECOND.encode(shown) + SECOND.encode(told))


def freeze(core: Core, data: bytes, now: datetime) -> bytes:
    """`mm hh DD MM`: 99999999 at once, else the schedule of the timed freeze."""
    when = data[::-1].hex()
    if len(data) != 4 or not when.isdecimal():
        raise Refusal(OTHER)
    if when == "99999999":
        core.state.frozen = [*core.state.frozen[-61:], now]
        return b""
    if not when.startswith("99"):
        raise Refusal(OTHER)
    core.state.schedule = when
    return b""


def set_baud(core: Core, data: bytes, now: datetime) -> bytes:
    """Take the baud rate of a rate word; the reply still travels with the old one."""
    if len(data) != 1 or data[0] not in (0x04, 0x08, 0x10, 0x20, 0x40):
        raise Refusal(0x08)
    core.state.baud = data[0]
    return data


def change_password(core: Core, data: bytes, now: datetime) -> bytes:
    """Identifier, old password, new one with its level; only of the same or a lower level."""
    if len(data) != 12 or data[8] < data[4]:
        raise Refusal(NO_RIGHT)
    authorise(core, data[4:8], 4, now)
    core.passwords[data[8]] = data[9:]
    return data[8:]


def clear_demand(core: Core, data: bytes, now: datetime) -> bytes:
    """Maximum demands begin again at nothing."""
    authorise(core, data[:4], 4, now)
    core.state.demand_cleared = now
    core.note(DEMAND_CLEARED, SECOND.encode(core.local(now)) + data[4:8])
    return b""


def clear_meter(core: Core, data: bytes, now: datetime) -> bytes:
    """Energies, demands and freezes begin again at nothing."""
    authorise(core, data[:4], 2, now)
    core.state.cleared = core.state.demand_cleared = now
    core.state.frozen = []
    core.note(CLEARED, SECOND.encode(core.local(now)) + data[4:8])
    return b""


def clear_events(core: Core, data: bytes, now: datetime) -> bytes:
    """All event records, or those of one identifier (its DI0 FF)."""
    authorise(core, data[:4], 2, now)
    di = int.from_bytes(data[8:12], "little")
    kept = {} if di == 0xFFFFFFFF else {event: n for event, n in core.state.counts.items() if event != di & ~0xFF}
    core.state.counts = kept
    core.state.records = {event: records for event, records in core.state.records.items() if event in kept}
    return b""


def relay(core: Core, data: bytes, now: datetime) -> bytes:
    """Trip, close, alarm, keep power; refused when its validity is over, or tripping while power is to be kept."""
    if len(data) != 16:
        raise Refusal(OTHER)
    authorise(core, data[:4], 4, now)
    action = ACTIONS.get(data[8])
    if action is None or _moment(data[10:]) < core.local(now):
        raise Refusal(OTHER)
    before = core.state.relay_open
    action(core)
    if core.state.relay_open is not before:
        core.note(TRIPPED if core.state.relay_open else CLOSED, SECOND.encode(core.local(now)) + data[4:8])
    return b""


def _trip(core: Core) -> None:
    if core.state.keep_power:
        raise Refusal(OTHER)
    core.state.trips += not core.state.relay_open
    core.state.relay_open, core.state.may_close = True, False


def _close(core: Core) -> None:
    core.state.closes += core.state.relay_open
    core.state.relay_open = core.state.may_close = False


def _allow(core: Core) -> None:
    core.state.may_close = core.state.relay_open


def _alarm(on: bool) -> Callable[[Core], None]:
    return lambda core: setattr(core.state, "alarm", on)


def _keep(on: bool) -> Callable[[Core], None]:
    return lambda core: setattr(core.state, "keep_power", on)


ACTIONS: dict[int, Callable[[Core], None]] = {
    0x1A: _trip,
    0x1B: _allow,
    0x1C: _close,
    0x2A: _alarm(True),
    0x2B: _alarm(False),
    0x3A: _keep(True),
    0x3B: _keep(False),
}
FUNCTIONS: dict[int, Callable[[Core, bytes, datetime], bytes]] = {
    0x08: broadcast_time,
    0x13: read_address,
    0x14: write,
    0x15: set_address,
    0x16: freeze,
    0x17: set_baud,
    0x18: change_password,
    0x19: clear_demand,
    0x1A: clear_meter,
    0x1B: clear_events,
    0x1C: relay,
}
