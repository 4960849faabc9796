"""Orders to a meter: what switches is read back and never sent a second time blindly."""

from __future__ import annotations

from datetime import datetime, timedelta

from metergate.errors import ApplicationError, DecodeError, NoAnswer, Refused
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue
from metergate.wire.dlms.acse import Mechanism
from metergate.wire.dlms.apdu import Attribute, Method
from metergate.wire.dlms.client.client import Client
from metergate.wire.dlms.client.meter import CLOCK, Zone, clock
from metergate.wire.dlms.cosem.control import State
from metergate.wire.dlms.data import Data, Tag, i8, i16, octets, u16
from metergate.wire.dlms.times import DateTime

DISCONNECT_CONTROL, LIMITER, ASSOCIATION, PROFILE, SCRIPTS = 70, 71, 15, 7, 9
CAPTURE, SECRET = 2, 7
"""A profile's method, an association's attribute."""
RELAY = bytes((0, 0, 96, 3, 10, 255))
LIMIT = bytes((0, 0, 17, 0, 0, 255))
CURRENT = bytes((0, 0, 40, 0, 0, 255))
DISCONNECT, RECONNECT = 1, 2
SLACK = timedelta(seconds=30)
"""How far a clock may be off that was just set: the order takes its time on the line."""


def set_clock(client: Client, at: datetime, zone: Zone) -> Dialogue[Outcome]:
    """Set the clock and read it back. REFUSED if the meter says no, UNSURE if it then shows something else."""
    told = yield from client.get(CLOCK)
    local = zone.local(told)
    if local is None:
        return Outcome.REFUSED
    stamp = DateTime.of(at.astimezone(local), inverted=zone.inverted)
    try:
        yield from client.set(CLOCK, octets(stamp.octets))
    except Refused:
        return Outcome.REFUSED
    except NoAnswer:
        yield from client.associate()
    shown, _, _ = yield from clock(client, zone)
    return Outcome.DONE if shown is not None and abs(shown - at) <= SLACK else Outcome.UNSURE


def shift_clock(client: Client, seconds: int) -> Dialogue[Outcome]:
    """Shift the clock by -900 to 900 s, once. NoAnswer: then nobody knows whether it was."""
    try:
        yield from client.act(Method(8, CLOCK.instance, 6), i16(seconds))
    except Refused:
        return Outcome.REFUSED
    return Outcome.DONE


def relay_state(client: Client, name: bytes = RELAY) -> Dialogue[tuple[State, bool | None]]:
    """The relay's state, and whether its contact is closed. NotGiven, DecodeError."""
    state = yield from client.get(Attribute(DISCONNECT_CONTROL, name, 3))
    closed = yield from client.get(Attribute(DISCONNECT_CONTROL, name, 2))
    known = {int(one): one for one in State}.get(state.number)
    if known is None:
        raise ApplicationError(f"the relay is in the unknown state {state.number}")
    return known, closed.value if isinstance(closed.value, bool) else None


def relay(client: Client, closed: bool, name: bytes = RELAY) -> Dialogue[Outcome]:
    """Open or close the relay, once, and read its state back; where the answer is lost the state alone decides.

    DONE where it is as ordered (READY for reconnection counts as closed: somebody at the meter has to agree),
    REFUSED, UNSURE if the state could not be read.
    """
    order = Method(DISCONNECT_CONTROL, name, RECONNECT if closed else DISCONNECT)
    refused = False
    try:
        yield from client.act(order, i8(0))
    except Refused:
        refused = True
    except (NoAnswer, DecodeError):
        pass  # it may have been carried out: only the state tells
    try:
        if not client.transport.connected:
            yield from client.associate()
        state, contact = yield from relay_state(client, name)
    except (NoAnswer, Refused, DecodeError):
        return Outcome.REFUSED if refused else Outcome.UNSURE
    wanted = (State.CONNECTED, State.READY) if closed else (State.DISCONNECTED, State.READY)
    done = state in wanted and not (contact is not None and contact is (state is not State.CONNECTED))
    if done and not refused:
        return Outcome.DONE
    return Outcome.REFUSED if refused else Outcome.UNSURE


def limit(client: Client, watts: int | None, name: bytes = LIMIT) -> Dialogue[Outcome]:
    """Set the limiter's normal threshold, in the meter's own type, and read it back; None: the most that there is."""
    place = Attribute(LIMITER, name, 4)
    before = yield from client.get(place)
    most = _GREATEST.get(before.tag, 0) if watts is None else watts
    try:
        if not most and watts is None:
            return Outcome.UNSUPPORTED
        yield from client.set(place, Data(before.tag, most))
    except (Refused, OverflowError):
        return Outcome.REFUSED
    after = yield from client.get(place)
    return Outcome.DONE if after.number == most else Outcome.UNSURE


_GREATEST = {
    Tag.UINT16: (1 << 16) - 1,
    Tag.UINT32: (1 << 32) - 1,
    Tag.INT16: (1 << 15) - 1,
    Tag.INT32: (1 << 31) - 1,
    Tag.INT64: (1 << 63) - 1,
    Tag.UINT64: (1 << 64) - 1,
}


def change_secret(client: Client, secret: bytes) -> Dialogue[Outcome]:
    """A new password or secret for the association that one is in, once; it is tried by associating anew.

    A password is written, the secret of a high level changed by method. DONE if the meter opens for the new one.
    """
    try:
        if client.entrance.mechanism is Mechanism.LOW:
            yield from client.set(Attribute(ASSOCIATION, CURRENT, SECRET), octets(secret))
        else:
            yield from client.act(Method(ASSOCIATION, CURRENT, 2), octets(secret))
    except Refused:
        return Outcome.REFUSED
    except NoAnswer:
        pass  # the meter may have taken it: trying tells
    before, client.entrance.secret = client.entrance.secret, secret
    try:
        yield from client.release()
        yield from client.associate()
    except (NoAnswer, Refused, DecodeError):
        client.entrance.secret = before
        return Outcome.UNSURE
    return Outcome.DONE


def capture(client: Client, name: bytes) -> Dialogue[Outcome]:
    """Have a profile take a row now, once. UNSURE where the answer was lost: a second row would count twice."""
    try:
        yield from client.act(Method(PROFILE, name, CAPTURE), i8(0))
    except Refused:
        return Outcome.REFUSED
    except NoAnswer:
        return Outcome.UNSURE
    return Outcome.DONE


def run_script(client: Client, table: bytes, number: int) -> Dialogue[Outcome]:
    """Have a script run, once. As `capture`."""
    try:
        yield from client.act(Method(SCRIPTS, table, 1), u16(number))
    except Refused:
        return Outcome.REFUSED
    except NoAnswer:
        return Outcome.UNSURE
    return Outcome.DONE
