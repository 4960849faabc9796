"""The short way for meters that were heard before: same headers, same key, same layout of records.

A telegram that differs in anything but access number, status and values goes the general way, and so does one that
needs more than modes 0 and 5 or brings a problem. Both ways give the same telegram.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from metergate.crypto.aes import Aes
from metergate.model import MeterIdentity, Reading, Register
from metergate.wire.mbus.layout import Layout
from metergate.wire.mbus.records import Records, shifted
from metergate.wire.mbus.security import CHECK
from metergate.wire.wmbus.link import FIRST
from metergate.wire.wmbus.peel import Context, Layers

PLANS = 65_536
"""Meters remembered; the oldest goes."""
LAYOUTS = 8
"""Layouts remembered for each meter."""
Names = Mapping[int, Register]
"""Registers that a maker means otherwise than the standard, by the place of the record."""
_ELL, _SHORT, _LONG = 0x8C, 0x7A, 0x72
_SHORT_CI = bytes((_SHORT,))


@dataclass(slots=True)
class Plan:
    """What never changes in the telegrams of a meter. `cipher` None: they are in clear. `at`: where the CI stands."""

    identity: MeterIdentity
    cipher: Aes | None
    vector: bytes
    word: bytes
    access: int
    layouts: dict[int, tuple[Layout, Names]] = field(default_factory=dict)


class Shortcut(NamedTuple):
    """A telegram read the short way."""

    identity: MeterIdentity
    payload: bytes
    protected: bool
    readings: tuple[Reading, ...]


class Shortcuts:
    """The plans of all meters, by what their telegrams begin with."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._plans: dict[bytes, Plan] = {}
        self._changes = context.keys.changes

    def read(self, telegram: bytes, at: datetime | None) -> Shortcut | None:
        """The readings of a telegram by its meter's plan; None where there is none, or where it does not fit."""
        plan = self._plans.get(_head(telegram))
        if plan is None or self._context.keys.changes != self._changes:
            return None
        place = plan.access
        if telegram[place + 2 : place + 4] != plan.word:
            return None
        payload = telegram[place + 4 :]
        if plan.cipher is not None:
            size = plan.word[0] & 0xF0
            if len(payload) < size:
                return None
            plain = plan.cipher.cbc_decrypt(plan.vector + telegram[place : place + 1] * 8, payload[:size])
            if plain[:2] != CHECK:
                return None
            payload = plain + payload[size:]
        learnt = plan.layouts.get(len(payload))
        found = learnt[0].read(payload, at, telegram[place + 1]) if learnt else None
        if found is None or learnt is None:
            return None
        readings = _named(found.readings, learnt[1]) if learnt[1] else found.readings
        return Shortcut(plan.identity, payload, plan.cipher is not None, readings)

    def learn(
        self, telegram: bytes, layers: Layers, identity: MeterIdentity, records: Records, names: Names | None
    ) -> None:
        """Remember how a telegram was read the general way, if there is a short one."""
        if self._context.keys.changes != self._changes:
            self._plans.clear()
            self._changes = self._context.keys.changes
        plan = self._plan(telegram, layers, identity)
        if plan is None or layers.payload is None or not records.readings:
            return
        while len(plan.layouts) >= LAYOUTS:
            del plan.layouts[next(iter(plan.layouts))]
        raw = shifted(records.raw, -layers.base)
        layout = Layout(layers.payload, identity.id, raw, records.manufacturer_data, records.more)
        plan.layouts[len(layers.payload)] = layout, names or {}

    def _plan(self, telegram: bytes, layers: Layers, identity: MeterIdentity) -> Plan | None:
        head, tpl = _head(telegram), layers.tpl
        plain_ell = layers.ell is None or layers.ell.ci == _ELL
        if not plain_ell or layers.afl or tpl is None or tpl.access is None or tpl.ci not in (_SHORT, _LONG):
            return None
        key = self._context.keys.of(layers.address, layers.link.address)
        if tpl.mode not in (0, 5) or layers.protected != (key is not None):
            return None
        access = FIRST + (0 if layers.ell is None else 3) + (9 if tpl.ci == _LONG else 1)
        word = tpl.configuration.to_bytes(2, "little")
        cipher = key if isinstance(key, Aes) else None
        found = self._plans.get(head)
        if found is None or (found.word, found.cipher, found.access) != (word, cipher, access):
            while len(self._plans) >= PLANS:
                del self._plans[next(iter(self._plans))]
            found = self._plans[head] = Plan(identity, cipher, layers.address.octets, word, access)
        return found


def _named(readings: tuple[Reading, ...], names: Names) -> tuple[Reading, ...]:
    return tuple(replace(one, register=names[place]) if place in names else one for place, one in enumerate(readings))


def _head(telegram: bytes) -> bytes:
    """C, M, A and what of the transport header names the meter."""
    if telegram[FIRST : FIRST + 1] == _SHORT_CI:
        return telegram[1 : FIRST + 1]
    place = FIRST + 3 if telegram[FIRST : FIRST + 1] == b"\x8c" else FIRST
    return telegram[1 : FIRST + 1] + telegram[place : place + (9 if telegram[place : place + 1] == b"\x72" else 1)]
