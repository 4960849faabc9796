"""In-memory lines: what one end writes, the other reads. For tests and for simulators in the same process."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from metergate.errors import LinkError
from metergate.links.address import Address
from metergate.links.buffered import BufferedLink

_unmet: WeakValueDictionary[str, LoopLink] = WeakValueDictionary()


class LoopLink(BufferedLink):
    """One end of an in-memory line."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.baud: int | None = None
        """The speed at which the other end works, where it told one."""
        self._other: LoopLink | None = None
        self._room = asyncio.Event()
        self._room.set()

    def _pause(self) -> None:
        self._room.clear()

    def _resume(self) -> None:
        self._room.set()

    async def write(self, data: bytes) -> None:
        """Give `data` to the other end and wait while it is full. LinkError if either end is closed."""
        self._check_open()
        other = self._other
        if other is None or other._over:
            raise LinkError(f"{self.name}: the other end is closed")
        if data:
            other._arrived(bytes(data))
        await other._room.wait()

    async def retune(self, baud: int, format: str | None = None) -> None:
        """Bytes pass at once at any speed; the other end is told of it, so that a simulated line can go by it."""
        if self._other is not None:
            self._other.baud = baud

    async def close(self) -> None:
        """Close this end; the other then reads to the end."""
        self._ended()
        self._room.set()
        if self._other is not None:
            self._other._ended()


def pair(name: str = "loop://") -> tuple[LoopLink, LoopLink]:
    """Both ends of a new line."""
    one, other = LoopLink(name), LoopLink(name)
    one._other, other._other = other, one
    return one, other


async def open_loop(address: Address) -> LoopLink:
    """`loop://name`: the first who opens it gets one end, the second the other."""
    address.needs(host=True, example="loop://name")
    waiting = _unmet.pop(address.host, None)
    if waiting is not None and not waiting._over:
        return waiting
    one, other = pair(address.name)
    _unmet[address.host] = other
    return one
