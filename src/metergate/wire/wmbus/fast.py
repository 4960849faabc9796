"""The short way for meters that were heard before: same headers, same key, same layout of records.

A telegram that differs in anything but access number, counters, status and values goes the general way, and so does one
that brings a problem. Both ways give the same telegram.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from metergate.crypto.aes import Aes
from metergate.errors import Replay
from metergate.model import MeterIdentity, Reading, Register
from metergate.model.reading import Value
from metergate.wire.mbus.layout import Layout, Plans
from metergate.wire.mbus.records import Records, shifted
from metergate.wire.wmbus.compact import Formats
from metergate.wire.wmbus.layers import AFL
from metergate.wire.wmbus.link import FIRST
from metergate.wire.wmbus.openers import LONG, SHORT, Opener, counter_mode, opener
from metergate.wire.wmbus.peel import Context, Layers

METERS = 65_536
"""Meters remembered; the oldest goes."""
LAYOUTS = 8
"""Layouts remembered for each meter."""
Names = Mapping[int, Register]
"""Registers that a maker means otherwise than the standard, by the place of the record."""
_SHORT, _LONG, _AFL = bytes((SHORT,)), bytes((LONG,)), bytes((AFL,))
_BEHIND_ELL = {b"\x8c": FIRST + 3, b"\x8e": FIRST + 11}
"""Where the next layer begins, by the CI of an extended link layer that encrypts nothing."""


@dataclass(slots=True)
class Known:
    """What never changes in the telegrams of a meter. `protected`: a key vouches for them."""

    identity: MeterIdentity
    name: str
    protected: bool
    opener: Opener
    layouts: dict[int, Layout] = field(default_factory=dict)


class Shortcut(NamedTuple):
    """A telegram read the short way."""

    known: Known
    payload: bytes
    readings: tuple[Reading, ...]


class Shortcuts:
    """What is known of all meters, by what their telegrams begin with."""

    def __init__(self, context: Context, formats: Formats) -> None:
        self._context, self._formats = context, formats
        self._keys, self._counters = context.keys, context.counters
        self._known: dict[bytes, Known] = {}
        self._plans = Plans()
        self._changes = context.keys.changes

    def read(self, telegram: bytes, at: datetime | None) -> Shortcut | None:
        """The readings of a telegram; None where its meter is not known, or the telegram is of another kind."""
        known = self._known.get(_head(telegram))
        if known is None or self._keys.changes != self._changes:
            return None
        opened = known.opener.open(telegram)
        if opened is None or (layout := known.layouts.get(len(opened[0]))) is None:
            return None
        payload, status = opened
        found = layout.read(payload, at, status)
        if found is None or not self._new(known, telegram):
            return None
        return Shortcut(known, payload, found.readings)

    def values(self, telegram: bytes) -> tuple[tuple[Register, ...], Sequence[Value]] | None:
        """As `read`, registers and values alone."""
        known = self._known.get(_head(telegram))
        if known is None or self._keys.changes != self._changes:
            return None
        opened = known.opener.open(telegram)
        if opened is None or (layout := known.layouts.get(len(opened[0]))) is None:
            return None
        found = layout.values(opened[0])
        if found is None or not self._new(known, telegram):
            return None
        return layout.registers, found

    def _new(self, known: Known, telegram: bytes) -> bool:
        """Whether the message counter has grown, where there is one and somebody counts."""
        pick = known.opener.counter
        if pick is None or self._counters is None:
            return True
        try:
            self._counters.accept(known.name, int.from_bytes(pick(telegram), "little"))
        except Replay:
            return False
        return True

    def learn(
        self, telegram: bytes, layers: Layers, identity: MeterIdentity, records: Records, names: Names | None
    ) -> None:
        """Remember how a telegram was read the general way, if there is a short one that opens it as well."""
        if self._keys.changes != self._changes:
            self._known.clear()
            self._changes = self._keys.changes
        known = self._meter(telegram, layers, identity)
        if known is None or layers.payload is None or not records.readings:
            return
        while len(known.layouts) >= LAYOUTS:
            del known.layouts[next(iter(known.layouts))]
        raw = shifted(records.raw, -layers.base)
        layout = self._plans.layout(
            layers.payload, identity.id, raw, records.manufacturer_data, records.more, names=names
        )
        known.layouts[len(layers.payload)] = layout

    def _meter(self, telegram: bytes, layers: Layers, identity: MeterIdentity) -> Known | None:
        head, made = _head(telegram), self._opener(layers)
        opened = made.open(telegram) if made else None
        if made is None or opened is None or opened[0] != layers.payload:
            return None
        found = self._known.get(head)
        if found is None or found.opener.open(telegram) != opened:
            while len(self._known) >= METERS:
                del self._known[next(iter(self._known))]
            name = f"{layers.address.manufacturer} {layers.address.id}"
            found = self._known[head] = Known(identity, name, layers.protected, made)
        return found

    def _opener(self, layers: Layers) -> Opener | None:
        key = self._keys.of(layers.address, layers.link.address)
        if layers.tpl is None or layers.protected != (key is not None):
            return None
        ell = layers.ell
        if ell and ell.encryption and isinstance(key, Aes):
            return counter_mode(ell, layers.link.address, key, self._formats)
        return opener(ell, layers.afl, layers.tpl, layers.address, key, self._context.ccm)


def _head(telegram: bytes) -> bytes:
    """C, M, A, the CIs in clear and what of the transport header names the meter."""
    if telegram[FIRST : FIRST + 1] == _SHORT:
        return telegram[1 : FIRST + 1]
    place = _BEHIND_ELL.get(telegram[FIRST : FIRST + 1], FIRST)
    layer = telegram[place : place + 1]
    if layer == _AFL:
        place += 2 + int.from_bytes(telegram[place + 1 : place + 2])
        layer += telegram[place : place + 1]
    return telegram[1 : FIRST + 1] + layer + (telegram[place + 1 : place + 9] if layer[-1:] == _LONG else b"")
