"""Every protocol that is asked, through lines on which everything goes wrong.

A simulated meter whose registers go on counting is read, its clock set and its relay or valve switched, while what
either side says is lost, doubled, late, cut, spoilt, echoed, and others speak. The reader ends with a value that the
meter did show while it was asked, or with an error; and no order is carried out twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from badline import BadLine
from dialogues import NOW, Talk
from metergate.errors import MetergateError
from metergate.meters.map import load_map
from metergate.meters.pollers import POLLERS, Target
from metergate.model import (
    CloseValve,
    Command,
    Connect,
    Disconnect,
    MeterIdentity,
    OpenValve,
    Outcome,
    Quality,
    Reading,
    SetClock,
)
from metergate.sim.household import Household
from metergate.sim.meters import responder
from metergate.sim.meters.base import LOCAL
from metergate.sim.meters.dlms import Meter as DlmsMeter
from metergate.sim.meters.dlms import physical
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Dialogue, Responder, Telegram
from metergate.wire.dlms.server import over_hdlc, over_wrapper
from metergate.wire.mgc1 import Collector, Flag, Ident, Master, Record, ValvePosition, ValveState
from metergate.wire.mgc1.master import CLOSE, OPEN
from metergate.wire.modbus import RTU, TCP
from metergate.wire.modbus.meter import Meter as ModbusMeter

HOME = Household(7, pv_watts=4000, since=date(2026, 11, 1))
BANK = Bank((HOME,), (), installed=datetime(2026, 11, 1, tzinfo=UTC))
EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
SURE = timedelta(minutes=1)
"""What a clock that was set may be off; the time that the dialogue took comes on top."""
EXAMPLES = int(os.environ.get("METERGATE_BAD_LINES", "20"))
OFFSET = {"utc_offset": LOCAL // timedelta(minutes=1)}


@dataclass
class Scene:
    """A meter and who asks it. `off`: whether it has switched off; `moves`: how often it switched."""

    meter: Responder
    poller: Any
    target: Target
    off: Callable[[], bool] | None = None
    moves: Callable[[], int] = lambda: 0
    clock_error: Callable[[datetime], timedelta] | None = None
    orders: tuple[type[Command], type[Command]] = (Disconnect, Connect)


class Counted:
    """How often a truth changed, looked at whenever the meter was told something."""

    def __init__(self, meter: Responder, look: Callable[[], object]) -> None:
        self._meter, self._look = meter, look
        self.changes, self._last = 0, look()

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        for answer in self._meter.receive(data, now):
            self._note()
            yield answer
        self._note()

    def silence(self) -> None:
        self._meter.silence()

    def _note(self) -> None:
        self.changes += self._look() != self._last
        self._last = self._look()


# --- meters ----------------------------------------------------------------------------------------------------------
def _energy(number: str) -> Scene:
    meter: Any = responder(MeterSpec("dlt645", number, 0), BANK)
    state = meter.state
    counted = Counted(meter, lambda: state.relay_open)
    poller = POLLERS["dlt645"](OFFSET)
    off = lambda: bool(state.relay_open)  # noqa: E731
    error = lambda now: state.clock_error  # noqa: E731
    return Scene(counted, poller, Target("m", number), off, lambda: counted.changes, error)


def _energy_1997(number: str) -> Scene:
    scene = _energy(number)
    return replace(scene, poller=POLLERS["dlt645-1997"](OFFSET), off=None)


def _objects(number: str) -> Scene:
    meter: Any = responder(MeterSpec("dlt698", number, 0), BANK)
    state = meter.state
    counted = Counted(meter, lambda: state.relay_open)
    error = lambda now: state.clock_error  # noqa: E731
    return Scene(
        counted,
        POLLERS["dlt698"](OFFSET),
        Target("m", number),
        lambda: state.relay_open,
        lambda: counted.changes,
        error,
    )


def _water(number: str) -> Scene:
    meter: Any = responder(MeterSpec("cjt188", number, 0, 0x10), BANK)
    valve = meter.valve
    counted = Counted(meter, lambda: valve.closed != (valve.moving_since is not None))
    scene = Scene(counted, POLLERS["cjt188"]({}), Target("m", f"10:{number}"), lambda: valve.closed)
    return replace(scene, moves=lambda: counted.changes, orders=(CloseValve, OpenValve))


def _terminal(number: str) -> Scene:
    meter = responder(MeterSpec("gdw376", number, 0), BANK)
    return Scene(meter, POLLERS["gdw376"](OFFSET), Target("m", f"{number}:1"))


def _behind(number: str) -> Scene:
    """The same terminal, and the meter of DL/T 645 behind it."""
    terminal: Any = responder(MeterSpec("gdw376", number, 0), BANK)
    (inner,) = terminal.meters
    counted = Counted(terminal, lambda: inner.state.relay_open)
    target = Target("m", f"{number}/{number.zfill(12)}")
    off = lambda: bool(inner.state.relay_open)  # noqa: E731
    return Scene(counted, POLLERS["gdw376"](OFFSET), target, off, lambda: counted.changes)


def _heat(number: str) -> Scene:
    return Scene(
        responder(MeterSpec("mbus", number, 0, 4), BANK), POLLERS["mbus"]({}), Target("m", str(int(number) % 250 + 1))
    )


def _readout(number: str) -> Scene:
    meter: Any = responder(MeterSpec("iec62056-21", number, 0), BANK)
    target = Target("m", number, b"00000000")
    return Scene(meter, POLLERS["iec62056-21"](OFFSET), target, clock_error=lambda now: meter.clock_error)


def _dlms(number: str, over: Callable[[DlmsMeter, MeterSpec], Responder], protocol: str) -> Scene:
    spec = MeterSpec(protocol, number, 0, key=(EK + AK).hex())
    one = DlmsMeter(spec, BANK)
    relay = one.relay
    return Scene(
        over(one, spec),
        POLLERS[protocol]({}),
        Target("m", "1", keys={"encryption": EK, "authentication": AK}),
        lambda: not relay.state,
        lambda: relay.switched,
        lambda now: one.clock.offset,
    )


MAP = """
brand = "B"
model = "Line"
protocol = "modbus"
medium = "electricity"

[[point]]
name = "relay"
address = 10
writable = true

[[point]]
name = "energy"
address = 20
type = "u32"
unit = "kWh"
obis = "1-0:1.8.0"
divisor = 100

[[point]]
name = "voltage"
address = 40
type = "u16"
unit = "V"
obis = "1-0:32.7.0"
divisor = 10
"""


@cache
def _maps() -> Path:
    folder = Path(mkdtemp())
    (folder / "b_line.toml").write_text(MAP)
    return folder


def _registers(number: str, framing: str) -> Scene:
    found, begin = load_map(_maps() / "b_line.toml"), datetime(2026, 11, 1, tzinfo=UTC)

    def shown(point: Any, now: datetime) -> Decimal:
        seconds = int((now - begin).total_seconds())
        return {"energy": Decimal(seconds).scaleb(-2), "voltage": Decimal(2200 + seconds % 200).scaleb(-1)}.get(
            point.name, Decimal(1)
        )

    meter = ModbusMeter(int(number), found.point, shown, framing)
    counted = Counted(meter, lambda: meter.written.get((3, 10), 1))
    protocol = "modbus" if framing == RTU else "modbus-tcp"
    poller = POLLERS[protocol]({"maps": _maps()})
    target = Target("m", number, map="b_line")
    return Scene(counted, poller, target, lambda: not meter.written.get((3, 10), 1), lambda: counted.changes)


class Backend:
    """A collector's channel: a counter and a valve; every order that arrives is carried out and counted."""

    def __init__(self) -> None:
        self.orders: list[int] = []
        self.closed = False
        self.error = timedelta(0)

    def ident(self) -> Ident:
        return Ident("MGC-24", "00012345", "1.0", 1, 3)

    def read_now(self, channel: int | None, now: datetime) -> list[Record]:
        seconds = int(now.timestamp())
        return [Record(0, 1, register, seconds, seconds * 7, Flag(0)) for register in (16, 17)]

    def clock(self, now: datetime) -> datetime:
        return now + self.error

    def set_clock(self, time: datetime, step: bool, now: datetime) -> None:
        self.error = time - now

    def valve(self, order: int, channel: int, action: int, ttl: int, now: datetime) -> int:
        self.orders.append(order)
        self.closed = action == CLOSE
        return ValvePosition.MOVING

    def valve_state(self, channel: int, now: datetime) -> ValveState:
        return ValveState(int(self.closed), 0, self.orders[-1] if self.orders else 0)


class Collecting:
    """Asks a collector as pollers do."""

    def __init__(self) -> None:
        self.master, self._order = Master(0x12), 0

    def read(self, target: Target) -> Dialogue[Telegram]:
        found = yield from self.master.read_now(1)
        readings = tuple(record.reading("m") for record in found)
        return Telegram("mgc1", 0, 0, True, meter=MeterIdentity("m"), readings=readings)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        if isinstance(command, SetClock):
            yield from self.master.set_time(command.time or now)
            return Outcome.DONE
        self._order += 1
        yield from self.master.valve(self._order, 1, CLOSE if isinstance(command, CloseValve) else OPEN, 30)
        return Outcome.DONE


def _collector(number: str) -> Scene:
    backend: Any = Backend()
    scene = Scene(Collector(int(number), backend), Collecting(), Target("m", number), lambda: backend.closed)
    error = lambda now: backend.error  # noqa: E731
    return replace(scene, moves=lambda: len(backend.orders), clock_error=error, orders=(CloseValve, OpenValve))


@dataclass(frozen=True)
class Case:
    """Makes the meter that is asked, and the one besides whose answers are heard; `bits` see `BadLine`."""

    make: Callable[[str], Scene]
    ours: str
    other: str = ""
    bits: int = 1


CASES = {
    "dlt645": Case(_energy, "202611000001", "193377445566"),
    "dlt645-1997": Case(_energy_1997, "202611000001", "193377445566"),
    "dlt698": Case(_objects, "202611000001", "193377445566", 3),
    "cjt188": Case(_water, "47110000000001", "93377445566112"),
    "gdw376": Case(_terminal, "02001234", "06115678"),
    "gdw376, the meter behind": Case(_behind, "02001234", "06115678"),
    "mbus": Case(_heat, "61203344", "61203309"),
    "iec62056-21": Case(_readout, "4711"),
    "dlms-hdlc": Case(
        lambda number: _dlms(number, lambda one, spec: over_hdlc(one.server, physical=physical(spec)), "dlms-hdlc"),
        "10004711",
        bits=3,
    ),
    "dlms-wrapper": Case(
        lambda number: _dlms(number, lambda one, spec: over_wrapper(one.server), "dlms-wrapper"), "10004711", bits=0
    ),
    "modbus": Case(lambda number: _registers(number, RTU), "7", "9", 3),
    "modbus-tcp": Case(lambda number: _registers(number, TCP), "7", bits=0),
    "mgc1": Case(_collector, "18", "", 3),
}


# --- what must hold --------------------------------------------------------------------------------------------------
def _values(telegram: Telegram) -> set[tuple[str, Decimal]]:
    return {
        (one.register.key, one.value) for one in telegram.readings if _counts(one) and isinstance(one.value, Decimal)
    }


def _counts(reading: Reading) -> bool:
    """Whether it is a value of which the reader is sure, and not what the test itself has switched."""
    return reading.quality == Quality.GOOD and reading.register.quantity != "relay"


@cache
def _twin(name: str) -> Scene:
    return CASES[name].make(CASES[name].ours)


@cache
def _shown(name: str, at: datetime) -> frozenset[tuple[str, Decimal]]:
    """What a meter of the same household shows on a good line at an instant."""
    twin = _twin(name)
    return frozenset(_values(Talk([twin.meter], at).run(twin.poller.read(twin.target))))


@cache
def _foreign(name: str) -> tuple[bytes, ...]:
    """What another meter of the same kind answers."""
    case = CASES[name]
    if not case.other:
        return ()
    scene, heard = case.make(case.other), list[bytes]()

    def keep(data: bytes) -> list[bytes]:
        heard.append(data)
        return [data]

    Talk([scene.meter], NOW - timedelta(days=2), up=keep).run(scene.poller.read(scene.target))
    assert heard
    return tuple(heard)


class Reader(RuleBasedStateMachine):
    """One meter, asked again and again."""

    name = ""

    @initialize(seed=st.integers(0, 1 << 32), share=st.sampled_from([0.02, 0.1, 0.3, 0.6]))
    def begin(self, seed: int, share: float) -> None:
        case = CASES[self.name]
        self.scene = case.make(case.ours)
        self.line = BadLine(self.scene.meter, seed, case.bits, _foreign(self.name), share)
        self.told = 0

    @rule(seconds=st.integers(1, 5000))
    def time_passes(self, seconds: int) -> None:
        self.line.now += timedelta(seconds=seconds)

    @rule()
    def read(self) -> None:
        try:
            found = self.line.run(self.scene.poller.read(self.scene.target))
        except MetergateError:
            return
        true = set[tuple[str, Decimal]]().union(*(_shown(self.name, at) for at in self.line.instants))
        assert _values(found) <= true

    @rule(off=st.booleans())
    def switch(self, off: bool) -> None:
        scene = self.scene
        if scene.off is None:
            return
        self.told += 1
        order, before = scene.orders[not off](str(self.told), "m"), scene.moves()
        outcome = self._execute(order)
        assert scene.moves() - before <= 1
        if outcome is Outcome.DONE:
            assert scene.off() is off
        if outcome in (Outcome.REFUSED, Outcome.UNSUPPORTED):
            assert scene.moves() == before

    @rule(minutes=st.integers(-4, 4))
    def set_the_clock(self, minutes: int) -> None:
        scene, wanted = self.scene, timedelta(minutes=minutes)
        if scene.clock_error is None:
            return
        begin = self.line.now
        before = scene.clock_error(begin)
        outcome = self._execute(SetClock("c", "m", time=begin + wanted))
        spent = self.line.now - begin
        if outcome is Outcome.DONE:
            assert abs(scene.clock_error(self.line.now) - wanted) <= spent + SURE
        if outcome in (Outcome.REFUSED, Outcome.UNSUPPORTED):
            assert scene.clock_error(self.line.now) == before

    def _execute(self, order: Command) -> Outcome | None:
        try:
            return self.line.run(self.scene.poller.execute(self.scene.target, order, self.line.now))  # type: ignore[no-any-return]
        except MetergateError:
            return None


@pytest.mark.parametrize("name", CASES)
def test_right_values_or_errors_and_no_order_twice(name: str) -> None:
    machine = type("Reader", (Reader,), {"name": name})
    quick = settings(
        max_examples=EXAMPLES,
        stateful_step_count=8,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(machine, settings=quick)


@pytest.mark.parametrize("name", CASES)
def test_on_a_good_line_everything_is_read_and_done(name: str) -> None:
    """The scenes themselves: without faults nothing may be missing."""
    scene = CASES[name].make(CASES[name].ours)
    line = BadLine(scene.meter)
    assert _values(line.run(scene.poller.read(scene.target))) == _shown(name, NOW) != set()
    if scene.off is not None:
        for off in (True, False):
            order = scene.orders[not off](str(off), "m")
            assert line.run(scene.poller.execute(scene.target, order, line.now)) is Outcome.DONE
            assert scene.off() is off
        assert scene.moves() == 2
    if scene.clock_error is not None:
        order = SetClock("c", "m", time=line.now + timedelta(minutes=3))
        assert line.run(scene.poller.execute(scene.target, order, line.now)) is Outcome.DONE
        assert timedelta(minutes=2) < scene.clock_error(line.now) <= timedelta(minutes=3)
