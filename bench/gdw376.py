"""Q/GDW 376.1: a terminal's answer with energies, power and the like to readings per second. PyPI has no peer."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bench.rows import Row, every, rate, readings, row
from metergate.model import Obis
from metergate.wire.base import Ask, Telegram
from metergate.wire.gdw376 import Receiver
from metergate.wire.gdw376.master import Line, Master
from metergate.wire.gdw376.terminal import Terminal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEAST = 2_000


def _source(obis: Obis, at: datetime) -> Decimal | None:
    return Decimal("0.5")


def _answer() -> bytes:
    """What a terminal answers when it is asked for its present values."""
    terminal: Any = Terminal("02001234", {1: _source}, [], tariffs=4)
    asked = next(Master("02001234", Line()).present(1))
    assert isinstance(asked, Ask)
    (found,) = terminal.receive(asked.data, NOW)
    return bytes(found)


def run() -> list[Row]:
    """The rows of this benchmark."""
    answer = _answer()
    (found,) = Receiver({}, {}).receive(answer)
    assert isinstance(found, Telegram)
    assert found.readings
    count = len(found.readings)
    read = readings(Receiver({}, {}), count)
    name = f"Q/GDW 376.1 answer, {count} readings"
    return [row(name, rate(every(read, [answer] * 20)), "1/s", least=LEAST)]


if __name__ == "__main__":
    for line in run():
        print(line)
