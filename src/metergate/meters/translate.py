"""From a telegram's readings to readings with OBIS codes, by the meter's map and the generic table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from metergate.meters.map import Generic, MeterMap, find_map, generic, load_maps
from metergate.model import MeterIdentity, Reading, Register
from metergate.wire.base import Telegram

LIMIT = 20_000
"""Registers that are remembered; a station of more meters than that simply learns again."""


class Translator:
    """Gives readings their OBIS codes. A register is looked up once and then known.

    `chosen`: meter id -> name of the map that its owner chose, instead of looking for one that matches.
    """

    def __init__(
        self,
        maps: Iterable[MeterMap] | None = None,
        table: Generic | None = None,
        chosen: Mapping[str, str] | None = None,
    ) -> None:
        self._maps = {one.name: one for one in maps} if maps is not None else load_maps()
        self._table = table or generic()
        self._chosen = dict(chosen or {})
        self._found: dict[tuple[str, MeterIdentity], MeterMap | None] = {}
        self._known: dict[Register, Register] = {}
        self._names: dict[Register, str] = {}

    def map_of(self, telegram: Telegram) -> MeterMap | None:
        """The map of the meter that sent it."""
        if telegram.meter is None:
            return None
        key = (telegram.protocol, telegram.meter)
        if key not in self._found:
            _bound(self._found)
            name = self._chosen.get(telegram.meter.id)
            self._found[key] = (
                self._maps.get(name) if name else find_map(self._maps.values(), telegram.protocol, telegram.meter)
            )
        return self._found[key]

    def __call__(self, telegram: Telegram) -> tuple[Reading, ...]:
        """The readings, each with the best OBIS code there is; those that have one already pass untouched."""
        known = self._known
        found = []
        for reading in telegram.readings:
            register = known.get(reading.register) or self._learn(reading.register, telegram)
            found.append(reading if register is reading.register else replace(reading, register=register))
        return tuple(found)

    def _learn(self, register: Register, telegram: Telegram) -> Register:
        _bound(self._known)
        _bound(self._names)
        found = self.map_of(telegram)
        row = found.row(register) if found else None
        told = telegram.meter.medium if telegram.meter else None
        medium = found.medium if found and told is None else told
        obis = (row.obis if row else None) or register.obis or self._table.obis(medium, register)
        meter = telegram.meter.id if telegram.meter else register.meter
        learnt = (
            register if (obis, meter) == (register.obis, register.meter) else replace(register, obis=obis, meter=meter)
        )
        self._known[register] = learnt
        if row:
            self._names[learnt] = row.name
        return learnt

    def name(self, register: Register) -> str:
        """What the map calls the register; else its quantity, OBIS code or designator."""
        return self._names.get(register) or register.quantity or str(register.obis or register.address or "value")


def _bound(known: dict) -> None:  # type: ignore[type-arg]
    if len(known) >= LIMIT:
        known.clear()
