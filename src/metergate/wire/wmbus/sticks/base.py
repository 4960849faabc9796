"""What formats of radio sticks share: what was heard, and how it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from metergate.wire.base import Problem
from metergate.wire.wmbus.link import Format


@dataclass(frozen=True, slots=True)
class Heard:
    """A telegram as a stick hands it over. `offset`, `length`: where the stick's own frame stood in its stream.

    `octets` begin with the L field, protected as `form` says; `rssi` in dBm; `time` the receiver's own text.
    """

    octets: bytes
    offset: int
    length: int
    form: Format | None = Format.NONE
    rssi: int | None = None
    time: str | None = None


class Stick(Protocol):
    """One stick's format. Sans-io: bytes go in, telegrams come out, whatever the chunking."""

    @property
    def noise(self) -> int:
        """Bytes so far that were nothing of the stick's."""
        ...

    @property
    def greeting(self) -> bytes:
        """What is to be sent when the line opens, so that the stick listens in the wanted mode."""
        ...

    def feed(self, data: bytes) -> Iterator[Heard | Problem]:
        """Take in bytes; yield what they complete. Must be consumed."""
        ...

    def silence(self) -> Iterator[Heard | Problem]:
        """The line went quiet: what is unfinished is given up."""
        ...

    def send(self, telegram: bytes) -> bytes:
        """What makes the stick send a telegram (from its L field on, without CRCs). Unsupported if it cannot."""
        ...


def chipcon(raw: int) -> int:
    """The dBm of a Chipcon radio's RSSI octet (u): halves of dB, signed, 74 below."""
    return (raw - 256 if raw >= 128 else raw) // 2 - 74
