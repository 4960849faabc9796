"""Links on a file descriptor that the event loop watches: serial ports and pseudo terminals."""

from __future__ import annotations

import asyncio
import os

from metergate.errors import LinkError
from metergate.links.buffered import BufferedLink

CHUNK = 64 * 1024
DRIBBLE = 64
"""A shorter chunk than this is a line that hands over its bytes singly."""


class DescriptorLink(BufferedLink):
    """Reads and writes a non-blocking descriptor.

    `gather` seconds pass after a short chunk before the next is fetched, so that a slow line costs a few wake-ups a
    telegram and not one a byte. 0: none.
    """

    def __init__(self, name: str, fd: int, byte_time: float = 0.0, gather: float = 0.0) -> None:
        super().__init__(name, byte_time)
        self._fd = fd
        self._gather = gather
        self._loop = asyncio.get_running_loop()
        self._resting: asyncio.TimerHandle | None = None
        self._room: asyncio.Future[None] | None = None
        self._loop.add_reader(fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._broke(error.strerror or str(error))
            return
        if not data:
            self._broke("the device is gone")
            return
        self._arrived(data)
        if self._gather and len(data) < DRIBBLE and not self._paused:
            self._loop.remove_reader(self._fd)
            self._resting = self._loop.call_later(self._gather, self._rested)

    def _rested(self) -> None:
        self._resting = None
        if not self._over and not self._paused:
            self._loop.add_reader(self._fd, self._readable)

    def _pause(self) -> None:
        self._loop.remove_reader(self._fd)

    def _resume(self) -> None:
        if not self._over and self._resting is None:
            self._loop.add_reader(self._fd, self._readable)

    def _broke(self, why: str) -> None:
        self._unwatch()
        self._ended(f"{self.name}: {why}")

    def _unwatch(self) -> None:
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        if self._resting is not None:
            self._resting.cancel()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def write(self, data: bytes) -> None:
        """Send all of `data`, waiting for room as long as it takes. LinkError if the line broke or was closed."""
        left = memoryview(data)
        while left:
            self._check_open()
            try:
                left = left[os.write(self._fd, left) :]
            except (BlockingIOError, InterruptedError):
                await self._wait_for_room()
            except OSError as error:
                raise LinkError(f"{self.name}: {error.strerror}") from error

    async def _wait_for_room(self) -> None:
        room = self._room = self._loop.create_future()
        self._loop.add_writer(self._fd, self._has_room)
        try:
            await room
        finally:
            self._room = None
            if not self._over:
                self._loop.remove_writer(self._fd)

    def _has_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def close(self) -> None:
        """Let go of the line; what arrived can still be read."""
        if not self._over or self._fd >= 0:
            self._unwatch()
            self._ended()
            fd, self._fd = self._fd, -1
            self._release(fd)

    def _release(self, fd: int) -> None:
        os.close(fd)
