"""Many SML meters on pseudo terminals, in a process of their own: each sends one telegram a second.

The import register of a telegram is the wall clock in 1/10 ms at which it was due to be written, so that whoever gets
the value can tell its age. Prints the ports, one a line, then runs until it is ended.
"""

from __future__ import annotations

import os
import sys
import time
import tty
from contextlib import suppress

from metergate.model import Obis
from metergate.wire.sml import encode_telegram
from metergate.wire.sml.codec import Message
from metergate.wire.sml.messages import Body, CloseResponse, GetListResponse, ListEntry, OpenResponse
from metergate.wire.sml.tlv import Integer

CODES = (
    ("1-0:1.8.0", 30, -1, 8),
    ("1-0:2.8.0", 30, -1, 8),
    ("1-0:16.7.0", 27, 0, 4),
    ("1-0:32.7.0", 35, -1, 2),
    ("1-0:52.7.0", 35, -1, 2),
)


def telegram(number: int, counter: int) -> bytes:
    """Five values."""
    raws = (counter, 0, 400 + number, 2300 + counter % 50, 2310)
    entries = tuple(
        ListEntry(Obis.parse(code).octets, None, None, unit, scaler, Integer(raw, size, code == "1-0:16.7.0"))
        for (code, unit, scaler, size), raw in zip(CODES, raws, strict=True)
    )
    who, file = bytes.fromhex("0a0145425a00") + number.to_bytes(4, "big"), (counter & 0xFFFFFFFF).to_bytes(4, "big")
    bodies: tuple[Body, ...] = (
        OpenResponse(file=file, server=who),
        GetListResponse(None, who, bytes.fromhex("0100620affff"), None, entries),
        CloseResponse(),
    )
    return encode_telegram(Message(body, file + bytes((at,)), at if at < 2 else 0) for at, body in enumerate(bodies))


def main(count: int) -> None:
    """Serve until killed."""
    lines = []
    for _ in range(count):
        ours, theirs = os.openpty()
        tty.setraw(ours)
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        lines.append((ours, theirs))
        print(os.ttyname(theirs), flush=True)
    print(flush=True)
    due = time.time_ns() // 100_000
    while True:
        for ours, number in [(line[0], number) for number, line in enumerate(lines)]:
            due += 10_000 // count
            made = telegram(number, due)
            time.sleep(max(0.0, due / 10_000 - time.time()))
            with suppress(BlockingIOError):  # nobody reads this line yet
                os.write(ours, made)


if __name__ == "__main__":
    main(int(sys.argv[1]))
