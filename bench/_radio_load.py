"""Twenty wireless M-Bus water meters on one stick, every other one encrypted (mode 5); fifty telegrams a second.

    python -m bench._radio_load FOLDER

writes the keys of the encrypted ones as FOLDER/<id>.key, prints the port and an empty line, then runs until ended.
"""

from __future__ import annotations

import os
import random
import sys
import time
import tty
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from metergate.wire.mbus.records import record
from metergate.wire.wmbus import Address, Format, Sender

METERS, RATE = 20, 50
HEADERS = (("0C", "13"), ("0C", "3B"), ("02", "59"), ("4C", "13"), ("02", "FD17"))


def main(folder: Path) -> None:
    """Serve until killed."""
    dice = random.Random(7)
    senders = []
    for number in range(METERS):
        name, key = f"{10_000_000 + number:08d}", dice.randbytes(16)
        if number % 2:
            (folder / f"{name}.key").write_text(key.hex())
        mode = 5 if number % 2 else 0
        senders.append(Sender(Address.named(name, "ELS", 1, 7), key if mode else None, mode, Format.A, "short"))
    ours, theirs = os.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    print(os.ttyname(theirs) + "\n", flush=True)
    due, turn = time.monotonic(), 0
    while True:
        values = (Decimal(turn) / 1000, Decimal(1) / 1000, Decimal("21.5"), Decimal(5), Decimal(0))
        records = [
            record(bytes.fromhex(dif), bytes.fromhex(vif), value)
            for (dif, vif), value in zip(HEADERS, values, strict=True)
        ]
        made = senders[turn % METERS].frames(records)[0]
        due, turn = due + 1 / RATE, turn + 1
        time.sleep(max(0.0, due - time.monotonic()))
        with suppress(BlockingIOError):  # nobody reads yet
            os.write(ours, made)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
