"""What a meter of 1997 does when it is told to, by control code (DL/T 645-1997). Passwords are `PA P0 P1 P2`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from metergate.wire.dlt645 import control, items97
from metergate.wire.dlt645.core import NO_DATA, NO_RIGHT, OTHER, Core, Refusal

READ_ONLY = (0x9, 0xA, 0xB)
"""High nibbles of identifiers that cannot be written: registers."""
VALVE_CLOSE, VALVE_OPEN = 0xC03A, 0xC03B
"""Water meters' own use: these identifiers, written, work the valve."""
NUMBERS = (0xC032, 0xC034)
PASSWORD = 0xC212
RATES = (0x01, 0x02, 0x04, 0x08, 0x10, 0x20)


def write(core: Core, data: bytes, now: datetime) -> bytes:
    """Identifier, password, value. Date and time set the clock, C212 is a new password."""
    if len(data) < 6:
        raise Refusal(OTHER)
    di, value = int.from_bytes(data[:2], "little"), data[6:]
    control.authorise(core, data[2:6], 4, now)
    if di in (VALVE_CLOSE, VALVE_OPEN):
        core.state.relay_open = di == VALVE_CLOSE
        return b""
    fields = items97.item(di)
    size = sum(field.layout.size for field in fields or ())
    if fields is None or di >> 12 in READ_ONLY or size != len(value):
        raise Refusal(NO_DATA)
    if di in (0xC010, 0xC011):
        control.set_clock_part(core, di == 0xC010, value, b"\0" * 4, now)
    elif di == PASSWORD:
        core.passwords[value[0]] = value[1:]
    else:
        core.state.settings[di] = value
    core.note(control.PROGRAMMED, control.SECOND.encode(core.local(now)) + b"\0" * 4 + data[:2] + b"\0\0")
    return b""


def set_address(core: Core, data: bytes, now: datetime) -> bytes:
    """Take a new address; the reply already carries it."""
    return control.set_address(core, data, now)


def set_baud(core: Core, data: bytes, now: datetime) -> bytes:
    """Take the baud rate of a rate word; the reply still travels with the old one."""
    if len(data) != 1 or data[0] not in RATES:
        raise Refusal(0x08)
    core.state.baud = data[0]
    return data


def change_password(core: Core, data: bytes, now: datetime) -> bytes:
    """Old password, new one; only of the same or a lower level."""
    if len(data) != 8 or data[4] < data[0]:
        raise Refusal(NO_RIGHT)
    control.authorise(core, data[:4], 4, now)
    core.passwords[data[4]] = data[5:]
    return data[4:]


def clear_demand(core: Core, data: bytes, now: datetime) -> bytes:
    """Maximum demands begin again at nothing."""
    control.authorise(core, data[:4], 4, now)
    core.state.demand_cleared = now
    core.note(control.DEMAND_CLEARED, control.SECOND.encode(core.local(now)) + b"\0" * 4)
    return b""


FUNCTIONS: dict[int, Callable[[Core, bytes, datetime], bytes]] = {
    0x04: write,
    0x0A: set_address,
    0x0C: set_baud,
    0x0F: change_password,
    0x10: clear_demand,
}
