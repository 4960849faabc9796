"""SML telegrams of invented meters, and meters on pseudo terminals."""

from __future__ import annotations

import os
import tty

from metergate.model import Obis
from metergate.wire.sml import encode_telegram, identity
from metergate.wire.sml.codec import Message
from metergate.wire.sml.messages import Body, CloseResponse, GetListResponse, ListEntry, OpenResponse
from metergate.wire.sml.tlv import Integer

WH, W, VOLT = 30, 27, 35
CODES = (
    (Obis.parse("1-0:1.8.0"), WH, -1, 8),
    (Obis.parse("1-0:2.8.0"), WH, -1, 8),
    (Obis.parse("1-0:16.7.0"), W, 0, 4),
    (Obis.parse("1-0:32.7.0"), VOLT, -1, 2),
    (Obis.parse("1-0:52.7.0"), VOLT, -1, 2),
)
"""Five registers: code, unit, scaler, octets."""


def server(number: int) -> bytes:
    """The server id of meter `number`."""
    return bytes.fromhex("0a0145425a00") + number.to_bytes(4, "big")


def meter_id(number: int) -> str:
    """What the gateway calls meter `number`."""
    return identity(server(number)).id


def telegram(number: int, counter: int) -> bytes:
    """A telegram of meter `number`: import is `counter` tenths of a Wh, the rest follows from it."""
    raws = (counter, 0, counter % 5000, 2300 + counter % 100, 2310)
    entries = tuple(
        ListEntry(obis.octets, None, None, unit, scaler, Integer(raw, size, obis == CODES[2][0]))
        for (obis, unit, scaler, size), raw in zip(CODES, raws, strict=True)
    )
    name, file = bytes.fromhex("0100620affff"), counter.to_bytes(4, "big")
    bodies: tuple[Body, ...] = (
        OpenResponse(file=file, server=server(number)),
        GetListResponse(None, server(number), name, None, entries),
        CloseResponse(),
    )
    return encode_telegram(Message(body, file + bytes((at,)), at if at < 2 else 0) for at, body in enumerate(bodies))


class PtyMeter:
    """A meter's optical head on a pseudo terminal: `path` is the serial port."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.id = meter_id(number)
        self.counter = 0
        self._ours, self._theirs = os.openpty()
        os.set_blocking(self._ours, False)
        tty.setraw(self._ours)
        tty.setraw(self._theirs)
        self.path = os.ttyname(self._theirs)

    def say(self, data: bytes) -> None:
        """Put bytes on the line. BlockingIOError if nobody has read for so long that it is full."""
        assert os.write(self._ours, data) == len(data), "the line is full"

    def push(self) -> int:
        """The next telegram; its counter."""
        self.counter += 1
        self.say(telegram(self.number, self.counter))
        return self.counter

    def close(self) -> None:
        """Pull the cable."""
        for fd in (self._ours, self._theirs):
            os.close(fd)
