"""Several simulated meters on one port of a line, as they hang on one bus."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from metergate.errors import LinkError
from metergate.links import Adjustable, Link
from metergate.sim.clock import SimClock
from metergate.wire.base import Responder

QUIET = 0.3
"""Seconds of silence after which an unfinished request is dropped."""


class Bank:
    """Answers for all its meters. A meter in `silent` (by its place) does not answer: dead, or its wire is off."""

    def __init__(
        self, port: Link, meters: Sequence[Responder], clock: SimClock, delay: tuple[float, float] = (0.02, 0.06)
    ) -> None:
        self.port = port
        self.meters = list(meters)
        self.clock = clock
        self.silent: set[int] = set()
        self._delay = delay
        self._baud: int | None = None
        self._random = random.Random(len(self.meters))  # noqa: S311 - pacing, not secrets

    async def run(self) -> None:
        """Listen and answer until the port closes or the task is cancelled."""
        while data := await self._heard():
            await self._answer(data)

    async def _heard(self) -> bytes:
        """The next bytes; before waiting long, unfinished requests are given up."""
        try:
            async with asyncio.timeout(QUIET):
                return await self.port.read()
        except TimeoutError:
            for meter in self.meters:
                meter.silence()
            return await self.port.read()
        except LinkError:
            return b""

    async def _answer(self, data: bytes) -> None:
        now = self.clock.now()
        for place, meter in enumerate(self.meters):
            for answer in meter.receive(data, now):
                if place not in self.silent:
                    await asyncio.sleep(self._random.uniform(*self._delay))
                    await self._tune()
                    await self.port.write(answer)
                    await asyncio.sleep(len(answer) * self._octet_time())
        await self._tune()

    def _octet_time(self) -> float:
        """Seconds that an octet of seven bits with parity takes where the meters' speed changes; else nobody waits."""
        return 10 / self._baud / self.clock.speed if self._baud else 0.0

    async def _tune(self) -> None:
        """Follow the meter that changed its speed. Meters that know none leave the port as it is."""
        speeds = {baud for meter in self.meters if (baud := getattr(meter, "baud", None))}
        wanted = next(iter(speeds - {self._baud}), None) if len(speeds) > 1 else next(iter(speeds), None)
        if wanted and wanted != self._baud and isinstance(self.port, Adjustable):
            await self.port.retune(wanted)
            self._baud = wanted
