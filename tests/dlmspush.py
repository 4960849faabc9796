"""Pushes made for tests, and what was heard of them."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from metergate.model import Obis, Reading, Register, Unit
from metergate.wire.base import Found, Problem, Telegram, received
from metergate.wire.dlms.push import PushReceiver

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[1] / "../shared/corpora")) / "dlms"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
KEYS = {"encryption": EK, "authentication": AK}
TITLE = bytes.fromhex("4b464d6750000001")
# From toreamun/amshan tests/test_aidon (MIT): a Norwegian list 2.
AIDON = bytes.fromhex(
    "e6e7000f4000000000010c020209060101000281ff0a0b4149444f4e5f5630303031020209060000600100ff0a1037333539393932383932"
    "353837363635020209060000600107ff0a0436353235020309060100010700ff060000011802020f00161b020309060100020700ff060000"
    "000002020f00161b020309060100030700ff060000000002020f00161d020309060100040700ff060000008002020f00161d0203090601"
    "001f0700ff10000d02020fff1621020309060100470700ff10000902020fff1621020309060100200700ff1208e202020fff162302030906"
    "0100340700ff1208fd02020fff1623020309060100480700ff12090402020fff1623"
)


def rows() -> list[dict[str, Any]]:
    path = CORPUS / "han_push.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line, parse_float=Decimal) for line in lines]


def telegrams(found: Iterable[Found]) -> list[Telegram]:
    return [item for item in found if isinstance(item, Telegram)]


def problems(found: Iterable[Found]) -> set[str]:
    items = list(found)
    inside = {problem.code for item in telegrams(items) for problem in item.problems}
    return inside | {item.code for item in items if isinstance(item, Problem)}


def values(telegram: Telegram) -> dict[str, object]:
    return {str(reading.obis): reading.value for reading in telegram.readings}


def heard(data: bytes, keys: dict[str, bytes] | None = None, **options: object) -> list[Found]:
    return list(received(PushReceiver(keys, options), data, AT))


def only(data: bytes, keys: dict[str, bytes] | None = None, **options: object) -> Telegram:
    (found,) = heard(data, keys, **options)
    assert isinstance(found, Telegram)
    return found


def reading(code: str, value: Decimal | str | bytes | None, unit: Unit | None = None, scaler: int = 0) -> Reading:
    return Reading(Register("", Obis.parse(code), unit=unit, scaler=scaler), value)
