"""A half-duplex bus between simulated ports: real bit time, collisions, noise, cuts.

What one port sends reaches every other port when its last bit has passed; who talks while another does garbles both.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from metergate.links import Link

CHUNK = 32
"""Bytes that pass together: a compromise between real pacing and the number of wake-ups."""


@dataclass
class Faults:
    """What is wrong with the line now; may be changed while it runs.

    `ber`: chance of a wrong bit; `cut`: ports whose wire is cut; `shorted`: nothing passes; `swapped`: ports with A and
    B exchanged (all bits inverted); `echo`: a sender hears itself, as cheap adapters do; `drop`: chance that a whole
    transmission is lost.
    """

    ber: float = 0.0
    drop: float = 0.0
    cut: set[int] = field(default_factory=set)
    swapped: set[int] = field(default_factory=set)
    shorted: bool = False
    echo: bool = False


class Line:
    """The bus itself. `bits_per_byte` 11 for 8E1, 10 for 8N1; `speed` > 1 makes time run faster.

    `follow`: each port goes at the speed to which whoever holds its far end has tuned it (`baud` until he did), and who
    listens at another speed than the sender's hears garbage.
    """

    def __init__(
        self,
        ports: Sequence[Link],
        baud: int = 2400,
        bits_per_byte: int = 11,
        speed: float = 1.0,
        seed: int = 0,
        follow: bool = False,
    ) -> None:
        self.ports = list(ports)
        self.baud, self.follow = baud, follow
        self.byte_time = bits_per_byte / baud / speed
        self.faults = Faults()
        self.collisions = 0
        self._random = random.Random(seed)  # noqa: S311 - noise, not secrets
        self._talking: set[int] = set()
        self._garbled: set[int] = set()

    async def run(self) -> None:
        """Carry bytes until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number, port in enumerate(self.ports):
                group.create_task(self._carry(number, port))

    def _speed(self, port: Link) -> int:
        """Bits in a second as the far end of the port sends and hears them."""
        return (self.follow and getattr(port, "baud", None)) or self.baud

    async def _carry(self, number: int, port: Link) -> None:
        while data := await port.read():
            lost = self._random.random() < self.faults.drop
            speed = self._speed(port)
            self._begin(number)
            try:
                for at in range(0, len(data), CHUNK):
                    part = data[at : at + CHUNK]
                    await asyncio.sleep(len(part) * self.byte_time * self.baud / speed)
                    if not lost:
                        await self._deliver(number, part, speed)
            finally:
                self._talking.discard(number)
                self._garbled.discard(number)

    def _begin(self, number: int) -> None:
        if self._talking:
            self.collisions += 1
            self._garbled |= self._talking | {number}
        self._talking.add(number)

    async def _deliver(self, sender: int, part: bytes, speed: int) -> None:
        if self.faults.shorted or sender in self.faults.cut:
            return
        heard = self._distort(sender, part)
        for number, port in enumerate(self.ports):
            if number in self.faults.cut or (number == sender and not self.faults.echo):
                continue
            inverted = (number in self.faults.swapped) != (sender in self.faults.swapped)
            known = heard if self._speed(port) == speed else self._garbage(heard)
            with contextlib.suppress(OSError):
                await port.write(bytes(octet ^ 0xFF for octet in known) if inverted else known)

    def _garbage(self, part: bytes) -> bytes:
        return bytes(octet ^ self._random.randrange(256) for octet in part)

    def _distort(self, sender: int, part: bytes) -> bytes:
        if sender in self._garbled:
            return self._garbage(part)
        if not self.faults.ber:
            return part
        wrong = bytearray(part)
        for at in range(len(wrong)):
            for bit in range(8):
                if self._random.random() < self.faults.ber:
                    wrong[at] ^= 1 << bit
        return bytes(wrong)
