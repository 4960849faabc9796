"""Simulated meters: what a household's registers look like in each protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from metergate.errors import ConfigError
from metergate.model import Obis, Reading, Register, Unit
from metergate.sim.source import HouseholdSource, Wear
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire import cjt188, dlt645, mbus, sml, wmbus
from metergate.wire.base import Responder
from metergate.wire.cjt188.meter import Meter as WaterMeter
from metergate.wire.dlt645.meter import Meter as EnergyMeter
from metergate.wire.mbus.records import RawRecord, record
from metergate.wire.mbus.slave import Slave, pages
from metergate.wire.mbus.telegram import LongHeader
from metergate.wire.sml.identity import server_id
from metergate.wire.sml.meter import MeterData, SmlResponder
from metergate.wire.sml.push import entry_of, push, sec_index
from metergate.wire.wmbus.link import Address
from metergate.wire.wmbus.sender import Sender

LOCAL = timedelta(hours=1)
"""The meters' own clocks: winter time of Central Europe."""
HEAT, HOT_WATER = 4, 6
MAKERS = {HEAT: ("MGT", 0x11), HOT_WATER: ("MGT", 0x21)}
"""Device type -> the maker's letters (our own, of nobody else) and version."""


def source(spec: MeterSpec, bank: Bank) -> HouseholdSource:
    """The registers that the meter shows."""
    return HouseholdSource(bank.homes[spec.home], Wear(spec.digits, spec.stuck))


def installed(bank: Bank) -> datetime:
    """When the meters were put in."""
    return bank.installed or datetime(2024, 1, 1, tzinfo=UTC)


def responder(spec: MeterSpec, bank: Bank) -> Responder:
    """The meter as it answers on a bus. ConfigError for a protocol whose meters do not answer."""
    make = RESPONDERS.get(spec.protocol)
    if make is None:
        raise ConfigError(
            f"meter {spec.id}: {spec.protocol!r} does not answer on a bus; there are {', '.join(RESPONDERS)}"
        )
    return make(spec, bank)


def _energy_meter(spec: MeterSpec, bank: Bank) -> Responder:
    return EnergyMeter(spec.id, source(spec, bank), installed(bank), LOCAL, tariffs=0)


def _water_meter(spec: MeterSpec, bank: Bank) -> Responder:
    return WaterMeter(spec.kind or 0x10, spec.id, source(spec, bank), installed(bank), LOCAL)


def _slave(spec: MeterSpec, bank: Bank) -> Responder:
    maker, version = MAKERS.get(spec.kind, ("MGT", 1))
    show = source(spec, bank)
    header = LongHeader(spec.id, maker, version, spec.kind)
    return Slave(header, lambda now: pages(records(spec.kind, show, now)), address=int(spec.id) % 250 + 1)


def _sml_meter(spec: MeterSpec, bank: Bank) -> Responder:
    show = source(spec, bank)
    data = MeterData(
        server_id(spec.id), lambda now: [entry_of(reading) for reading in sml_readings(spec.id, show, now)]
    )
    return SmlResponder(data)


RESPONDERS: dict[str, Callable[[MeterSpec, Bank], Responder]] = {
    dlt645.PROTOCOLS[0].name: _energy_meter,
    cjt188.PROTOCOLS[0].name: _water_meter,
    mbus.PROTOCOLS[0].name: _slave,
    sml.PROTOCOLS[0].name: _sml_meter,
}
"""Protocol -> the meter that answers in it."""


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


def sml_readings(meter: str, show: HouseholdSource, now: datetime) -> Sequence[Reading]:
    """What an electricity meter with its PIN entered pushes: both registers and the power, in Wh and W."""
    found = []
    for code, unit, scaler in (("1-0:1.8.0", Unit.WH, -1), ("1-0:2.8.0", Unit.WH, -1), ("1-0:16.7.0", Unit.W, 0)):
        value = show(Obis.parse(code), now)
        if value is not None:
            found.append(Reading(Register(meter, Obis.parse(code), None, unit, scaler), value * 1000))
    return found


class Pusher:
    """A meter that talks by itself: every call gives the frames of its next telegram."""

    def __init__(self, spec: MeterSpec, bank: Bank) -> None:
        self.spec = spec
        self._show = source(spec, bank)
        self._since = installed(bank)
        self._number = 0
        self._make = self._sml if spec.protocol == "sml" else self._radio()

    def frames(self, now: datetime) -> list[bytes]:
        """The next telegram at the instant `now`."""
        self._number += 1
        return self._make(now)

    def _sml(self, now: datetime) -> list[bytes]:
        seconds = int((now - self._since).total_seconds())
        readings = sml_readings(self.spec.id, self._show, now)
        return [push(server_id(self.spec.id), readings, sec_index(seconds), self._number)]

    def _radio(self) -> Callable[[datetime], list[bytes]]:
        spec = self.spec
        if spec.protocol != wmbus.PROTOCOLS[0].name:
            raise ConfigError(f"meter {spec.id}: {spec.protocol!r} does not talk by itself; sml and wmbus do")
        maker, version = MAKERS.get(spec.kind, ("MGT", 1))
        key = bytes.fromhex(spec.key) if spec.key else None
        sender = Sender(Address.named(spec.id, maker, version, spec.kind), key, spec.mode if key else 0)

        def frames(now: datetime) -> list[bytes]:
            # The message counter follows the clock, so that it also grows over a restart.
            sender.counter = max(sender.counter, int((now - self._since).total_seconds()))
            return sender.frames(records(spec.kind, self._show, now))

        return frames
