"""Meters each on a line of its own, all in one process: what stands on the bench of a laboratory."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from metergate.errors import LinkError
from metergate.links import Link, open_link
from metergate.links.address import Address
from metergate.links.pty import PtyLink
from metergate.sim.bank import Bank as Answering
from metergate.sim.meters import Pusher, responder
from metergate.sim.serve import serve
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.hunt import Hunter
from metergate.wire.wmbus.link import Format, strip
from metergate.wire.wmbus.sticks import im871a

log = logging.getLogger(__name__)
Tell = Callable[[MeterSpec], None]
AGAIN = 5.0
"""Seconds until a line that could not be had is tried again."""
REACTION = (0.3, 0.5)
"""Seconds that the meter behind an optical head takes to answer."""
BITS = 10
"""Of an octet on an optical head: seven with parity, start and stop."""
NOISE = 0xA5


async def run(bank: Bank, tell: Tell = lambda spec: None) -> None:
    """Serve all meters of the file until cancelled. A line that cannot be had is logged, and tried again.

    `tell` is given each meter when its line is there.
    """
    async with asyncio.TaskGroup() as group:
        for spec in bank.meters:
            group.create_task(_stand(spec, bank, tell))


async def _stand(spec: MeterSpec, bank: Bank, tell: Tell) -> None:
    while True:
        try:
            await _serve(spec, bank, tell)
        except LinkError as error:
            log.warning("meter %s: %s", spec.id, error)
        await asyncio.sleep(AGAIN)


async def _serve(spec: MeterSpec, bank: Bank, tell: Tell) -> None:
    port = _made(spec.port)
    address = Address.parse(port)
    if address.scheme == "stick":
        link = await open_link(_made(address.path))
        async with _closing(link):
            tell(spec)
            await stick(link, spec, bank)
    elif (spec.protocol, address.scheme) == ("iec62056-21", "pty"):
        head = OpticalHead(port, Path(address.path))
        async with _closing(head):
            tell(spec)
            await Answering(head, [responder(spec, bank)], bank.time, delay=REACTION).run()
    else:
        await serve(spec, bank, port, lambda where: tell(spec))


@asynccontextmanager
async def _closing(link: Link) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await link.close()


def _made(port: str) -> str:
    """A plain path becomes a PTY with that name."""
    return port if "://" in port else f"pty://{Path(port).absolute()}"


class OpticalHead(PtyLink):
    """A pseudo terminal on which octets take their time, and are noise to whoever listens at another speed."""

    def __init__(self, name: str, link: Path, speed: int = 300) -> None:
        super().__init__(name, link)
        self._speed = speed

    @property
    def same(self) -> bool:
        """Does the other side work at our speed?"""
        return self.baud == self._speed

    async def retune(self, baud: int, format: str | None = None) -> None:
        """See `links.Adjustable`."""
        self._speed = baud

    async def read(self) -> bytes:
        """See `links.Link`: what the other side says, once it is through the wire."""
        data = await super().read()
        await asyncio.sleep(len(data) * BITS / self._speed)
        return data

    def _arrived(self, data: bytes) -> None:
        super()._arrived(data if self.same else _noise(data))

    async def write(self, data: bytes) -> None:
        """See `links.Link`."""
        await super().write(data if self.same else _noise(data))


def _noise(data: bytes) -> bytes:
    return bytes(octet ^ NOISE for octet in data)


async def stick(link: Link, spec: MeterSpec, bank: Bank) -> None:
    """A radio receiver (iM871A) that hears one meter: it takes its settings, and tells of every telegram."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_settled(link))
        group.create_task(_heard(link, spec, bank))


async def _settled(link: Link) -> None:
    """Every order to the stick is answered: done."""
    hunter = Hunter(im871a.START, im871a.measure, im871a.verify)
    while data := await link.read():
        for catch in hunter.feed(data):
            if isinstance(catch, tuple):
                await link.write(im871a.message(catch[1][1] & 0x0F, catch[1][2] + 1, b"\0"))


async def _heard(link: Link, spec: MeterSpec, bank: Bank) -> None:
    pusher = Pusher(spec, bank)
    while True:
        for frame in pusher.frames(bank.time.now()):
            if telegram := strip(frame, Format.A):
                await link.write(im871a.indication(telegram))
        await asyncio.sleep(spec.every * random.uniform(0.9, 1.1))  # noqa: S311 - pacing, not secrets
