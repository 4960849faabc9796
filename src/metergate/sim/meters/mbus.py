"""Simulated heat and water meters of the wired and the wireless M-Bus."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from metergate.model import Obis
from metergate.sim.meters.base import Frames, installed, source
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Responder
from metergate.wire.mbus.records import RawRecord, record
from metergate.wire.mbus.slave import ROOM, SEALED_ROOM, Slave, pages
from metergate.wire.mbus.telegram import LongHeader
from metergate.wire.wmbus.link import Address
from metergate.wire.wmbus.sender import Sender

HEAT, HOT_WATER = 4, 6
MAKERS = {HEAT: ("MGT", 0x11), HOT_WATER: ("MGT", 0x21)}
"""Device type -> the maker's letters (our own, of nobody else) and version."""


def slave(spec: MeterSpec, bank: Bank) -> Responder:
    """The meter as it answers on a bus; with a key it encrypts."""
    maker, version = MAKERS.get(spec.kind, ("MGT", 1))
    show = source(spec, bank)
    header = LongHeader(spec.id, maker, version, spec.kind)
    key = bytes.fromhex(spec.key) if spec.key else None
    room = SEALED_ROOM if key else ROOM
    return Slave(header, lambda now: pages(records(spec.kind, show, now), room=room), int(spec.id) % 250 + 1, key)


def records(kind: int, show: HouseholdSource, now: datetime) -> list[RawRecord]:
    """The M-Bus records of a heat meter (`kind` 4) or a warm water meter (else)."""
    rows = _heat(show, now) if kind == HEAT else [(b"\x0c", b"\x13", show(Obis.parse("9-0:1.0.0"), now))]
    return [record(dif, vif, value) for dif, vif, value in rows]


def _heat(show: HouseholdSource, now: datetime) -> list[tuple[bytes, bytes, Decimal | None]]:
    """Energy in steps of 1000 Wh, power W, flow and return temperature."""
    power = show(Obis.parse("6-0:8.0.0"), now) or Decimal(0)
    flow, back = (Decimal(62), Decimal(41)) if power else (Decimal(31), Decimal(29))
    energy = (show(Obis.parse("6-0:1.0.0"), now) or Decimal(0)) * 1000
    return [
        (b"\x0c", b"\x06", energy),
        (b"\x04", b"\x2b", power * 1000),
        (b"\x02", b"\x5b", flow),
        (b"\x02", b"\x5f", back),
    ]


def radio(spec: MeterSpec, bank: Bank) -> Frames:
    """The meter as it sends by radio."""
    show, since = source(spec, bank), installed(bank)
    maker, version = MAKERS.get(spec.kind, ("MGT", 1))
    key = bytes.fromhex(spec.key) if spec.key else None
    sender = Sender(Address.named(spec.id, maker, version, spec.kind), key, spec.mode if key else 0)

    def frames(now: datetime) -> list[bytes]:
        # The message counter follows the clock, so that it also grows over a restart.
        sender.counter = max(sender.counter, int((now - since).total_seconds()))
        return sender.frames(records(spec.kind, show, now))

    return frames
