"""Asking meters of DLMS/COSEM, over HDLC and over the wrapper on TCP or UDP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from metergate.errors import ConfigError, MetergateError, NoAnswer, Refused
from metergate.meters.counters import CounterFile
from metergate.meters.pollers import dlms_datagrams as datagrams
from metergate.meters.pollers.base import Poller, Target, answered
from metergate.meters.pollers.dlms_keys import CLIENTS, address_of, key_set, signing_key, verifying_key
from metergate.model import (
    Command,
    Connect,
    Disconnect,
    Freeze,
    LimitPower,
    Medium,
    MeterIdentity,
    Obis,
    Reading,
    SetClock,
    SetPassword,
    SetTariffTable,
)
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.client import Client, Entrance, orders, profile, recover, tariffs
from metergate.wire.dlms.client.image import Progress, activate, transfer, verify
from metergate.wire.dlms.client.meter import Known, Zone, registers
from metergate.wire.dlms.security import Counter, Heard, KeySet, SecurityControl
from metergate.wire.dlms.transport import Transport
from metergate.wire.dlms.wrapper import client as wrapper
from metergate.wire.hdlc import client as hdlc
from metergate.wire.hdlc.address import Address

T = TypeVar("T")
USUAL = ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0", "1-0:1.7.0", "1-0:32.7.0", "1-0:31.7.0", "1-0:14.7.0")
"""Both energies, power, voltage and current of phase 1, frequency."""
AUTHENTICATIONS = {mechanism.name.lower(): mechanism for mechanism in Mechanism}
TITLE = b"MGT\0\0\0\0\x01"
RESUMED = 5
"""How often a transfer of firmware goes on after the line was lost."""
SECRETS = (Mechanism.LOW, Mechanism.HIGH, Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256)
"""Mechanisms with a password or secret that can be changed."""
PROFILE_GROUPS = (98, 99)
"""Group C of what is a profile itself."""


@dataclass(slots=True)
class _Meter:
    """What is remembered of a meter between two questions."""

    counter: Counter
    heard: Heard = field(default_factory=Heard)
    known: Known = field(default_factory=Known)
    title: bytes = b""
    ids: Iterator[int] = field(default_factory=lambda: cycle(range(datagrams.IDS)))


class DlmsPoller(Poller):
    """DLMS/COSEM. The address is `[CLIENT/]DEVICE[:PHYSICAL]`, as `16/1:17`; the device is 1 where it is left out.

    Registers are OBIS codes, those of another class than Register with its number in front: `4/1-0:1.6.0`.
    Keys of a target by name: `encryption`, `authentication`, `password` (or secret), `master`; `key` alone is the
    encryption key and behind it the authentication key.
    Options: `authentication` (none, low, md5, sha1, gmac, sha256, ecdsa; by default what the keys are for), `ciphered`,
    `suite` (0, 1, 2), `signing_key`, `verifying_key` (PEM files of ours and of the meter's, for ecdsa), `title` (ours,
    hex), `general`, `dedicated`, `counters` (folder), `counter` (name of the meter's counter of us, 0-0:43.1.0),
    `timezone` (of meters that tell none), `inverted` (their deviation has the other sign), `profile` (1-0:99.1.0),
    `events` (0-0:99.98.0), `freeze` (the profile that takes a row, 1-0:98.1.0, or the script that runs, as
    9/0-0:10.0.1/1), `timeout` (seconds), `datagrams` (the wrapper on UDP: what is lost is asked again).
    """

    def __init__(self, options: Options, name: str = "dlms-hdlc") -> None:
        self._name, self._options = name, options
        zone = options.get("timezone")
        self._zone = Zone(ZoneInfo(str(zone)) if zone else None, options.get("inverted") is True)
        self._datagrams = name == "dlms-wrapper" and options.get("datagrams") is True
        self._profile = Obis.parse(str(options.get("profile", "1-0:99.1.0")))
        self._freezes = str(options.get("freeze", "1-0:98.1.0"))
        self._events = Obis.parse(str(options.get("events", "0-0:99.98.0")))
        self._meters: dict[str, _Meter] = {}
        self._counters: dict[str, Counter] = {}

    # ---- questions ----
    def read(self, target: Target) -> Dialogue[Telegram]:
        """The target's registers, or the usual ones."""
        wanted = [_register(text) for text in target.registers or USUAL]

        def work(client: Client) -> Dialogue[tuple[Reading, ...]]:
            return registers(client, target.id, wanted, self._zone, self._known(target).known)

        return self._answered(target, work)

    def profile(self, target: Target, register: str, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """The profile of that name, or what the usual load profile says of the register of that name."""
        code = Obis.parse(register)
        whole = code.c in PROFILE_GROUPS
        readings = yield from self._rows(target, code if whole else self._profile, begin, end)
        chosen = readings if whole else tuple(one for one in readings if one.obis == code)
        return answered(self._name, _identity(target), chosen)

    def events(self, target: Target, begin: datetime, end: datetime) -> Dialogue[Telegram]:
        """The event log: codes as text."""
        readings = yield from self._rows(target, self._events, begin, end)
        texts = tuple(replace(one, value=None if one.value is None else str(one.value)) for one in readings)
        return answered(self._name, _identity(target), texts)

    def _rows(self, target: Target, name: Obis, begin: datetime, end: datetime) -> Dialogue[tuple[Reading, ...]]:
        known = self._known(target).known

        def work(client: Client) -> Dialogue[tuple[Reading, ...]]:
            return profile.readings(client, target.id, name, begin, end, self._zone, known)

        return self._session(target, work)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """Relay (read back), clock (read back), power limit, password."""
        if command.expires is not None and now >= command.expires:
            return Outcome.EXPIRED
        order = self._order(command, now)
        if order is None:
            return Outcome.UNSUPPORTED
        try:
            return (yield from self._session(target, order))
        except NoAnswer:
            return Outcome.NO_ANSWER

    def firmware(
        self, target: Target, identifier: bytes, image: bytes, progress: Progress = lambda sent, all_: None
    ) -> Dialogue[Outcome]:
        """Give the meter an image, have it verified and activated; where the line is lost it goes on where it was.

        `progress(sent, all)` in blocks. REFUSED if the meter does not want it or finds it bad, NO_ANSWER.
        """

        def work(client: Client, resume: bool) -> Dialogue[Outcome]:
            yield from transfer(client, identifier, image, resume, progress)
            yield from verify(client)
            yield from activate(client)
            return Outcome.DONE

        for again in range(RESUMED + 1):
            try:
                return (yield from self._session(target, partial(work, resume=again > 0)))
            except NoAnswer:
                continue
            except Refused:
                return Outcome.REFUSED
        return Outcome.NO_ANSWER

    def _freeze(self) -> Callable[[Client], Dialogue[Outcome]]:
        if self._freezes.startswith("9/"):
            name, _, number = self._freezes[2:].partition("/")
            table, script = Obis.parse(name).octets, int(number) if number.isdecimal() else 1
            return lambda client: orders.run_script(client, table, script)
        return lambda client: orders.capture(client, Obis.parse(self._freezes).octets)

    def _order(self, command: Command, now: datetime) -> Callable[[Client], Dialogue[Outcome]] | None:
        match command:
            case SetTariffTable():
                return lambda client: tariffs.set_tariffs(client, command, self._zone)
            case Freeze():
                return self._freeze()
            case Connect() | Disconnect():
                return lambda client: orders.relay(client, isinstance(command, Connect))
            case SetClock(time=time):
                return lambda client: orders.set_clock(client, time or now, self._zone)
            case LimitPower(watts=watts):
                return lambda client: orders.limit(client, watts)
            case SetPassword(new=new) if new:
                return lambda client: self._changed(client, new.encode())
        return None

    def _changed(self, client: Client, secret: bytes) -> Dialogue[Outcome]:
        """Only who is in by a secret can change it; an association by keys has none."""
        if client.entrance.mechanism not in SECRETS:
            return Outcome.UNSUPPORTED
        return (yield from orders.change_secret(client, secret))

    # ---- sessions ----
    def _answered(self, target: Target, work: Callable[[Client], Dialogue[tuple[Reading, ...]]]) -> Dialogue[Telegram]:
        readings = yield from self._session(target, work)
        return answered(self._name, _identity(target), readings)

    def _session(self, target: Target, work: Callable[[Client], Dialogue[T]]) -> Dialogue[T]:
        """Associate, work, release."""
        client = yield from self._opened(target)
        try:
            found = yield from work(client)
        except MetergateError:
            yield from client.release()
            raise
        yield from client.release()
        return found

    def _opened(self, target: Target) -> Dialogue[Client]:
        door, known = self._entrance(target), self._known(target)
        number, device, physical = address_of(target.address, door.mechanism)
        if door.counted and door.counter.last == 0 and door.counters:
            public = self._transport(CLIENTS[Mechanism.NONE], device, physical)
            yield from datagrams.again(lambda: recover(public, door)) if self._datagrams else recover(public, door)
        way = self._transport(number, device, physical)
        client = datagrams.DatagramClient(way, door, known.ids) if self._datagrams else Client(way, door)
        yield from client.associate()
        known.title = client.meter_title
        return client

    def _transport(self, number: int, device: int, physical: int | None) -> Transport:
        given = self._options.get("timeout")
        if self._datagrams:
            return datagrams.Link(number, device, float(str(given)) if given else wrapper.Settings().timeout)
        if self._name == "dlms-wrapper":
            return wrapper.Link(number, device, wrapper.Settings(float(str(given))) if given else None)
        return hdlc.Link(number, Address(device, physical), hdlc.Settings(float(str(given))) if given else None)

    # ---- the way in ----
    def _known(self, target: Target) -> _Meter:
        """What is remembered of the meter; its counter is that of its key."""
        kept = self._meters.get(target.id)
        if kept is None:
            kept = self._meters[target.id] = _Meter(self._counter(target))
        return kept

    def _counter(self, target: Target) -> Counter:
        """One for each key, also where meters share it."""
        folder, keys = self._options.get("counters"), key_set(target, self._suite)
        if not keys.encryption:
            return Counter()
        mark = hashlib.sha256(b"counter" + self._title + keys.encryption).hexdigest()[:16]
        if mark not in self._counters:
            file = CounterFile(Path(str(folder)) / mark)
            self._counters[mark] = Counter(file.load(), file.store) if folder else Counter()
        return self._counters[mark]

    @property
    def _suite(self) -> int:
        given = str(self._options.get("suite", 0))
        if given not in ("0", "1", "2"):
            raise ConfigError(f"security suite {given!r} is not known: there are 0, 1 and 2")
        return int(given)

    @property
    def _title(self) -> bytes:
        return bytes.fromhex(str(self._options.get("title", TITLE.hex())))

    def _entrance(self, target: Target) -> Entrance:
        keys, secret, known = key_set(target, self._suite), target.keys.get("password", b""), self._known(target)
        mechanism = self._mechanism(keys, secret)
        ciphered = self._options.get("ciphered", mechanism is Mechanism.GMAC)
        signing, verifying = self._options.get("signing_key"), self._options.get("verifying_key")
        return Entrance(
            mechanism,
            Context.LN_CIPHERED if ciphered else Context.LN,
            secret,
            keys,
            self._title if ciphered or mechanism.high else b"",
            known.title,
            SecurityControl(self._suite),
            known.counter,
            known.heard,
            signing_key(Path(str(signing))) if signing else None,
            verifying_key(Path(str(verifying))) if verifying else None,
            general=self._options.get("general") is True,
            dedicated=self._options.get("dedicated") is True,
            counters=Obis.parse(str(self._options.get("counter", "0-0:43.1.0"))).octets,
        )

    def _mechanism(self, keys: KeySet, secret: bytes) -> Mechanism:
        given = str(self._options.get("authentication", ""))
        if given:
            if given not in AUTHENTICATIONS:
                raise ConfigError(f"unknown authentication {given!r}: there are {', '.join(AUTHENTICATIONS)}")
            return AUTHENTICATIONS[given]
        return Mechanism.GMAC if keys.encryption else Mechanism.LOW if secret else Mechanism.NONE


def _register(text: str) -> tuple[int, Obis]:
    number, _, code = text.rpartition("/")
    return int(number) if number.isdecimal() else 3, Obis.parse(code)


def _identity(target: Target) -> MeterIdentity:
    return MeterIdentity(target.id, medium=Medium.ELECTRICITY)


def hdlc_poller(options: Options) -> DlmsPoller:
    """DLMS over HDLC."""
    return DlmsPoller(options)


def wrapper_poller(options: Options) -> DlmsPoller:
    """DLMS over the wrapper."""
    return DlmsPoller(options, "dlms-wrapper")
