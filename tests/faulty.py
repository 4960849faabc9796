"""Lines that go wrong, between a meter's end (a wire `Responder`) and a link."""

import asyncio
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from metergate.links.base import Link
from metergate.wire.base import Responder

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Fault = Callable[[int, bytes], Iterable[bytes]]
"""Makes of the n-th answer the pieces that really arrive."""


async def serve(link: Link, meters: Iterable[Responder], fault: Fault | None = None) -> None:
    """Answer on a line until it is closed; every meter hears every question."""
    number = 0
    while data := await link.read():
        for meter in meters:
            for answer in meter.receive(data, NOW):
                for piece in fault(number, answer) if fault else (answer,):
                    await link.write(piece)
                number += 1


def dice(seed: int) -> random.Random:
    return random.Random(seed)


def noise(number: int, answer: bytes) -> Iterable[bytes]:
    """Garbage around the answer, and the answer in pieces."""
    rest = dice(number)
    yield rest.randbytes(7)
    for at in range(0, len(answer), 3):
        yield answer[at : at + 3]
    yield rest.randbytes(3)


def cut(number: int, answer: bytes) -> Iterable[bytes]:
    """Every other answer ends in the middle."""
    yield answer if number % 2 else answer[: len(answer) // 2]


def silence(number: int, answer: bytes) -> Iterable[bytes]:
    """Every other answer never comes."""
    if number % 2:
        yield answer


def doubled(number: int, answer: bytes) -> Iterable[bytes]:
    """Every answer comes twice."""
    yield answer
    yield answer


def flipped(number: int, answer: bytes) -> Iterable[bytes]:
    """Every other answer has a wrong bit."""
    if number % 2:
        yield answer
        return
    bad = bytearray(answer)
    bad[dice(number).randrange(len(bad))] ^= 1 << dice(number + 1).randrange(8)
    yield bytes(bad)


def foreign(number: int, answer: bytes) -> Iterable[bytes]:
    """Somebody else speaks other languages on the same line."""
    yield bytes.fromhex("1b1b1b1b01010101760512345678")
    yield bytes.fromhex("7e0100120502000012cf")
    yield answer


FAULTS = {"noise": noise, "cut": cut, "silence": silence, "doubled": doubled, "flipped": flipped, "foreign": foreign}


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
