"""The whole street in one command: broker, meters, lines, collectors, gateways, station; all on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from metergate.demo import gateways, history, laboratory, plan
from metergate.demo.children import Child, last_lines
from metergate.demo.laboratory import Laboratory
from metergate.demo.stands import STANDS
from metergate.errors import MetergateError
from metergate.links.broker import Broker, BrokerSettings, gateway_user, household_user, station_user
from metergate.sim.street import COLLECTORS, Street, street

MONTHS_BACK = 396
"""Days of history at the first start."""
OPERATOR = "operator"
PREFIX = "METERGATE_STATION_"


@dataclass
class Demo:
    """The demo in the folder `state`. `web` and `mqtt` are the ports that are tried first."""

    state: Path
    web: int = 8080
    mqtt: int = 1883
    days: int = MONTHS_BACK
    console: Console = field(default_factory=Console)

    def __post_init__(self) -> None:
        self.state = self.state.absolute()
        for name in ("", "ports", "logs", "sim", "gateways", "station", "keys"):
            (self.state / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._diary = self.state / "street.json"
        self._children: list[Child] = []
        self._shown = "the one you chose"

    def prepare(self) -> None:
        """What is there before anything runs: the archive, its history up to now, the operator."""
        from metergate.station import services

        homes = self._street()
        services.setup({PREFIX + "STATE": str(self.state / "station"), PREFIX + "DEMO": "true"})
        from metergate.station.staff.models import Operator

        services.seed_demo(plan.estate(homes, self._laboratory()))
        self._write_history(homes)
        secret = self.state / "operator.password"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_text(services.create_operator(OPERATOR, "administrator"))
        if Operator.objects.filter(username=OPERATOR, must_change_password=True).exists():
            self._shown = f"{secret.read_text()} (one-time)"

    async def run(self, ready: Callable[[str], None] = lambda address: None) -> None:
        """Start everything, tell the addresses, and keep it running until SIGINT, SIGTERM or SIGHUP (the
        terminal is gone). After `prepare`."""
        logging.getLogger("metergate.links").setLevel(logging.ERROR)
        stop = asyncio.Event()
        hung_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        for order in (signal.SIGINT, signal.SIGTERM, *hung_up):
            asyncio.get_running_loop().add_signal_handler(order, stop.set)
        port = _free(self.web)
        async with self._broker() as broker:
            try:
                self._write_settings(self._street(), broker)
                await self._start(broker, port, stop)
                if not stop.is_set():
                    self._tell(broker, port)
                    ready(f"http://127.0.0.1:{port}/")
                while not stop.is_set():
                    self._note_alive()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), 30)
            finally:
                self.console.print("stopping …")
                await asyncio.gather(*(child.stop() for child in self._children))
                self._note_alive()

    @contextlib.asynccontextmanager
    async def _broker(self) -> AsyncIterator[Broker]:
        users = [
            station_user(),
            gateway_user(plan.GROUP, plan.STREET_GATEWAY),
            gateway_user(plan.GROUP, plan.HOUSE_GATEWAY, household=True),
            gateway_user(plan.GROUP, laboratory.GATEWAY),
            household_user("house", [plan.HOUSE_GATEWAY]),
        ]
        async with Broker(BrokerSettings(self.state / "broker", port=_free(self.mqtt), native_port=0), users) as broker:
            yield broker

    def _street(self) -> Street:
        """The street of this folder; the first start decides since when it exists."""
        today = datetime.now(UTC).date()
        if not self._diary.exists():
            self._keep({"created": (today - timedelta(days=self.days)).isoformat()})
        return street(date.fromisoformat(self._kept()["created"]))

    def _laboratory(self) -> Laboratory:
        """The laboratory of this folder, on the TCP ports that are free now; where they were before, if it may be."""
        kept = self._kept()
        created = kept.get("laboratory") or datetime.now(UTC).isoformat()
        tcp = {stand.room: _free(int(kept.get(stand.line, stand.tcp))) for stand in STANDS if stand.tcp}
        self._keep({"laboratory": created} | {stand.line: str(tcp[stand.room]) for stand in STANDS if stand.tcp})
        return Laboratory(datetime.fromisoformat(created), self.state / "ports", self.state / "keys", tcp)

    def _kept(self) -> dict[str, str]:
        return dict(json.loads(self._diary.read_text()))

    def _keep(self, changed: dict[str, str]) -> None:
        known = self._kept() if self._diary.exists() else {}
        new = self._diary.with_suffix(".new")
        new.write_text(json.dumps(known | changed))
        new.replace(self._diary)

    def _note_alive(self) -> None:
        if "known_until" in self._kept():
            self._keep({"known_until": datetime.now(UTC).isoformat()})

    def _write_settings(self, homes: Street, broker: Broker) -> None:
        ports = self.state / "ports"
        key = self.state / "sim" / "radio.key"
        key.write_text(plan.RADIO_KEY)
        where = ("127.0.0.1", broker.ports[0])
        street_text = gateways.street_file(
            homes, ports, self.state / plan.STREET_GATEWAY, where, broker.password_file(plan.STREET_GATEWAY), key
        )
        house_text = gateways.house_file(
            ports, self.state / plan.HOUSE_GATEWAY, where, broker.password_file(plan.HOUSE_GATEWAY)
        )
        (self.state / "gateways" / "street.toml").write_text(street_text)
        (self.state / "gateways" / "house.toml").write_text(house_text)
        bench = self._laboratory()
        lab_text = gateways.laboratory_file(
            bench, self.state / laboratory.GATEWAY, where, broker.password_file(laboratory.GATEWAY)
        )
        (self.state / "gateways" / "laboratory.toml").write_text(lab_text)
        plan.write_simulation(homes, bench, datetime.now(UTC).date(), self.state / "sim")

    def _environment(self, broker: Broker, port: int) -> dict[str, str]:
        given = {
            "STATE": str(self.state / "station"),
            "BROKER": f"mqtt://station@127.0.0.1:{broker.ports[0]}",
            "BROKER_PASSWORD_FILE": str(broker.password_file("station")),
            "RECORDS": broker.native_url,
            "GROUP": plan.GROUP,
            "PORT": str(port),
            "DEMO": "true",
        }
        return {PREFIX + name: value for name, value in given.items()}

    def _write_history(self, homes: Street) -> None:
        """From the first day, or from when the demo last ran, up to now."""
        known = self._kept().get("known_until", f"{homes.created}T00:00:00+00:00")
        start = history.quarter_before(datetime.fromisoformat(known))
        end = history.quarter_before(datetime.now(UTC))
        if start < end:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            with Progress(*columns, console=self.console, transient=True) as bar:
                days = (end - start).total_seconds() / 86400
                task = bar.add_task(f"{days:.1f} days of history, households", total=None)

                def show(done: int, whole: int) -> None:
                    bar.update(task, completed=done, total=whole)

                written = history.fill(list(plan.all_wires(homes)), start, end, show)
            self.console.print(f"history: {written:,} readings written", highlight=False)
        self._keep({"known_until": datetime.now(UTC).isoformat()})

    def _child(self, name: str, *arguments: object, environment: dict[str, str] | None = None) -> None:
        log = self.state / "logs" / f"{name}.log"
        child = Child(name, [str(argument) for argument in arguments], log, environment or {})
        child.start()
        self._children.append(child)

    async def _start(self, broker: Broker, port: int, stop: asyncio.Event) -> None:
        environment = self._environment(broker, port)
        self._child("station", "station", "run", environment=environment)
        self._child("ingest", "station", "ingest", environment=environment)
        self._child("live", "station", "live", environment=environment)
        self._start_simulation()
        for name in ("street", "house", "laboratory"):
            self._child(f"gateway-{name}", "gateway", "run", self.state / "gateways" / f"{name}.toml")
        await self._await_page(port, stop)

    def _start_simulation(self) -> None:
        ports, files = self.state / "ports", self.state / "sim"
        for old in ports.iterdir():
            old.unlink()  # what it pointed to may be another line's terminal by now
        ends = [ports / f"rs485-{building}" for building in COLLECTORS]
        self._child("line-rs485", "sim", "line", "--baud", 9600, "--format", "8N1", "--pty", ports / "rs485", *ends)
        for building, address in COLLECTORS.items():
            file, above, below = (
                files / f"building{building}.json",
                ports / f"bus{building}-a",
                ports / f"bus{building}-b",
            )
            self._child(f"line-{building}", "sim", "line", "--baud", 2400, "--pty", above, below)
            self._child(f"meters-{building}", "sim", "meter", file, "--port", below)
            state = files / f"collector{address}"
            self._child(
                f"collector-{building}", "sim", "collector", file, "--addr", address,
                "--line", ports / f"rs485-{building}", "--bus", above, "--state", state,
            )  # fmt: skip
        self._child("radio", "sim", "push", files / "radio.json", "--port", ports / "radio")
        self._child("house", "sim", "push", files / "house.json", "--port", ports / "house")
        self._child("laboratory", "sim", "bench", files / "laboratory.json")
        self._child("ehz", "sim", "replay", plan.TAPE, "--port", ports / "ehz")

    async def _await_page(self, port: int, stop: asyncio.Event) -> None:
        for _ in range(600):
            if stop.is_set() or await asyncio.to_thread(_answers, port):
                return
            await asyncio.sleep(0.1)
        station = next(child for child in self._children if child.name == "station")
        raise MetergateError(f"the station did not come up; {station.log} ends:\n{last_lines(station)}")

    def _tell(self, broker: Broker, port: int) -> None:
        host, secret = f"127.0.0.1:{broker.ports[0]}", broker.password_file("house")
        for line in (
            f"\n[bold]metergate demo[/] runs in {self.state}\n",
            f"  page      [bold]http://127.0.0.1:{port}/[/]",
            f"  operator  [bold]{OPERATOR}[/], password [bold]{self._shown}[/]",
            f"  laboratory building {laboratory.BUILDING}: {', '.join(stand.short for stand in STANDS)}",
            f"  MQTT      mqtt://house@{host}, password in {secret}",
            f"            metergate mqtt sub --url mqtt://house@{host} --password-file {secret} -t 'glow/#'",
            "\n  Ctrl-C ends it; the next start goes on with the same history.\n",
        ):
            self.console.print(line, highlight=False, soft_wrap=True)


def _free(wanted: int) -> int:
    """`wanted` if nobody has it, else 0 or any free port."""
    for port in dict.fromkeys((wanted, 0)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise MetergateError("no free TCP port on this machine")


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
