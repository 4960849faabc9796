"""What switches: disconnect control (class 70), script tables (9) and what starts scripts (22, 71)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import IntEnum

from metergate.model import Obis
from metergate.wire.dlms.apdu.items import AccessResult
from metergate.wire.dlms.cosem.classes import DISCONNECT, LIMITER, SCHEDULE, SCRIPTS, Level
from metergate.wire.dlms.cosem.clock import Clock
from metergate.wire.dlms.cosem.device import Device
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, Place, Value, elements, rows
from metergate.wire.dlms.data import Data, array, boolean, enum, octets, structure, u16, u32
from metergate.wire.dlms.times import DateTime

MODES = 7
DIRECT = (2, 4)
"""Modes in which a remote reconnection closes the relay; in the others somebody at the meter has to agree."""
WRITE, EXECUTE = 1, 2
MOST_DAYS = 400
"""Days that a schedule looks back over at most."""


class State(IntEnum):
    """Attribute 3 of disconnect control."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY = 2


class DisconnectControl(CosemObject):
    """`0.0.96.3.10.255`: the relay. In mode 0 nothing may switch it."""

    def __init__(self, mode: int = 2, name: str = "0-0:96.3.10") -> None:
        super().__init__(DISCONNECT, name, level=Level.READER)
        self.state, self.mode = State.CONNECTED, mode
        self.switched = 0
        """How often the relay moved."""
        self.moved: Callable[[bool, datetime], None] = lambda closed, now: None
        """Is told when it moves."""

    def read_output_state(self, now: datetime) -> Data:
        """Attribute 2: true where the supply is on."""
        return boolean(self.state == State.CONNECTED)

    def read_control_state(self, now: datetime) -> Data:
        """Attribute 3."""
        return enum(self.state)

    def read_control_mode(self, now: datetime) -> Data:
        """Attribute 4."""
        return enum(self.mode)

    def write_control_mode(self, data: Data, now: datetime) -> None:
        """Attribute 4: 0 to 6."""
        if not 0 <= data.number < MODES:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.mode = data.number

    def do_remote_disconnect(self, parameter: Data, now: datetime) -> None:
        """Method 1."""
        self._move(State.DISCONNECTED, now)

    def do_remote_reconnect(self, parameter: Data, now: datetime) -> None:
        """Method 2."""
        if self.state == State.DISCONNECTED or self.mode == 0:
            self._move(State.CONNECTED if self.mode in DIRECT else State.READY, now)

    def press(self, now: datetime) -> None:
        """Somebody at the meter agrees to the reconnection."""
        if self.state == State.READY:
            self._move(State.CONNECTED, now)

    def _move(self, to: State, now: datetime) -> None:
        if self.mode == 0:
            raise AccessRefused(AccessResult.READ_WRITE_DENIED)
        closed = self.state == State.CONNECTED
        self.state = to
        if closed != (to == State.CONNECTED):
            self.switched += 1
            self.moved(not closed, now)


class ScriptTable(CosemObject):
    """A table of scripts: array of structure{number, array of structure{service, class, name, index, parameter}}."""

    def __init__(self, device: Device, scripts: Data | None = None, name: str = "0-0:10.0.100") -> None:
        super().__init__(SCRIPTS, name, {"scripts": scripts or array()}, Level.MANAGER)
        self._device = device

    def do_execute(self, parameter: Data, now: datetime) -> None:
        """Method 1: the script of a number; all its actions, in order."""
        for script in rows(self.value("scripts", now)):
            number, actions = elements(script, 2)
            if number.number == parameter.number:
                for action in rows(actions):
                    self._act(action, now)
                return
        raise AccessRefused(AccessResult.OBJECT_UNDEFINED)

    def _act(self, action: Data, now: datetime) -> None:
        service, kind, name, index, parameter = elements(action, 5)
        target = self._device.find(kind.number, Obis.of(name.octets))
        if target is None:
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        if service.number == WRITE:
            target.write(index.number, parameter, now)
        elif service.number == EXECUTE and not (isinstance(target, ScriptTable) and index.number == 1):
            target.invoke(index.number, parameter, now)
        else:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)


def script_of(number: int, *actions: tuple[int, Place, Data]) -> Data:
    """A script of actions (service, place, parameter)."""
    rows = (
        structure(enum(service), u16(place.number), octets(place.name.octets), place.data[2], parameter)
        for service, place, parameter in actions
    )
    return structure(u16(number), array(*rows))


def run_script(device: Device, reference: Data, now: datetime) -> None:
    """Execute structure{logical name of a script table, number}; number 0 and a missing table do nothing."""
    name, number = elements(reference, 2)
    table = device.find(SCRIPTS.number, Obis.of(name.octets))
    if table is not None and number.number:
        table.invoke(1, number, now)


class SingleActionSchedule(CosemObject):
    """Executes a script at the times of attribute 4: array of structure{time, date}, open fields mean every one."""

    def __init__(self, device: Device, clock: Clock, begin: datetime, name: str = "0-0:15.0.0") -> None:
        empty = structure(octets(bytes(6)), u16(0))
        values: dict[str, Value] = {"executed_script": empty, "type": enum(1), "execution_time": array()}
        super().__init__(SCHEDULE, name, values, Level.MANAGER)
        self._device, self._clock, self._seen = device, clock, begin

    def advance(self, now: datetime) -> None:
        """Execute what became due since it was looked last."""
        begin, self._seen = self._clock.shown(self._seen), max(now, self._seen)
        for _ in range(sum(1 for _ in self._due(begin, self._clock.shown(now)))):
            run_script(self._device, self.value("executed_script", now), now)

    def _due(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        for row in rows(self.value("execution_time", end)):
            time, date = (DateTime.parse(item.octets) for item in elements(row, 2))
            day = max(begin, end - timedelta(days=MOST_DAYS)).replace(
                hour=min(time.hour, 23), minute=min(time.minute, 59), second=min(time.second, 59), microsecond=0
            )
            while day <= end:
                if begin < day and date.matches(day.date()):
                    yield day
                day += timedelta(days=1)


class Limiter(CosemObject):
    """Runs a script when a value stays over its threshold for so long, and another when it is under it again."""

    def __init__(self, device: Device, monitored: Place, threshold: int, name: str = "0-0:17.0.0") -> None:
        reference = structure(octets(bytes(6)), u16(0))
        group = structure(u16(0), octets(DateTime().octets), u32(0))
        values: dict[str, Value] = {
            "monitored_value": structure(*monitored.data.items[:3]),
            "threshold_normal": u32(threshold),
            "threshold_emergency": u32(threshold),
            "min_over_duration": u32(60),
            "min_under_duration": u32(0),
            "emergency_profile": group,
            "emergency_groups": array(),
            "emergency_active": boolean(False),
            "actions": structure(reference, reference),
        }
        super().__init__(LIMITER, name, values, Level.READER)
        self._device, self._monitored = device, monitored
        self._over = False
        self._since: datetime | None = None

    def read_threshold_active(self, now: datetime) -> Data:
        """Attribute 3."""
        return self.value("threshold_normal", now)

    def advance(self, now: datetime) -> None:
        """Compare, and act when it lasted."""
        value = self._device.look(self._monitored, now).number
        over = value > self.read_threshold_active(now).number
        if over == self._over:
            self._since = None
            return
        self._since = self._since or now
        wait = self.value("min_over_duration" if over else "min_under_duration", now).number
        if (now - self._since).total_seconds() >= wait:
            self._over, self._since = over, None
            run_script(self._device, elements(self.value("actions", now), 2)[0 if over else 1], now)
