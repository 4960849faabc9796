"""Proof of the maps: every example telegram has to decode to the values that its map claims."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

from metergate.errors import ConfigError
from metergate.meters.map import Example, MeterMap, amount
from metergate.meters.translate import Translator
from metergate.model import MeterIdentity, Reading
from metergate.wire import protocols
from metergate.wire.base import Telegram, received
from metergate.wire.contract import plain
from metergate.wire.modbus.points import reading as read_point


@dataclass(frozen=True, slots=True)
class Source:
    """An example's bytes; `prior` are telegrams to hear first. Of Modbus: registers by function and address."""

    data: bytes
    key: bytes | None = None
    prior: tuple[bytes, ...] = ()
    words: dict[tuple[int, int], int] = field(default_factory=dict)


def corpora() -> Path | None:
    """The folder of captured telegrams (METERGATE_CORPORA), or None where there is none."""
    named = os.environ.get("METERGATE_CORPORA")
    return Path(named) if named and Path(named).is_dir() else None


@cache
def _rows(file: Path) -> dict[str, dict[str, object]]:
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {str(row.get("name") or row.get("file")): row for row in rows}


def _corpus(folder: Path, place: str) -> Source:
    file, _, name = place.partition("#")
    row = _rows(folder / file).get(name)
    if row is None:
        raise ConfigError(f"{place}: the corpora have no such row")
    if "file" in row:
        found = (folder / file).parent / str(row["file"])
        return Source(bytes.fromhex(found.read_text()) if found.suffix == ".hex" else found.read_bytes())
    prior = row.get("prior") or []
    assert isinstance(prior, list)
    key = bytes.fromhex(str(row.get("key") or "")) or None
    data = str(row["text"]).encode("latin-1") if "text" in row else _hex(row.get("telegram") or row.get("frame"))
    return Source(data, key, tuple(_hex(one) for one in prior))


def _hex(text: object) -> bytes:
    return bytes.fromhex(str(text))


def source(example: Example, folder: Path | None) -> Source | None:
    """The bytes of an example; None if they are in the corpora and those are not here."""
    if example.registers is not None:
        return Source(b"", words=_words(example.registers))
    if example.telegram is not None:
        return Source(_hex(example.telegram), _hex(example.key) if example.key else None)
    return _corpus(folder, str(example.corpus)) if folder else None


def _words(registers: dict[str, str]) -> dict[tuple[int, int], int]:
    words = {}
    for place, text in registers.items():
        function, _, address = place.partition(":")
        raw = bytes.fromhex(text)
        for at in range(0, len(raw), 2):
            words[int(function), int(address) + at // 2] = int.from_bytes(raw[at : at + 2], "big")
    return words


def _read(meter_map: MeterMap, found: Source) -> Telegram:
    """What a poller makes of the registers."""
    identity = MeterIdentity("1", meter_map.brand, meter_map.medium, model=meter_map.model)
    readings = (read_point(point, found.words, identity.id) for point in meter_map.point)
    told = tuple(reading for reading in readings if reading.value is not None)
    return Telegram(meter_map.protocol, 0, 0, True, meter=identity, readings=told)


def decode(meter_map: MeterMap, found: Source) -> Iterator[Telegram]:
    """The telegrams of an example, decoded with the map's options."""
    if meter_map.point:
        yield _read(meter_map, found)
        return
    keys = {"key": found.key} if found.key else {}
    receiver = protocols()[meter_map.protocol].receiver(keys, meter_map.options)
    for data in found.prior:
        for _ in received(receiver, data):
            pass
    for item in received(receiver, found.data):
        if isinstance(item, Telegram):
            yield item


def check_example(meter_map: MeterMap, example: Example, folder: Path | None = None) -> list[str] | None:
    """What is wrong with an example, as text for people; [] if nothing, None if its corpus is not here."""
    found = source(example, folder or corpora())
    if found is None:
        return None
    maps = Translator([meter_map])
    values: dict[str, Reading] = {}
    wrong = []
    for telegram in decode(meter_map, found):
        if maps.map_of(telegram) is not meter_map:
            wrong.append(f"the map does not match its own example: {telegram.meter}")
        for reading in maps(telegram):
            values.setdefault(maps.name(reading.register), reading)
    return wrong + [text for name, value in example.values.items() if (text := _compare(name, value, values))]


def _compare(name: str, expected: str, values: dict[str, Reading]) -> str | None:
    reading = values.get(name)
    if reading is None:
        return f"{name}: expected {expected}, not in the telegram, which has: {', '.join(values) or 'nothing'}"
    if _same(reading, expected):
        return None
    unit = f" {reading.unit.value}" if reading.unit else ""
    return f"{name}: expected {expected}, decoded {plain(reading.value)}{unit}"


def _same(reading: Reading, expected: str) -> bool:
    value, unit = amount(expected)
    if not isinstance(value, Decimal) or not isinstance(reading.value, Decimal):
        shown = str(plain(reading.value))
        return expected in (shown, f"{shown} {reading.unit.value}" if reading.unit else shown)
    if unit is None or reading.unit is None:
        return unit is reading.unit and reading.value == value
    try:
        return reading.value * reading.unit.into(unit) == value
    except ValueError:
        return False


def check_map(meter_map: MeterMap, folder: Path | None = None) -> list[str]:
    """All that is wrong with a map and its examples, a line each."""
    if meter_map.protocol not in protocols():
        return [f"unknown protocol {meter_map.protocol!r}: there are {', '.join(protocols())}"]
    if not meter_map.example:
        return ["a map proves itself by at least one example"]
    wrong = []
    for number, example in enumerate(meter_map.example, 1):
        wrong += [f"example {number}: {text}" for text in check_example(meter_map, example, folder) or ()]
    return wrong
