"""The half that all links share: what arrived is kept until its owner reads it, and the end is told once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from metergate.errors import LinkError
from metergate.links.base import Link

Take = Callable[[bytes], None]

LIMIT = 256 * 1024
"""Bytes kept unread before a link stops listening (or, where nobody can be held up, drops the oldest)."""


class BufferedLink:
    """A `Link` whose `_arrived` and `_ended` are called by the event loop and whose `read` gives what they left.

    Those that can hold up the other side do so in `_pause` and `_resume`. `byte_time`: seconds per byte on the wire.
    """

    whole_datagrams = False

    def __init__(self, name: str, byte_time: float = 0.0) -> None:
        self.name = name
        self.lost = 0
        self._byte_time = byte_time
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._taker: Take | None = None
        self._over = False
        self._error: str | None = None

    @property
    def byte_time(self) -> float:
        """Seconds one byte takes on the wire; 0 where that does not matter."""
        return self._byte_time

    async def read(self) -> bytes:
        """What arrived, at least one byte; b"" once the line is closed. LinkError if it broke or another one reads."""
        if not self._chunks and not self._over:
            await self._wait()
        if self._chunks:
            return self._take()
        if self._error:
            raise LinkError(self._error)
        return b""

    async def forward(self, take: Take) -> None:
        """Hand everything to `take` at the moment it arrives, until the line is closed: reading without its wake-ups.

        LinkError if the line broke or another one reads; what `take` raises ends it too.
        """
        self._check_alone()
        while self._chunks:
            take(self._take())
        if not self._over:
            self._taker = take
            try:
                await self._wait()
            finally:
                self._taker = None
        if self._error:
            raise LinkError(self._error)

    async def _wait(self) -> None:
        self._check_alone()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _check_alone(self) -> None:
        if self._waiter is not None:
            raise LinkError(f"{self.name}: two readers at once; a line has one owner")

    def _take(self) -> bytes:
        if self.whole_datagrams or len(self._chunks) == 1:
            data = self._chunks.popleft()
        else:
            data = b"".join(self._chunks)
            self._chunks.clear()
        self._size -= len(data)
        if self._paused and self._size < LIMIT:
            self._paused = False
            self._resume()
        return data

    def _arrived(self, data: bytes) -> None:
        if self._taker is not None:
            self._hand(data, self._taker)
            return
        self._chunks.append(data)
        self._size += len(data)
        if self._size >= LIMIT and not self._paused:
            self._paused = True
            self._pause()
        self._wake()

    def _hand(self, data: bytes, take: Take) -> None:
        try:
            take(data)
        except Exception as error:
            self._taker = None
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(error)

    def _ended(self, error: str | None = None) -> None:
        if not self._over:
            self._over = True
            self._error = error
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_open(self) -> None:
        if self._over:
            raise LinkError(self._error or f"{self.name}: the line is closed")

    def _pause(self) -> None:
        """Nobody reads: stop listening."""

    def _resume(self) -> None:
        """There is room again."""


async def forward(link: Link, take: Take) -> None:
    """Hand everything that arrives on any link to `take`; see `BufferedLink.forward`."""
    if isinstance(link, BufferedLink):
        await link.forward(take)
        return
    while data := await link.read():
        take(data)
