"""Somebody selects all meters and reads them now; the process that tells the orders to the gateway is killed on the
way. Every meter is read once for the job, no order gets lost, and what the meters show is on the page."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from faulty import serve, stop
from metergate.gateway.daemon import Gateway
from metergate.gateway.settings import Line, Meter, Mqtt, Settings
from metergate.gateway.settings import Station as Lane
from metergate.links import open_link
from metergate.links.broker import Broker, BrokerSettings, gateway_user, station_user
from metergate.model import Obis
from metergate.toml import Seconds
from metergate.wire.dlt645 import Meter as Dlt645Meter
from metergate.wire.dlt645.meter import RegisterSource

COUNT = 24
PATIENCE = 120.0
ENERGY = Obis.parse("1-0:1.8.0")
ADDRESSES = [f"{112233440000 + number}" for number in range(COUNT)]

BEGIN = """
import json, sys
from datetime import UTC, datetime
from metergate.station import services
services.setup()
from metergate.station.archive import plan
def meter(identity):
    register = plan.RegisterPlan(f"{identity}/1-0:1.8.0*255", "1-0:1.8.0", "kWh", -2, billing=True)
    return plan.MeterPlan(identity, "electricity", [register], protocol="dlt645")
meters = [meter(identity) for identity in json.loads(sys.argv[1])]
rooms = [plan.RoomPlan(f"{n:04}", [plan.PointPlan("electricity", one)], "N") for n, one in enumerate(meters)]
building = plan.BuildingPlan(1, "", [plan.StaircasePlan(1, [plan.FloorPlan(0, rooms)])])
line = plan.LinePlan("L1", "loop", gateway="gw1", protocol="dlt645", meters=[one.identity for one in meters])
services.seed_demo(plan.EstatePlan("E1", "E", [building], [line], since=datetime.now(UTC)))
services.create_operator("ops", "administrator", password="correct horse battery")
"""
ORDER = """
import django; django.setup()
from django.test import Client
client = Client()
assert client.login(username="ops", password="correct horse battery")
answer = client.post("/jobs/order/read-now?of=readings", {"all": "1"})
assert client.get(answer["Location"]).status_code == 200, answer
"""


class Station:
    """A station in a folder: its database, and its live process."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        given = {
            "STATE": str(folder),
            "HOSTS": "testserver",
            "BROKER": str(broker.address("station")),
            "BROKER_PASSWORD_FILE": str(broker.password_file("station")),
            "RECORDS": broker.native_url,
            "GROUP": "g",
        }
        kept = {name: text for name, text in os.environ.items() if not name.startswith("METERGATE_")}
        self.environment = {
            **kept,
            **{f"METERGATE_STATION_{name}": text for name, text in given.items()},
            "DJANGO_SETTINGS_MODULE": "metergate.station.settings",
        }
        self.live: asyncio.subprocess.Process | None = None

    async def run(self, script: str, *arguments: str) -> None:
        process = await self._start("-c", script, *arguments)
        assert await process.wait() == 0, (self.folder / "log").read_text()

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def listen(self) -> None:
        self.live = await self._start("-m", "metergate.cli", "station", "live")

    async def kill(self) -> None:
        if self.live and self.live.returncode is None:
            self.live.send_signal(signal.SIGKILL)
            await self.live.wait()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "station.sqlite3", timeout=20)) as connection:
            return connection.execute(query).fetchall()

    def count(self, state: str) -> int:
        return int(str(self.rows(f"SELECT count(*) FROM jobs_order WHERE state = '{state}'")[0][0]))


@asynccontextmanager
async def gateway(folder: Path, broker: Broker) -> AsyncIterator[Counter[str]]:
    """The gateway with its meters on a line; counts how often each was asked for its energy."""
    asked: Counter[str] = Counter()

    def source(address: str) -> RegisterSource:
        def show(obis: Obis, at: datetime) -> Decimal | None:
            if obis != ENERGY:
                return None
            asked[address] += 1
            return Decimal(100 * asked[address] + int(address[-2:]))

        return show

    url = f"loop://{folder.name}"
    listed = tuple(Meter(id=address, registers=("00010000",)) for address in ADDRESSES)
    settings = Settings(
        line=(Line(url, "dlt645", "L1", meter=listed, period=Seconds(36000), jitter=Decimal(0)),),
        mqtt=Mqtt(str(broker.address("gw1")), broker.password_file("gw1")),
        id="gw1",
        data=folder / "gateway",
        station=Lane("g", delay=Seconds(0.05)),
    )
    theirs = await open_link(url)
    bank = [Dlt645Meter(address, source(address), datetime(2026, 1, 1, tzinfo=UTC)) for address in ADDRESSES]
    serving = asyncio.create_task(serve(theirs, bank))
    made = Gateway(settings)
    running = asyncio.create_task(made.run())
    try:
        yield asked
    finally:
        made.stop()
        await running
        await stop(serving)


async def until(what: Callable[[], Awaitable[object] | object], told: str) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.05)


async def story(folder: Path) -> str:
    async with Broker(BrokerSettings(folder / "broker", port=0), [station_user(), gateway_user("g", "gw1")]) as broker:
        station = Station(folder / "station", broker)
        await station.run(BEGIN, json.dumps(ADDRESSES))
        try:
            async with gateway(folder, broker) as asked:
                await until(lambda: len(asked) == COUNT, "the gateway does not poll its meters")
                before = dict(asked)
                await station.run(ORDER)
                assert station.count("waiting") == COUNT
                kills = 0
                for least in (COUNT // 6, COUNT // 2):
                    await station.listen()
                    await until(lambda least=least: station.count("done") >= least, "no order comes back")  # type: ignore[misc]
                    await station.kill()
                    kills += 1
                assert station.count("done") < COUNT, "it was killed too late to tell anything"
                await station.listen()
                await until(lambda: station.rows("SELECT 1 FROM jobs_job WHERE ended IS NOT NULL"), "it never ended")
                job = station.rows("SELECT state, whole, done, failed FROM jobs_job")
                assert job == [("done", COUNT, COUNT, 0)]
                assert {address: asked[address] - before[address] for address in ADDRESSES} == dict.fromkeys(
                    ADDRESSES, 1
                )
                await until(lambda: _shown(station) == _true(asked), "the page shows something else than the meters")
        finally:
            await station.kill()
    return f"{COUNT} meters read once each, the live process killed {kills} times"


def _shown(station: Station) -> dict[str, Decimal]:
    rows = station.rows(
        "SELECT m.identity, l.value FROM collect_latest l JOIN archive_register r ON r.id = l.register_id"
        " JOIN archive_meter m ON m.id = r.meter_id WHERE r.obis = '1-0:1.8.0'"
    )
    return {str(meter): Decimal(str(value)) for meter, value in rows}


def _true(asked: Counter[str]) -> dict[str, Decimal]:
    return {address: Decimal(100 * asked[address] + int(address[-2:])) for address in ADDRESSES}


def test_everybody_is_read_once_whatever_dies(tmp_path: Path) -> None:
    print(asyncio.run(story(tmp_path)))
