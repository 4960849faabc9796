"""Asking meters of Modbus. Their maps say what the registers mean, so each needs one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import randrange

from metergate.errors import ApplicationError, BadValue, ConfigError, NoAnswer, Refused
from metergate.meters.map import MeterMap, known_maps
from metergate.meters.pollers.base import Poller, Target, answered
from metergate.model import Command, Connect, Disconnect, LimitPower, MeterIdentity, Unit
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.modbus import RTU, TCP
from metergate.wire.modbus.plan import GAP, Planner
from metergate.wire.modbus.points import Point, encode, reading
from metergate.wire.modbus.reader import Reader, Settings, spans_of

UNITS = range(256)
POWER_LIMIT, RELAY = "power_limit", "relay"
"""Names of the points, writable in the map, that orders go to: the greatest power; 1 supply on, 0 off."""


class ModbusPoller(Poller):
    """Modbus RTU (on a serial line, or over TCP) or Modbus TCP. The address is the unit's number.

    Options: `map`, for meters that name none; `maps`, a folder of one's own; `timeout`, seconds; `gap`,
    up to how many unneeded registers are read to save a request.
    """

    def __init__(self, options: Options, framing: str = RTU) -> None:
        timeout, gap = options.get("timeout"), options.get("gap")
        self._settings = Settings(framing, timeout=float(timeout) if isinstance(timeout, int | Decimal) else 1.0)
        self._gap = gap if isinstance(gap, int) else GAP
        self._map = str(options.get("map") or "")
        own = options.get("maps")
        self._own = own if isinstance(own, Path) else None
        self._planners: dict[tuple[str, str], Planner] = {}
        self._readers: dict[int, Reader] = {}

    def _reader(self, target: Target) -> Reader:
        """The unit's own: it knows what may still come late. The first transaction's number is by chance, so that a
        poller made anew does not take the answer to a predecessor's question for its own."""
        return self._readers.setdefault(unit(target), Reader(unit(target), self._settings, randrange(1 << 16)))  # noqa: S311

    def map_of(self, target: Target) -> MeterMap:
        """The meter's map. ConfigError if none is named, or none of that name is for Modbus."""
        name = target.map or self._map
        found = next((one for one in known_maps(self._own) if one.name == name), None)
        if found is None or not found.point:
            told = f"{name!r} is no map of Modbus" if name else "a Modbus meter needs its map"
            raise ConfigError(f"meter {target.id}: {told}; `metergate meters list --protocol modbus` shows them")
        return found

    def _planner(self, target: Target, name: str) -> Planner:
        return self._planners.setdefault((target.address, name), Planner(self._gap))

    def read(self, target: Target) -> Dialogue[Telegram]:
        """The points of the target's map, or those that its registers name."""
        found = self.map_of(target)
        points = _wanted(found, target.registers)
        spans = spans_of(place for point in points for place in point.places)
        words = yield from self._reader(target).read(spans, self._planner(target, found.name))
        if not words:
            raise ApplicationError(f"meter {target.id} has none of the registers of {found.name}: is the map right?")
        identity = MeterIdentity(target.id, found.brand, found.medium, model=found.model)
        return answered("modbus", identity, tuple(reading(point, words, target.id) for point in points))

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """Power limit and relay, where the map has them as writable points; read back."""
        order = _order(self.map_of(target), command)
        if order is None:
            return Outcome.UNSUPPORTED
        point, words = order
        try:
            yield from self._reader(target).write(point.address, words)
        except (Refused, ApplicationError):
            return Outcome.REFUSED
        except NoAnswer:
            return Outcome.UNSURE
        return Outcome.DONE


def unit(target: Target) -> int:
    """The number of the unit. ConfigError if the address is none."""
    if not target.address.isdecimal() or int(target.address) not in UNITS:
        raise ConfigError(f"meter {target.id}: {target.address!r} is no Modbus unit: give address = 1 to 247")
    return int(target.address)


def _wanted(found: MeterMap, names: Sequence[str]) -> list[Point]:
    """The points to read. ConfigError for a name that the map does not have."""
    by_name = {point.name: point for point in found.point}
    for name in names:
        if name not in by_name:
            raise ConfigError(f"{found.name} has no register {name!r}; there are {', '.join(by_name)}")
    return [by_name[name] for name in names] or [point for point in found.point if point.poll]


def _order(found: MeterMap, command: Command) -> tuple[Point, list[int]] | None:
    """What to write where; None if the model cannot be told that."""
    writable = {point.name: point for point in found.point if point.writable}
    relay, limit = writable.get(RELAY), writable.get(POWER_LIMIT)
    match command:
        case Connect() | Disconnect() if relay is not None:
            return relay, encode(relay, Decimal(isinstance(command, Connect)))
        case LimitPower(watts=int(watts)) if limit is not None and limit.unit is not None:
            try:
                return limit, encode(limit, watts * Unit.W.into(limit.unit))
            except BadValue:
                return None
    return None


def poller_tcp(options: Options) -> ModbusPoller:
    """Modbus TCP."""
    return ModbusPoller(options, TCP)
