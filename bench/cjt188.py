"""CJ/T 188: replies of water meters to readings per second. No package of PyPI reads them."""

from __future__ import annotations

from bench.rows import Row, every, rate, readings, row
from metergate.wire.base import Telegram
from metergate.wire.cjt188 import Receiver

REPLY = bytes.fromhex("6810120000000000008116901f00100010002c100010002c0000000000000000ff6716")
"""From aixiwang/python_cjt188 (BSD)."""
LEAST = 10_000


def run() -> list[Row]:
    """The rows of this benchmark."""
    (found,) = Receiver().receive(REPLY)
    assert isinstance(found, Telegram)
    read = readings(Receiver(), len(found.readings))
    name = f"CJ/T 188 reply, {len(found.readings)} readings"
    return [row(name, rate(every(read, [REPLY] * 100)), "1/s", least=LEAST)]


if __name__ == "__main__":
    for line in run():
        print(line)
