"""Links on a file descriptor that the event loop watches: serial ports and pseudo terminals."""

from __future__ import annotations

import asyncio
import os

from metergate.errors import LinkError
from metergate.links.buffered import BufferedLink

CHUNK = 64 * 1024
DRIBBLE = 256
"""A shorter chunk than this is a line that hands over its bytes singly."""
LONGEST = 5
"""While bytes keep coming singly the pause doubles, up to so many times the first one."""


class DescriptorLink(BufferedLink):
    """Reads and writes a non-blocking descriptor.

    Where one short chunk follows another `gather` seconds pass before the next is fetched, and longer the longer that
    goes on, so that a slow line costs a few wake-ups a telegram and not one a byte. Writing begins anew. 0: no pauses.
    """

    def __init__(self, name: str, fd: int, byte_time: float = 0.0, gather: float = 0.0) -> None:
        super().__init__(name, byte_time)
        self._fd = fd
        self._gather = self._pause_now = gather
        self._last = 0.0
        self._loop = asyncio.get_running_loop()
        self._resting: asyncio.TimerHandle | None = None
        self._room: asyncio.Future[None] | None = None
        self._loop.add_reader(fd, self._readable)

    def _readable(self) -> None:
        if not self._fetch():
            return
        now = self._loop.time()
        if now - self._last < 2 * self._pause_now:
            self._loop.remove_reader(self._fd)
            self._rest(now)
        else:
            self._pause_now, self._last = self._gather, now

    def _fetch(self) -> bool:
        """Take what is there; whether the line hands over its bytes singly and may be left alone for a while."""
        try:
            data = os.read(self._fd, CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._broke(error.strerror or str(error))
            return False
        if not data:
            self._broke("the device is gone")
            return False
        self._arrived(data)
        return bool(self._gather) and len(data) < DRIBBLE and not self._paused

    def _rest(self, now: float) -> None:
        self._last = now
        self._resting = self._loop.call_at(now + self._pause_now, self._rested)
        self._pause_now = min(2 * self._pause_now, LONGEST * self._gather)

    def _rested(self) -> None:
        self._resting = None
        if self._over or self._paused:
            return
        if self._fetch():
            self._rest(self._loop.time())
        elif not self._over and not self._paused:
            self._loop.add_reader(self._fd, self._readable)

    def _watch(self) -> None:
        """An answer is near: no pause."""
        self._last = 0.0
        if self._resting is not None:
            self._resting.cancel()
            self._rested()

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
        self._watch()
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
