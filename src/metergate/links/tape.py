"""Lines on tape: what went over a line, with direction and time, as JSON lines; and that tape as a line again.

A line of the tape: `{"t": 1.25, "dir": "rx", "hex": "1b1b…"}`, `t` in seconds since the recording began, `dir` seen
from us: `rx` was read, `tx` was written.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from metergate.errors import ConfigError, LinkError
from metergate.links.address import Address
from metergate.links.base import Adjustable, Link

SETTINGS = ("speed", "loop")
Sleep = Callable[[float], Awaitable[None]]


class RecordingLink:
    """A link that writes down what passes; otherwise it is the link that it was given."""

    def __init__(self, link: Link, path: Path, clock: Callable[[], float] | None = None) -> None:
        self.name = link.name
        self._link = link
        self._clock = clock or asyncio.get_running_loop().time
        self._start = self._clock()
        try:
            self._file = path.open("w", encoding="ascii", buffering=1)
        except OSError as error:
            raise ConfigError(f"{path}: cannot record there: {error.strerror}") from error

    @property
    def byte_time(self) -> float:
        """As the link's own."""
        return self._link.byte_time

    def _note(self, direction: str, data: bytes) -> None:
        moment = round(self._clock() - self._start, 6)
        self._file.write(json.dumps({"t": moment, "dir": direction, "hex": data.hex()}) + "\n")

    async def read(self) -> bytes:
        """As the link's own, written down."""
        data = await self._link.read()
        if data:
            self._note("rx", data)
        return data

    async def write(self, data: bytes) -> None:
        """As the link's own, written down once it is sent."""
        await self._link.write(data)
        self._note("tx", data)

    async def retune(self, baud: int, format: str | None = None) -> None:
        """As the link's own; nothing where it has no speed."""
        if isinstance(self._link, Adjustable):
            await self._link.retune(baud, format)

    async def close(self) -> None:
        """Close the link and the tape."""
        await self._link.close()
        self._file.close()


def records(path: Path, repeat: bool = False) -> Iterator[tuple[float, bytes]]:
    """What was read, as (seconds since the one before, bytes), line by line; endless with `repeat`.

    LinkError if the file cannot be read or a line is not of a tape.
    """
    some = True
    while some:
        some = False
        before = 0.0
        for moment, data in _heard(path):
            some = repeat
            yield max(moment - before, 0.0), data
            before = moment


def _heard(path: Path) -> Iterator[tuple[float, bytes]]:
    number = 0
    try:
        with path.open(encoding="ascii") as lines:
            for line in lines:
                number += 1
                row = json.loads(line)
                if row["dir"] == "rx":
                    yield float(row["t"]), bytes.fromhex(row["hex"])
    except OSError as error:
        raise LinkError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise LinkError(f"{path}:{number}: no line of a tape ({error!r})") from error


class TapeLink:
    """Plays what a tape heard, at `speed` times its own (0: without pauses). What is written to it goes nowhere."""

    byte_time = 0.0

    def __init__(
        self, name: str, path: Path, speed: float = 1.0, repeat: bool = False, sleep: Sleep = asyncio.sleep
    ) -> None:
        self.name = name
        self._records = records(path, repeat)
        self._speed = speed
        self._sleep = sleep
        self._closed = asyncio.Event()

    async def read(self) -> bytes:
        """The next chunk when its time has come; b"" at the end of the tape."""
        pause, data = next(self._records, (0.0, b"")) if not self._closed.is_set() else (0.0, b"")
        if data:
            await self._pause(pause / self._speed if self._speed else 0.0)
        return data if not self._closed.is_set() else b""

    async def _pause(self, seconds: float) -> None:
        waits = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._closed.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def write(self, data: bytes) -> None:
        """Nothing: a tape does not listen."""

    async def close(self) -> None:
        """Stop playing."""
        self._closed.set()


async def open_tape(address: Address) -> TapeLink:
    """`tape:///file?speed=10&loop=1`: ten times as fast, over and over."""
    address.needs(path=True, example="tape:///file?speed=10&loop=1")
    return TapeLink(address.name, Path(address.path), address.number("speed", 1.0), address.flag("loop"))
