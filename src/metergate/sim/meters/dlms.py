"""Simulated electricity meters of DLMS/COSEM: registers, clock, load profile, event log, relay, firmware, push.

Client 16 needs no authentication and client 17 a password; both read everything. Client 1 proves itself by GMAC, speaks
ciphered and may set and order; it exists where the meter has keys: in hex, the encryption key and behind it the
authentication key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from metergate.model import Obis, Unit
from metergate.model.unit import DLMS_CODES
from metergate.sim.meters.base import LOCAL, installed, source
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Responder
from metergate.wire.dlms import apdu, server
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.apdu import DataNotification
from metergate.wire.dlms.cosem.calendar import ActivityCalendar, SpecialDays
from metergate.wire.dlms.cosem.classes import DATA, REGISTER, Level
from metergate.wire.dlms.cosem.clock import Clock
from metergate.wire.dlms.cosem.control import EXECUTE, DisconnectControl, ScriptTable, SingleActionSchedule, script_of
from metergate.wire.dlms.cosem.device import Device
from metergate.wire.dlms.cosem.events import EventLog
from metergate.wire.dlms.cosem.image import ImageTransfer
from metergate.wire.dlms.cosem.objects import CosemObject, Place, scaler_unit
from metergate.wire.dlms.cosem.profile import Layout, ProfileGeneric
from metergate.wire.dlms.cosem.push import PushSetup
from metergate.wire.dlms.cosem.security import SecuritySetup
from metergate.wire.dlms.data import Data, Tag, array, i8, octets, u8, u32
from metergate.wire.dlms.security import Counter, KeySet
from metergate.wire.dlms.server import Admission, Identity, Server

PASSWORD = b"12345678"
"""Of client 17, in every simulated meter."""
CLIENTS = PUBLIC, READER, MANAGER = 16, 17, 1
DEVICE = 1
PUSH_PORT = 0x67
"""The wrapper port of whoever listens to pushes."""
DAYS = 40
"""How long the load profile reaches back."""
CLOCK_SET, RELAY_OPENED, RELAY_CLOSED = 5, 60, 61
"""Codes of the simulated meters' event log."""
ADJUSTED = 0x20
"""Bit of the profile's status: the clock was set in this period."""
FROZEN, BILLING_SCRIPTS = "1-0:98.1.0", "0-0:10.0.1"
"""Registers that were kept when somebody asked for it, by method or by script 1."""
PUSHED = ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0")
KEY = 16


@dataclass(frozen=True, slots=True)
class Shown:
    """A register: its code, what one of the household's units is in its own, the type and scaler of its value."""

    code: str
    unit: Unit
    factor: int
    scaler: int
    tag: Tag
    base: int


REGISTERS = (
    Shown("1-0:1.8.0", Unit.WH, 1000, -1, Tag.UINT64, 0x2000),
    Shown("1-0:2.8.0", Unit.WH, 1000, -1, Tag.UINT64, 0x2020),
    Shown("1-0:16.7.0", Unit.W, 1000, 0, Tag.INT32, 0x2040),
    Shown("1-0:1.7.0", Unit.W, 1000, 0, Tag.UINT32, 0x2060),
    Shown("1-0:2.7.0", Unit.W, 1000, 0, Tag.UINT32, 0x2080),
    Shown("1-0:32.7.0", Unit.V, 1, -1, Tag.UINT16, 0x20A0),
    Shown("1-0:31.7.0", Unit.A, 1, -3, Tag.UINT32, 0x20C0),
    Shown("1-0:14.7.0", Unit.HZ, 1, -2, Tag.UINT16, 0x20E0),
)


def _register(shown: Shown, show: HouseholdSource) -> CosemObject:
    code = Obis.parse(shown.code)

    def value(now: datetime) -> Data:
        found = (show(code, now) or Decimal(0)) * shown.factor
        return Data(shown.tag, int(found.scaleb(-shown.scaler)))

    scale = scaler_unit(shown.scaler, DLMS_CODES[shown.unit])
    return CosemObject(REGISTER, code, {"value": value, "scaler_unit": scale}, Level.READER, shown.base)


class Meter:
    """One meter: its objects and its identity."""

    def __init__(self, spec: MeterSpec, bank: Bank) -> None:
        self.show, begin = source(spec, bank), installed(bank)
        self.clock = Clock(timezone(LOCAL), base=0x1000)
        key = bytes.fromhex(spec.key)
        title = b"MGT" + int("".join(filter(str.isdigit, spec.id)) or "0").to_bytes(16, "big")[-5:]
        # What it counts of its own messages follows the clock, so that it also grows over a restart.
        counted = Counter(max(0, int((bank.time.now() - begin).total_seconds())))
        self.identity = Identity(title, KeySet(key[:KEY], key[KEY:] or key[:KEY], master=key[:KEY]), counted)
        self.relay = DisconnectControl()
        self.image = ImageTransfer(work=timedelta(seconds=2))
        self.device = Device(
            CosemObject(DATA, "0-0:42.0.0", {"value": octets(b"MGT" + spec.id.encode())}, base=0x0300),
            CosemObject(DATA, "0-0:96.1.0", {"value": octets(spec.id.encode())}, base=0x0320),
            CosemObject(DATA, "0-0:43.1.0", {"value": lambda now: u32(self.identity.greatest)}),
            CosemObject(DATA, "0-0:96.10.1", {"value": self._status}, Level.READER),
            self.clock,
            *(_register(shown, self.show) for shown in REGISTERS),
            self.relay,
            self.image,
            SecuritySetup(title, lambda: self.identity.keys.master, self.identity.take),
            ActivityCalendar(self.clock),
            SpecialDays(),
        )
        self._logs(begin)
        self.push = PushSetup(self.device, self.clock, self._pushed())
        self.device.add(self.push, ScriptTable(self.device), SingleActionSchedule(self.device, self.clock, begin))
        self.server = Server(self.device, _admissions(spec), self.identity)

    def _logs(self, begin: datetime) -> None:
        places = [Place(8, self.clock.name, 2), Place(1, Obis.parse("0-0:96.10.1"), 2)]
        places += [Place(3, Obis.parse(shown.code), 2) for shown in REGISTERS[:2]]
        self.profile = ProfileGeneric(
            "1-0:99.1.0", places, self.device.look, self.clock, begin, Layout(entries=DAYS * 96)
        )
        columns = [places[0], *(Place(3, Obis.parse(shown.code), 2) for shown in REGISTERS[:2])]
        self.frozen = ProfileGeneric(
            FROZEN, columns, self.device.look, self.clock, begin, Layout(timedelta(0), entries=24)
        )
        take = Place(7, Obis.parse(FROZEN), 2)
        scripts = array(script_of(1, (EXECUTE, take, i8(0))))
        self.device.add(self.profile, self.frozen, ScriptTable(self.device, scripts, BILLING_SCRIPTS))
        self.log = EventLog(self.device, self.clock, begin)
        self.clock.before_change.append(lambda now: self.log.note(CLOCK_SET, now))
        self.relay.moved = lambda closed, now: self.log.note(RELAY_CLOSED if closed else RELAY_OPENED, now)

    def _pushed(self) -> list[Place]:
        return [Place(40, Obis.parse("0-0:25.9.0"), 2), *(Place(3, Obis.parse(code), 2) for code in PUSHED)]

    def _status(self, now: datetime) -> Data:
        changed = self.clock.changed
        return u8(ADJUSTED if changed and timedelta(0) <= now - changed < self.clock.period else 0)


def _admissions(spec: MeterSpec) -> list[Admission]:
    names = (Context.LN, Context.SN)
    found = [
        Admission(PUBLIC, Level.READER, contexts=names),
        Admission(READER, Level.READER, Mechanism.LOW, names, PASSWORD),
    ]
    if spec.key:
        found.append(Admission(MANAGER, Level.MANAGER, Mechanism.GMAC, (Context.LN_CIPHERED,)))
    return found


def physical(spec: MeterSpec) -> int:
    """The physical address on a line: 16 and the last three digits of the number."""
    return 16 + int("".join(filter(str.isdigit, spec.id))[-3:] or "0")


def hdlc_meter(spec: MeterSpec, bank: Bank) -> Responder:
    """The meter as it answers on a line with HDLC; what it pushes is told at the next turn."""
    meter = Meter(spec, bank)
    station = server.over_hdlc(meter.server, physical=physical(spec))

    def send(found: DataNotification, now: datetime) -> None:
        for client in CLIENTS:
            station.send(client, DEVICE, apdu.encode(found))

    meter.push.send = send
    return station


class WrapperMeter:
    """The meter as it answers over TCP; what it pushes follows the answer."""

    def __init__(self, spec: MeterSpec, bank: Bank) -> None:
        self._meter = Meter(spec, bank)
        self._station = server.over_wrapper(self._meter.server)
        self._pushes: list[DataNotification] = []
        self._meter.push.send = lambda found, now: self._pushes.append(found)

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """See `wire.base.Responder`."""
        yield from self._station.receive(data, now)
        pushes, self._pushes = self._pushes, []
        for found in pushes:
            yield self._station.send(PUSH_PORT, DEVICE, apdu.encode(found))

    def silence(self) -> None:
        """See `wire.base.Responder`."""
        self._station.silence()
