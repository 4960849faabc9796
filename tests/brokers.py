"""Real brokers for the tests: Mosquitto as a child on loopback, and the embedded one."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from metergate.links.broker import free_port


@dataclass
class Mosquitto:
    """A running Mosquitto."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """kill -9 and wait for the end."""
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Start (again) on the same port with the same configuration, and wait until it serves."""
        self.process = subprocess.Popen(
            [program("mosquitto"), "-c", str(self.folder / "mosquitto.conf")], stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if b" running" in line:
                return
        raise AssertionError("mosquitto did not start")


def program(name: str) -> str:
    """The path of a Debian program; without it the test is skipped, but fails in CI."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def mosquitto(folder: Path, *lines: str) -> Iterator[Mosquitto]:
    """Mosquitto on a free loopback port; `lines` are added to its configuration."""
    program("mosquitto")
    port = free_port("127.0.0.1")
    folder.mkdir(exist_ok=True)
    extra = lines or ("allow_anonymous true",)
    user = f"user {os.environ.get('USER') or 'root'}"
    text = "\n".join([user, "log_dest stderr", f"listener {port} 127.0.0.1", *extra, ""])
    (folder / "mosquitto.conf").write_text(text)
    broker = Mosquitto(port, folder, None)  # type: ignore[arg-type]
    broker.start()
    try:
        yield broker
    finally:
        broker.process.terminate()
        broker.process.wait()
        if broker.process.stderr:
            broker.process.stderr.close()


class Listener:
    """`mosquitto_sub`, subscribed to `topic_filter` once the block is entered; `lines()` waits for `count` messages.

    A line is `<retained 0 or 1> <topic> <payload>`.
    """

    def __init__(self, port: int, topic_filter: str, count: int, *more: str) -> None:
        where = ("-h", "127.0.0.1", "-p", str(port), "-t", topic_filter, "-C", str(count), "-W", "30", *more)
        self._command = (program("stdbuf"), "-oL", program("mosquitto_sub"), "-d", "-F", "M %r %t %p", *where)

    async def __aenter__(self) -> Listener:
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=subprocess.PIPE)
        while not (await self._line()).startswith("Subscribed"):
            pass
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _line(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "mosquitto_sub ended early"
        return line.decode()

    async def lines(self) -> list[str]:
        """The messages, once there are enough."""
        assert self._process.stdout is not None
        text = (await self._process.stdout.read()).decode()
        return [line[2:] for line in text.splitlines() if line.startswith("M ")]
