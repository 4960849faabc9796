"""No reading is lost and none is told twice, whatever is killed when.

A simulated day at speed: a collector logs its meters at every quarter of an hour, a gateway fetches the log over MGC/1
and sends it through the broker to the station's ingest worker. Each is a process of its own, and a seeded schedule
kills one of them after the other with SIGKILL, at any moment, also while it still starts; now and then the broker. At
the end the load profiles hold exactly what the collector logged, and what it logged is exactly what the simulated
meters showed.

METERGATE_KILLS is the number of kills; the promise is meant for any.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from metergate.errors import LinkError
from metergate.gateway.status import ask_status
from metergate.links.broker import Broker, BrokerSettings, gateway_user, station_user
from metergate.profiles.blocks import open_blocks
from metergate.sim import specs
from metergate.sim.clock import SimClock
from metergate.sim.household import Household
from metergate.sim.meters import source
from metergate.sim.specs import MeterSpec
from metergate.sim.store import Store
from metergate.wire.mgc1 import REGISTERS, Record
from postgres import fresh_database, postgres

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("METERGATE_KILLS", "24"))
SEED = 2026
SPEED = 1440.0
"""A day a minute."""
ADDRESS = 18
BROKER_DEATHS = 5
"""Every tenth time it is the broker that dies, but so often only: it is started again ever more slowly."""
PATIENCE = 120.0
"""Seconds that something may take on a busy machine before it counts as never."""
Key = tuple[str, str, int]
"""Meter, OBIS code, seconds since 1970."""


@dataclass
class Child:
    """A `metergate` process that can be killed and started again."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            command = (sys.executable, "-m", "metergate.cli", *self.arguments)
            environment = {name: text for name, text in os.environ.items() if not name.startswith("METERGATE_")}
            self.process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment, **self.environment},
            )

    async def end(self, number: int = signal.SIGKILL) -> None:
        if self.process and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def ended(self) -> str:
        return f"the {self.name} ended by itself:\n{self.log.read_text()[-2000:]}"


async def until(what: Callable[[], Awaitable[object] | object], told: str) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = what()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.05)


class Plant:
    """Collector, gateway and station in one folder."""

    def __init__(self, folder: Path, broker: Broker, database: str) -> None:
        self.folder, self.broker, self.database = folder, broker, database
        today = datetime.now(UTC).date() - timedelta(days=30)
        self.start = datetime(today.year, today.month, today.day, tzinfo=UTC)
        self.bank = _bank(today, SimClock(time.time(), self.start, SPEED))
        specs.save(folder / "collector.json", self.bank)
        above, below = folder / "above", folder / "below"
        self.config = _gateway_file(folder, broker, above, self.bank)
        environment = _environment(folder, broker, database)
        self.line = self._child("line", "sim", "line", "--baud", "1000000", "--pty", str(above), str(below))
        self.station = self._child("migrate", "station", "migrate", environment=environment)
        self.victims = (
            self._child(
                "collector", "sim", "collector", str(folder / "collector.json"), "--addr", str(ADDRESS),
                "--line", str(below), "--state", str(folder / "collector"),
            ),
            self._child("gateway", "gateway", "run", str(self.config)),
            self._child("ingest", "station", "ingest", environment=environment),
        )  # fmt: skip
        self.work: dict[str, Callable[[], int]] = {
            "collector": self._logged, "gateway": self._let_go, "ingest": self._taken_in
        }  # fmt: skip
        """How far each has come."""

    def _child(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Child:
        return Child(name, arguments, self.folder / f"{name}.log", environment or {})

    async def begin(self) -> None:
        await self.line.start()
        await self.station.start()
        assert self.station.process is not None
        assert await self.station.process.wait() == 0, self.station.log.read_text()
        for child in self.victims:
            await child.start()
            if child.name == "collector":
                await until(self._logged, "the collector never logged")

    async def end(self) -> None:
        for child in (*self.victims, self.line):
            await child.end()

    async def kill(self, times: int, seed: int) -> Counter[str]:
        """The schedule: who dies next and when; mostly at work, sometimes while it still starts."""
        dice, killed = random.Random(seed), Counter[str]()
        done = dict.fromkeys(self.work, 0)
        for number in range(times):
            if number % 10 == 9 and killed["broker"] < BROKER_DEATHS:
                await self._kill_broker()
                killed["broker"] += 1
                continue
            victim = dice.choice(self.victims)
            at_work, pause = dice.random() < 0.75, dice.expovariate(1 / 0.5)
            if at_work:
                await until(partial(self._goes_on, victim, done[victim.name]), f"the {victim.name} does nothing")
            await asyncio.sleep(pause)
            assert victim.alive, victim.ended
            await victim.end()
            done[victim.name] = self.work[victim.name]()
            await victim.start()
            killed[victim.name] += 1
        return killed

    async def _kill_broker(self) -> None:
        """It is started again by who owns it."""
        await until(lambda: self.broker.pid, "the broker did not come back")
        assert self.broker.pid
        os.kill(self.broker.pid, signal.SIGKILL)

    def _goes_on(self, victim: Child, since: int) -> bool:
        assert victim.alive, victim.ended
        return self.work[victim.name]() > since

    async def drain(self) -> int:
        """Wait until the collector logs once more, and all of its log by then is in the station; the last cursor.

        The gateway dies last: it would let a collector that was silent for long be for a minute.
        """
        before, gateway = self._logged(), self.victims[1]
        await until(lambda: self._logged() > before, "the collector logs no more")
        last = self._logged()
        await gateway.end()
        await gateway.start()
        await until(lambda: self._let_go() >= last, "the collector's log was not fetched")
        spooled = (await self._spool())["newest"]
        await until(lambda: self._acknowledged(spooled), "the station did not acknowledge")
        return last

    def _logged(self) -> int:
        """Newest cursor, by the sizes of the log's files alone: the collector is at work there."""
        files = sorted((self.folder / "collector/log").glob("*.log"))
        return int(files[-1].stem) + files[-1].stat().st_size // 24 - 1 if files else 0

    def _let_go(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / "collector/log/acknowledged").read_text())
        return 0

    def _taken_in(self) -> int:
        """How far the station has read the gateway's record lane."""
        return next((int(row[0]) for row in _select(self.database, "SELECT cursor FROM collect_intake")), 0)

    async def _spool(self) -> dict[str, int]:
        found: dict[str, int] = {}

        async def asked() -> object:
            with contextlib.suppress(LinkError):
                found.update((await ask_status(self.folder / "gateway/status.sock"))["spool"])
            return found

        await until(asked, "the gateway tells nothing")
        return found

    async def _acknowledged(self, cursor: int) -> bool:
        return (await self._spool())["acknowledged"] >= cursor

    # --- what must be equal ------------------------------------------------------------------------------------------
    def logged(self) -> list[Record]:
        """The collector's log, once it is dead."""
        return [Record.decode(octets) for octets in Store(self.folder / "collector/log").read(1, 1 << 20)]

    def key(self, record: Record) -> Key:
        spec = self.bank.meters[record.channel - 1]
        return spec.id, str(REGISTERS[record.register].obis), record.time

    def shown(self, record: Record) -> int:
        """What the meter showed at that instant, in thousandths."""
        obis = REGISTERS[record.register].obis
        value = source(self.bank.meters[record.channel - 1], self.bank)(obis, datetime.fromtimestamp(record.time, UTC))
        assert value is not None
        return int(value.scaleb(3))

    def stored(self) -> tuple[dict[Key, int], list[Any]]:
        """The station's load profiles, in thousandths, and readings that contradict them."""
        names = {int(pk): (meter, obis) for pk, meter, obis in _select(self.database, _REGISTERS)}
        profiles = self.database
        if profiles.startswith("sqlite:"):
            profiles = profiles.replace(".sqlite3", "-profiles.sqlite3")
        blocks = open_blocks(profiles)
        end = self.start + timedelta(days=40)
        matrix = blocks.read(list(names), self.start, end)
        found: dict[Key, int] = {}
        for row, column in zip(*matrix.present.nonzero(), strict=True):
            at = int(matrix.times[column]) + (int(matrix.offset[row, column]) if matrix.offset is not None else 0)
            assert matrix.scaler[row] == -3
            found[(*names[int(matrix.registers[row])], at // 1000)] = int(matrix.value[row, column])
        conflicts = blocks.conflicts(list(names), self.start, end)
        blocks.close()
        return found, list(conflicts)


_REGISTERS = (
    "SELECT r.id, m.identity, r.obis FROM archive_register r"
    " JOIN archive_meter m ON m.id = r.meter_id WHERE r.obis <> ''"
)


def _select(url: str, query: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite:///"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(query).fetchall()
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def _bank(since: date, clock: SimClock) -> specs.Bank:
    """Two flats: electricity (four registers), cold water and gas each."""
    kinds = (("dlt645", 0), ("cjt188", 0x10), ("cjt188", 0x30))
    homes = tuple(Household(41 + number, pv_watts=2000 * number, since=since) for number in range(2))
    meters = tuple(
        MeterSpec(protocol, f"{home}{kind:03d}", home, kind, channel=3 * home + place + 1)
        for home in range(2)
        for place, (protocol, kind) in enumerate(kinds)
    )
    return specs.Bank(homes, meters, clock, clock.start)


def _gateway_file(folder: Path, broker: Broker, port: Path, bank: specs.Bank) -> Path:
    listed = "".join(
        f'[[line.meter]]\nid = "{spec.id}"\naddress = "{ADDRESS}/{spec.channel}"\n' for spec in bank.meters
    )
    file = folder / "gateway.toml"
    file.write_text(
        f'id = "gw1"\ndata = "{folder}/gateway"\n'
        f'[mqtt]\nurl = "{broker.address("gw1")}"\npassword_file = "{broker.password_file("gw1")}"\n'
        '[station]\ngroup = "g"\nbatch = 50\ndelay = 0.3\nresend = 3\nsparkplug = false\n'
        "[spool]\nsync = 3\n[publish.native]\nenabled = false\n[publish.homeassistant]\nenabled = false\n"
        f'[[line]]\nurl = "{port}"\nprotocol = "mgc1"\nperiod = 0.5\nspare = 1.5\n{listed}'
    )
    return file


def _environment(folder: Path, broker: Broker, database: str) -> dict[str, str]:
    given = {
        "STATE": str(folder / "station"),
        "DATABASE": database,
        "BROKER": str(broker.address("station")),
        "BROKER_PASSWORD_FILE": str(broker.password_file("station")),
        "RECORDS": broker.native_url,
        "GROUP": "g",
    }
    return {f"METERGATE_STATION_{name}": text for name, text in given.items()}


@contextlib.asynccontextmanager
async def plant(folder: Path, database: str) -> AsyncIterator[Plant]:
    settings = BrokerSettings(folder / "broker", port=0)
    async with Broker(settings, [station_user(), gateway_user("g", "gw1")]) as broker:
        made = Plant(folder, broker, database)
        try:
            await made.begin()
            yield made
        finally:
            await made.end()


async def survive(folder: Path, database: str, kills: int, seed: int) -> str:
    """A day with so many kills; what came of it in words."""
    async with plant(folder, database) as made:
        killed = await made.kill(kills, seed)
        last = await made.drain()
    logged, (stored, conflicts) = made.logged(), made.stored()
    truth = {made.key(record): record.value for record in logged}
    assert len(truth) == len(logged), "the collector logged an instant twice"
    assert [record.value for record in logged] == [made.shown(record) for record in logged]
    awaited = {made.key(record) for record in logged if record.cursor <= last}
    assert not awaited - stored.keys(), f"lost: {sorted(awaited - stored.keys())[:5]}"
    assert {key: value for key, value in stored.items() if truth.get(key) != value} == {}, "stored, but never logged so"
    assert conflicts == []
    boots = len({record.boots for record in logged})
    assert boots > 1 or not killed["collector"], "the collector began no new life"
    hours = len({record.time for record in logged}) / 4
    who = ", ".join(f"{name} {count}" for name, count in sorted(killed.items()))
    return (
        f"{sum(killed.values())} kills ({who}): {len(logged)} records of {hours:g} h logged in {boots} lives, "
        f"{len(awaited)} awaited, {len(stored)} stored, all equal to the meters; lost 0, contradictions 0"
    )


def test_whatever_is_killed_everything_arrives_once(tmp_path: Path) -> None:
    print(asyncio.run(survive(tmp_path, f"sqlite:///{tmp_path}/station/station.sqlite3", KILLS, SEED)))


@pytest.fixture
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


def test_the_same_with_postgresql(tmp_path: Path, server: str) -> None:
    print(asyncio.run(survive(tmp_path, fresh_database(server), max(KILLS // 4, 6), SEED + 1)))
