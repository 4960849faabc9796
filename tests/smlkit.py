"""Telegrams and helpers that the SML tests share."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from metergate.model import Obis, Reading, Register, Unit
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.sml.push import Style, push, sec_index
from metergate.wire.sml.receiver import SmlReceiver
from metergate.wire.sml.values import Time

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[1] / "../shared/corpora")) / "sml"
needs_corpora = pytest.mark.skipif(not (CORPORA / "expected.jsonl").exists(), reason="the corpora are not there")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVER = bytes.fromhex("0a01454d48000051971e")
METER = "1EMH0005347102"
SPOKEN = sec_index(99043543)
PLAIN = Style()

# An EMH meter's telegram from the test suite of Apollon77/smartmeter-obis (MIT licence).
EMH = bytes.fromhex(
    "1b1b1b1b01010101760700190b4cbead6200620072630101760101070019063f3f8f0b0901454d48000041f045010163662d0076"
    "0700190b4cbeae620062007263070177010b0901454d48000041f045070100620affff72620165063f2f357777078181c78203ff"
    "0101010104454d480177070100000009ff010101010b0901454d48000041f0450177070100010800ff6400018201621e52ff5600"
    "09247a550177070100010801ff0101621e52ff560009247a550177070100010802ff0101621e52ff560000000000017707010010"
    "0700ff0101621b52ff55000016030177078181c78205ff0172620165063f2f3501018302e77ef33ea97bb6bba9bfa4fbd8b9f2ed"
    "e51207b15acf6b98a237c21ca4982ee3ce18efe8438f1deba9d5c40eb68ae8f201010163574a00760700190b4cbeb16200620072"
    "630201710163d658000000001b1b1b1b1a03e566"
)


def values(found: Iterable[Found]) -> list[tuple[str, Any]]:
    """OBIS code and value of every reading."""
    return [
        (reading.obis.full if reading.obis else "", reading.value)
        for item in found
        if isinstance(item, Telegram)
        for reading in item.readings
    ]


def reading(code: str, raw: int | bytes | None, unit: Unit | None = None, scaler: int = 0, **more: Any) -> Reading:
    value = Decimal(raw).scaleb(scaler) if isinstance(raw, int) else raw
    register = Register(METER, Obis.parse(code), unit=unit, scaler=scaler)
    return Reading(register, value, raw if isinstance(raw, int) else None, **more)


def sample(total: int = 54301577, power: int = 35624, status: int = 0x1C0104) -> list[Reading]:
    """What a household's meter tells."""
    return [
        reading("1-0:96.50.1*1", b"EMH"),
        reading("1-0:96.1.0", SERVER),
        reading("1-0:1.8.0", total, Unit.WH, -1, status=status),
        reading("1-0:2.8.0", 262445726, Unit.WH, -1),
        reading("1-0:16.7.0", power, Unit.W, -2),
        reading("1-0:32.7.0", 2305, Unit.V, -1),
    ]


def telegram(
    number: int = 1,
    found: list[Reading] | None = None,
    time: Time | None = SPOKEN,
    style: Style = PLAIN,
    server: bytes = SERVER,
) -> bytes:
    return push(server, sample() if found is None else found, time, number, bytes.fromhex("0100620affff"), style)


def receive(data: bytes, *, options: dict[str, Any] | None = None, at: datetime | None = AT) -> list[Found]:
    """All that a fresh receiver makes of one feed and the silence after it."""
    receiver = SmlReceiver(options)
    return [*receiver.receive(data, at), *receiver.silence()]


def chunked(data: bytes, sizes: Iterable[int], options: dict[str, Any] | None = None) -> list[Found]:
    """As `receive`, in chunks of these sizes, over and over."""
    receiver, at = SmlReceiver(options), 0
    found: list[Found] = []
    steps = [max(size, 1) for size in sizes] or [1]
    number = 0
    while at < len(data):
        step = steps[number % len(steps)]
        found += receiver.receive(data[at : at + step], AT)
        at, number = at + step, number + 1
    return [*found, *receiver.silence()]


def codes(found: Iterable[Found]) -> list[str]:
    """The codes of all problems, inside telegrams too."""
    told: list[str] = []
    for item in found:
        told += [item.code] if isinstance(item, Problem) else [problem.code for problem in item.problems]
    return told


def expected() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPORA / "expected.jsonl").read_text().splitlines()]
