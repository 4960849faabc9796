"""How fast SML is: telegrams a second to register values and to readings, against smllib and pysml in the same run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bench.rows import Row, against, rate, row
from metergate.model import Obis, Reading, Register, Unit
from metergate.wire.sml.push import push, sec_index
from metergate.wire.sml.receiver import SmlReceiver

AT = datetime(2026, 3, 1, tzinfo=UTC)
SERVER = bytes.fromhex("0a01454d48000051971e")
CODES = (
    *((f"1-0:{code}.8.{tariff}", Unit.WH, -1, 10**7) for code in (1, 2) for tariff in (0, 1, 2)),
    ("1-0:16.7.0", Unit.W, 0, 5000),
    *((f"1-0:{code}.7.0", Unit.V, -1, 2300) for code in (32, 52, 72)),
    *((f"1-0:{code}.7.0", Unit.A, -2, 1000) for code in (31, 51, 71)),
)
"""13 registers: a meter with tariffs and its phases. About 400 bytes a telegram."""


def telegrams(count: int) -> list[bytes]:
    """One meter's telegrams of one layout with rising values."""
    return [_telegram(number) for number in range(count)]


def _telegram(number: int) -> bytes:
    found = []
    for code, unit, scaler, base in CODES:
        register = Register("1EMH0005347102", Obis.parse(code), unit=unit, scaler=scaler)
        found.append(
            Reading(register, Decimal(base + number).scaleb(scaler), status=0x182 if unit is Unit.WH else None)
        )
    return push(SERVER, found, sec_index(100_000 + number), 100_000 + number)


def _smllib(frame: bytes) -> Any:
    from smllib.reader import SmlStreamReader

    stream = SmlStreamReader()
    stream.add(frame)
    found = stream.get_frame()
    return found and found.parse_frame()


def _pysml(frame: bytes) -> Any:
    from sml import SmlBase

    return SmlBase.parse_frame(frame)


def _receiver(**options: bool) -> Callable[[bytes], Any]:
    receiver = SmlReceiver(options)
    return lambda frame: list(receiver.receive(frame, AT))


def _values(frame: bytes) -> Callable[[bytes], Any]:
    receiver = SmlReceiver()
    list(receiver.receive(frame, AT))
    layout = receiver.layouts.known()[0]
    if layout.values(frame) is None:
        raise RuntimeError("the layout does not read its own telegram")
    return layout.values


def _all(work: Callable[[bytes], Any], frames: list[bytes]) -> Callable[[], int]:
    def once() -> int:
        for frame in frames:
            work(frame)
        return len(frames)

    return once


def run() -> list[Row]:
    """Telegrams a second of CPU time, of one meter whose telegrams keep their layout."""
    frames = telegrams(50)
    size, unit = len(frames[0]), "telegrams/s"
    values, readings = _all(_values(frames[0]), frames), _all(_receiver(), frames)
    general = _all(_receiver(learn=False), frames)
    rows = [
        row(f"SML {size} B, {len(CODES)} registers: values by layout", rate(values), unit, least=250_000),
        row("SML: readings by layout", rate(readings), unit),
        row("SML: readings by the general decoder", rate(general), unit, least=3_000),
    ]
    for name, theirs in (("smllib", _all(_smllib, frames)), ("pysml", _all(_pysml, frames))):
        for what, ours, least in (
            ("values by layout", values, 100),
            ("readings by layout", readings, 15),
            ("readings by the general decoder", general, 3),
        ):
            mine, other = against(ours, theirs)
            rows.append(row(f"SML: {what}, against {name}", mine, unit, peer=(name, other), ratio=least))
    return rows


if __name__ == "__main__":
    for line in run():
        print(line)
