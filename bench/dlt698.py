"""DL/T 698.45: answers to readings per second, learnt and the general way, against the package `dlt698`.

That package takes telegrams apart in C++ and gives raw numbers; ours gives readings with units, codes and exact values.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any

from bench.rows import Row, against, rate, row
from metergate.wire.base import Telegram
from metergate.wire.dlt698 import Address, Apdu, Data, Frame, Receiver, values

METERS = 50
GENERAL, LEARNT = 5_000, 20_000
"""The least rates on one core."""


def stream() -> list[bytes]:
    """Answers of 50 meters: one energy, three voltages, a list of five energies and four powers."""
    u32, u16, i32 = (partial(Data, tag) for tag in (values.UINT32, values.UINT16, values.INT32))
    energy = (0x00100201, (1, u32(12345678)))
    volts = (0x20000200, (1, Data(values.ARRAY, (u16(2301), u16(2302), u16(2303)))))
    both = ((0x00100200, (1, Data(values.ARRAY, (u32(5),) * 5))), (0x20040200, (1, Data(values.ARRAY, (i32(-7),) * 4))))
    apdus = [
        Apdu("get-response-normal", {"piid": 1, "attribute": energy}),
        Apdu("get-response-normal", {"piid": 2, "attribute": volts}),
        Apdu("get-response-list", {"piid": 3, "attributes": both}),
    ]
    return [Frame(Address(f"{meter:012d}"), apdu.encode(), 0xC3).encode() for meter in range(METERS) for apdu in apdus]


def receive(receiver: Receiver, frames: list[bytes]) -> int:
    """Frame after frame, as a line brings them."""
    for frame in frames:
        for _ in receiver.receive(frame):
            pass
    return len(frames)


def general(receiver: Receiver, frames: list[bytes]) -> int:
    """The decoder that learns nothing."""
    for frame in frames:
        receiver.decode(0, frame, None)
    return len(frames)


def peer() -> Callable[[list[bytes]], int] | None:
    """The package taking frames and APDUs apart and giving out every raw number; None where it is not installed."""
    try:
        native: Any = import_module("dlt698._native")
    except ImportError:
        return None

    def work(frames: list[bytes]) -> int:
        for frame in frames:
            for attribute in native.decode_apdu(native.decode_frame(frame).payload).attributes:
                found = attribute.result.value
                for one in found if isinstance(found, list) else ():
                    assert one.value is not None
        return len(frames)

    return work


def run() -> list[Row]:
    """The rows of this benchmark."""
    frames, receiver = stream(), Receiver()
    found = [telegram for frame in frames for telegram in receiver.receive(frame)]
    assert all(isinstance(telegram, Telegram) and telegram.readings for telegram in found)
    assert isinstance(found[0], Telegram)
    assert found[0].readings[0].value == Decimal("123456.78")
    rows = [row("DL/T 698.45 frames, general decoder", rate(partial(general, receiver, frames)), "1/s", least=GENERAL)]
    theirs = peer()
    if theirs is None:
        mine = rate(partial(receive, receiver, frames))
        return [*rows, row("DL/T 698.45 frames, learnt", mine, "1/s", least=LEARNT)]
    mine, other = against(partial(receive, receiver, frames), partial(theirs, frames))
    return [*rows, row("DL/T 698.45 frames, learnt", mine, "1/s", peer=("dlt698 1.0.1, C++", other), least=LEARNT)]


if __name__ == "__main__":
    for line in run():
        print(line)
