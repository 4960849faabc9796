"""DL/T 645: replies to readings per second, the learned way and the general one, against the package `dlt645`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from bench.rows import Row, against, rate, row
from metergate.wire.base import Telegram
from metergate.wire.dlt645 import Frame, Receiver

METERS, ROUNDS = 50, 20
FLOOR = 20_000
"""The least rate of the general decoder on one core."""


def stream() -> list[bytes]:
    """Replies of 50 meters, each to the same three questions: energy, voltage of three phases, power."""
    payloads = {0x00010000: "78563412", 0x0201FF00: "012303230723", 0x02030000: "341285"}
    return [
        Frame(f"{meter:012d}", 0x91, di.to_bytes(4, "little") + bytes.fromhex(payload)).encode(4)
        for meter in range(METERS)
        for di, payload in payloads.items()
    ]


def receive(receiver: Receiver, frames: list[bytes]) -> int:
    """Frame after frame, as a line brings them."""
    for frame in frames:
        for _ in receiver.receive(frame):
            pass
    return len(frames)


def general(receiver: Receiver, frames: list[bytes]) -> int:
    """The decoder that learns nothing, on frames without their preamble."""
    for frame in frames:
        receiver.decode(0, frame, None)
    return len(frames)


def peer() -> Callable[[list[bytes]], int] | None:
    """The client of `dlt645` taking replies apart: octets to a data item; None where it is not installed."""
    try:
        from dlt645.protocol.protocol import DLT645Protocol
        from dlt645.service.clientsvc.client_service import MeterClientService
    except ImportError:
        return None
    client = MeterClientService.new_tcp_client("127.0.0.1", 9)
    client.set_address("010000000000")  # of meter 1, in the order of the wire

    def work(frames: list[bytes]) -> int:
        for frame in frames:
            assert client.handle_response(DLT645Protocol.deserialize(frame)) is not None
        return len(frames)

    return work


def run() -> list[Row]:
    """The rows of this benchmark."""
    frames, receiver = stream(), Receiver()
    found = [telegram for frame in frames for telegram in receiver.receive(frame)]
    assert all(isinstance(telegram, Telegram) and telegram.readings for telegram in found)
    assert isinstance(found[0], Telegram)
    assert found[0].readings[0].value == Decimal("123456.78")
    bare = [frame[4:] for frame in frames]
    rows = [row("DL/T 645 frames, general decoder", rate(partial(general, receiver, bare)), "1/s", least=FLOOR)]
    energy = frames[3:4] * METERS
    theirs = peer()
    if theirs is None:
        return [*rows, row("DL/T 645 frames, learned", rate(partial(receive, receiver, frames)), "1/s", least=FLOOR)]
    mine, other = against(partial(receive, receiver, energy), partial(theirs, energy))
    return [
        *rows,
        row("DL/T 645 frames, learned", rate(partial(receive, receiver, frames)), "1/s", least=FLOOR),
        row("DL/T 645 energy replies, learned", mine, "1/s", peer=("dlt645 3.2.0", other), least=FLOOR, ratio=2),
    ]


if __name__ == "__main__":
    for line in run():
        print(line)
