"""IEC 62056-21: readouts a second to values and to readings, against the parser of the package `iec62056-21`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bench.rows import Row, against, rate, row
from metergate.wire.base import Telegram
from metergate.wire.iec62056 import Receiver
from metergate.wire.iec62056.datasets import DataSet, data_set, readout
from metergate.wire.iec62056.frame import Block, Identification

AT = datetime(2026, 3, 1, tzinfo=UTC)
WHO = Identification("MGT", "5", "EMETER1").encode()
MONTHS = 12


def sets(number: int) -> list[DataSet]:
    """A meter with two tariffs, its power and phases, and the registers of the last year: 39 data sets."""
    head = [("F.F", "00000000"), ("C.1.0", "47110815"), ("0.9.1", f"{number % 240000:06d}"), ("0.9.2", "260301")]
    now = [
        (f"{code}.8.{tariff}", f"{123456 + number:06d}.{number % 10000:04d}*kWh")
        for code in (1, 2)
        for tariff in (0, 1, 2)
    ]
    power = [(f"{code}.7.0", f"{number % 100:02d}.{number % 1000:03d}*kW") for code in (1, 21, 41, 61, 16)]
    past = [
        (f"{code}.8.0*{month:02d}", f"{120000 + month:06d}.0000*kWh")
        for code in (1, 2)
        for month in range(1, MONTHS + 1)
    ]
    return [data_set(address, value) for address, value in (*head, *now, *power, *past)]


def blocks(count: int) -> list[bytes]:
    """Data messages of one meter with rising values."""
    return [Block(readout(sets(number))).encode() for number in range(count)]


def receive(receiver: Receiver, frames: list[bytes]) -> int:
    """Readout after readout, as a line brings them."""
    for frame in frames:
        for found in receiver.receive(frame, AT):
            if not isinstance(found, Telegram):
                raise RuntimeError(found)
    return len(frames)


def learnt(frames: list[bytes]) -> Callable[[], int]:
    """Values alone, by the learnt layout."""
    receiver = Receiver()
    receive(receiver, frames[:1])
    values = receiver.layouts[0].values

    def work() -> int:
        for frame in frames:
            if values(frame) is None:
                raise RuntimeError("the layout does not read its own readout")
        return len(frames)

    return work


def peer() -> Callable[[list[bytes]], int] | None:
    """The message class of `iec62056-21`; None where it is not installed."""
    try:
        from iec62056_21.messages import AnswerDataMessage
    except ImportError:
        return None

    def work(frames: list[bytes]) -> int:
        for frame in frames:
            found: Any = AnswerDataMessage.from_bytes(frame)
            assert found.data
        return len(frames)

    return work


def run() -> list[Row]:
    """The rows of this benchmark."""
    plain = blocks(400)
    whole = [WHO + block for block in plain]
    size, unit = len(whole[0]), "readouts/s"
    values, readings = learnt(whole), partial(receive, Receiver(), whole)
    general = partial(receive, Receiver(None, {"learn": False}), whole)
    rows = [
        row(f"IEC 62056-21 {size} B, {len(sets(0))} data sets: values by layout", rate(values), unit),
        row("IEC 62056-21: readings by layout", rate(readings), unit),
        row("IEC 62056-21: readings by the general decoder", rate(general), unit),
    ]
    theirs = peer()
    if theirs is None:
        return rows
    for what, ours, least in (
        ("values by layout", values, 10),
        ("readings by layout", readings, 3),
        ("readings by the general decoder", general, None),
    ):
        mine, other = against(ours, partial(theirs, plain))
        rows.append(
            row(f"IEC 62056-21: {what}, against iec62056-21", mine, unit, peer=("iec62056-21", other), ratio=least)
        )
    return rows


if __name__ == "__main__":
    for line in run():
        print(line)
