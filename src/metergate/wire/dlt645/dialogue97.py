"""Orders to meters of 1997 (DL/T 645-1997), in the shape of `dialogue`. Passwords are `PA P0 P1 P2`, as sent."""

from __future__ import annotations

from datetime import datetime

from metergate.errors import BadValue, DecodeError, NoAnswer, Refused
from metergate.wire.base import Dialogue
from metergate.wire.dlt645.decode import BAUD_RATES, E1997
from metergate.wire.dlt645.dialogue import LINE, Line, ask, order, read
from metergate.wire.dlt645.frame import FAILED, Frame, address_octets, error_text
from metergate.wire.dlt645.values import Format

DATE, TIME, PASSWORD = 0xC010, 0xC011, b"\0\0\0\0"


def write(address: str, di: int, value: bytes, password: bytes = PASSWORD, line: Line = LINE) -> Dialogue[None]:
    """Write the octets of item `di`; after silence once more. Water meters: C03A closes the valve, C03B opens it."""
    reply = yield from ask(Frame(address, 0x04, di.to_bytes(2, "little") + password + value), line)
    if reply.control & FAILED:
        raise Refused(f"meter {reply.address} refuses to write {di:04x}: {error_text(reply.error or 0)}")


def read_clock(address: str, line: Line = LINE) -> Dialogue[datetime]:
    """The meter's own clock, naive. DecodeError if it shows no date."""
    before = yield from read(address, DATE, line, E1997)
    time = yield from read(address, TIME, line, E1997)
    after = yield from read(address, DATE, line, E1997)
    if before[1].value != after[1].value:  # midnight passed between the questions
        time = yield from read(address, TIME, line, E1997)
    try:
        return datetime.fromisoformat("T".join((str(after[1].value), str(time[0].value))))
    except ValueError:
        raise DecodeError(f"meter {address} shows no date and time") from None


def set_clock(address: str, local: datetime, password: bytes = PASSWORD, line: Line = LINE) -> Dialogue[None]:
    """Set date, weekday (0 is Sunday) and time, the time once: sent late, it would be wrong. Refused, NoAnswer."""
    weekday = bytes((local.isoweekday() % 7,))
    yield from write(address, DATE, weekday + Format.parse("YYMMDD").encode(local), password, line)
    yield from order(address, 0x04, b"\x11\xc0" + password + Format.parse("hhmmss").encode(local), line)


def set_address(address: str, new: str, line: Line = LINE) -> Dialogue[None]:
    """Give the meter a new address, which it may already reply with. Refused, NoAnswer."""
    try:
        yield from order(address, 0x0A, address_octets(new), line)
    except NoAnswer:
        reply = yield from read(new, 0xC032, line, E1997)
        if not reply:
            raise


def set_baud(address: str, baud: int, line: Line = LINE) -> Dialogue[None]:
    """Change the baud rate. The meter switches after its reply. BadValue for a rate that has no bit."""
    word = next((bit for bit, rate in BAUD_RATES.items() if rate == baud), None)
    if word is None:
        raise BadValue(f"{baud} baud: there are {', '.join(map(str, BAUD_RATES.values()))}")
    yield from order(address, 0x0C, bytes((word,)), line)


def change_password(address: str, old: bytes, new: bytes, line: Line = LINE) -> Dialogue[None]:
    """Replace a password; both with their level in front. Refused, NoAnswer."""
    yield from order(address, 0x0F, old + new, line)


def clear_demand(address: str, password: bytes = PASSWORD, line: Line = LINE) -> Dialogue[None]:
    """Maximum demands begin again at nothing. Refused, NoAnswer."""
    yield from order(address, 0x10, password, line)
