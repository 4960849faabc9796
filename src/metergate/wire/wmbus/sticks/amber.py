"""Amber AMB8465 (and AMB8665) in command mode (manual of the AMB8465).

`FF`, command, length, payload, exclusive or of all before. Whether an RSSI octet ends a telegram is a setting of the
stick (u): `rssi`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import xor

from metergate.errors import BadChecksum, BadValue, DecodeError
from metergate.wire.base import Problem
from metergate.wire.hunt import Hunter
from metergate.wire.wmbus.sticks.base import Heard, chipcon

START = 0xFF
SEND, RECEIVED, SET_MODE = 0x00, 0x03, 0x04
ANSWER = 0x80
"""Added to the code of a command by its answer."""
COMMANDS = {0x00, 0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x10, 0x11}
MODES = {"S1": 0x03, "S2": 0x03, "T1": 0x08, "T2": 0x08, "C1": 0x0E, "C2": 0x0E, "C1+T1": 0x09}
"""Mode codes of a collector (u)."""
_HEAD = 3


def command(code: int, payload: bytes) -> bytes:
    """One command or answer."""
    body = bytes((START, code, len(payload))) + payload
    return body + bytes((reduce(xor, body),))


def measure(data: bytes | bytearray, at: int) -> int:
    """See `wire.hunt.Measure`."""
    head = data[at : at + _HEAD]
    if len(head) > 1 and head[1] & ~ANSWER not in COMMANDS:
        return -1
    return _HEAD + head[2] + 1 if len(head) == _HEAD else 0


def verify(frame: bytes, offset: int) -> DecodeError | None:
    """See `wire.hunt.Verify`."""
    return BadChecksum("the check octet of the stick's frame is wrong", offset) if reduce(xor, frame) else None


class Amber:
    """See `base.Stick`. BadValue for a mode that the stick has not."""

    def __init__(self, mode: str = "T1", rssi: bool = True) -> None:
        if mode not in MODES:
            raise BadValue(f"an AMB8465 has no mode {mode!r}: there are {', '.join(MODES)}")
        self._mode, self._rssi = mode, rssi
        self._hunter = Hunter(START, measure, verify)

    @property
    def noise(self) -> int:
        """Bytes of no frame."""
        return self._hunter.noise

    @property
    def greeting(self) -> bytes:
        """The mode, until the stick is reset."""
        return command(SET_MODE, bytes((MODES[self._mode],)))

    def feed(self, data: bytes) -> Iterator[Heard | Problem]:
        """See `base.Stick`; answers to commands are passed over."""
        for catch in self._hunter.feed(data):
            yield from self._heard(catch)

    def silence(self) -> Iterator[Heard | Problem]:
        """See `base.Stick`."""
        for catch in self._hunter.silence():
            yield from self._heard(catch)

    def _heard(self, catch: tuple[int, bytes] | Problem) -> Iterator[Heard | Problem]:
        if isinstance(catch, Problem):
            yield catch
            return
        offset, frame = catch
        body = frame[_HEAD:-1]
        if frame[1] != RECEIVED or len(body) <= self._rssi:
            return
        telegram = body[:-1] if self._rssi else body
        rssi = chipcon(body[-1]) if self._rssi else None
        yield Heard(bytes((len(telegram),)) + telegram, offset, len(frame), rssi=rssi)

    def send(self, telegram: bytes) -> bytes:
        """See `base.Stick`: the stick puts in L and CRCs."""
        return command(SEND, telegram[1:])


def indication(telegram: bytes, raw: int | None = 0x80) -> bytes:
    """What the stick says when it has heard a telegram: for whoever plays the stick. `raw` None: without RSSI."""
    return command(RECEIVED, telegram[1:] + (b"" if raw is None else bytes((raw,))))
