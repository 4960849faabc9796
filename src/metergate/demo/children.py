"""The demo's processes: started in order, started again when they die, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metergate.links.program import tied

STOP = 8.0
"""Seconds a child has to end by itself."""
PAUSES = (0.5, 15.0)


@dataclass
class Child:
    """A `metergate` command that runs until it is stopped or we are killed; what it prints goes to `log`."""

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0
    _process: asyncio.subprocess.Process | None = None
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it, and again whenever it ends."""
        self._task = asyncio.create_task(self._keep(), name=self.name)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        pause = PAUSES[0]
        while True:
            began = clock()
            await self._launch()
            assert self._process is not None
            await self._process.wait()
            pause = PAUSES[0] if clock() - began > 30 else min(PAUSES[1], pause * 2)
            self.restarts += 1
            await asyncio.sleep(pause)

    async def _launch(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tied(),
                sys.executable,
                "-m",
                "metergate.cli",
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    async def stop(self) -> None:
        """End it: politely, then not."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        for order in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(order)
            try:
                await asyncio.wait_for(process.wait(), STOP)
            except TimeoutError:
                continue
            return


def last_lines(child: Child, count: int = 5) -> str:
    """The end of what it printed, for an error message."""
    try:
        return "\n".join(child.log.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
