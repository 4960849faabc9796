"""Several simulated meters on one port of a line, as they hang on one bus."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from metergate.errors import LinkError
from metergate.links import Link
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
                    await self.port.write(answer)
