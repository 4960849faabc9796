"""HDLC: noise that the framer gets through, and frames of a session per second."""

from __future__ import annotations

import random
from functools import partial

from bench.rows import Row, rate, row
from metergate.wire.base import Problem
from metergate.wire.hdlc import Address, Frame, Framer

CHUNK = 4096
NOISE = 20.0
"""Least megabytes a minute."""


def feed(framer: Framer, chunks: list[bytes]) -> int:
    """Chunk after chunk; the bytes taken in."""
    for chunk in chunks:
        for _ in framer.feed(chunk):
            pass
    return sum(map(len, chunks))


def noise(size: int = 1 << 20) -> list[bytes]:
    """Random octets, a flag and half a header in every chunk."""
    dice = random.Random(1)
    return [dice.randbytes(CHUNK - 4) + bytes.fromhex("7ea7fe03") for _ in range(size // CHUNK)]


def session() -> list[bytes]:
    """Questions and answers in turn, one flag between two frames."""
    client, meter = Address(16), Address(1, 17)
    made = []
    for number in range(200):
        to, of, size = (client, meter, 128) if number % 2 else (meter, client, 20)
        made.append(Frame(to, of, 0x10 | number % 8 << 1, bytes(size)).octets)
    return [made[0], *(octets[1:] for octets in made[1:])]


def frames(framer: Framer, chunks: list[bytes]) -> int:
    """How many frames were found and taken apart."""
    found = [catch for chunk in chunks for catch in framer.feed(chunk)]
    return len([Frame.of(catch[1]) for catch in found if not isinstance(catch, Problem)])


def run() -> list[Row]:
    """The rows of this benchmark."""
    talk = session()
    assert frames(Framer(), talk) == len(talk)
    megabytes = rate(partial(feed, Framer(), noise())) / 1e6 * 60
    return [
        row("HDLC framer, noise", megabytes, "MB/min", least=NOISE),
        row("HDLC frames, found and taken apart", rate(lambda: frames(Framer(), talk)), "1/s"),
    ]


if __name__ == "__main__":
    for line in run():
        print(line)
