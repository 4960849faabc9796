"""P1: captured telegrams, decoded in any chunking, by both ways, and written again as they were."""

import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import all_of, cut
from metergate.model import Obis, Quality, Reading, Unit
from metergate.wire.base import Problem, Telegram
from metergate.wire.p1 import P1Receiver, decode_frame, explain, guess

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora"))
FILE = CORPORA / "p1/telegrams.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []
pytestmark = pytest.mark.skipif(not ROWS, reason="the corpora are not here")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
each = pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
WINTER_ALL_YEAR = "p1/amshan/EXAMPLE_DATA_C"
"""Sent with W in October; the decoder that gave the expected time does not look at the letter."""


def octets(row: dict[str, Any]) -> bytes:
    return str(row["text"]).encode("latin-1")


def telegram(row: dict[str, Any]) -> Telegram:
    found = [item for item in all_of(P1Receiver(), octets(row)) if isinstance(item, Telegram)]
    assert len(found) == 1
    return found[0]


def leaves(tree: Any) -> Iterator[dict[str, Any]]:
    for child in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(child, dict) and "value" in child:
            yield child
        elif isinstance(child, (dict, list)):
            yield from leaves(child)


def same(reading: Reading, leaf: dict[str, Any]) -> bool:
    want = str(leaf["value"])
    if "T" in want and want[:2] in ("19", "20"):
        return str(reading.value) == want
    if leaf.get("datetime") and (reading.meter_time is None or reading.meter_time.isoformat() != leaf["datetime"]):
        return False
    if isinstance(reading.value, Decimal):
        unit = reading.unit.value.casefold() if reading.unit else None
        wanted = leaf["unit"].casefold() if leaf.get("unit") else None
        return NUMBER.fullmatch(want) is not None and reading.value == Decimal(want) and unit == wanted
    return str(reading.value) == want


@each
def test_values_of_the_origin_are_found(row: dict[str, Any]) -> None:
    found = telegram(row)
    assert found.valid
    assert all(reading.quality is Quality.GOOD for reading in found.readings)
    for leaf in leaves(row["expected"].get("values", {})):
        if leaf["value"] is not None and not (row["name"] == WINTER_ALL_YEAR and "T" in str(leaf["value"])):
            assert any(same(reading, leaf) for reading in found.readings), leaf


def test_the_letter_counts_and_not_the_calendar() -> None:
    row = next(row for row in ROWS if row["name"] == WINTER_ALL_YEAR)
    clock = next(r for r in telegram(row).readings if r.obis == Obis.parse("0-0:1.0.0"))
    assert clock.value == "2020-10-20T07:52:22+00:00"


@each
def test_any_chunking_gives_the_same(row: dict[str, Any]) -> None:
    data = octets(row)
    whole = all_of(P1Receiver(), data)
    assert all_of(P1Receiver(), *(data[at : at + 1] for at in range(len(data)))) == whole
    assert all_of(P1Receiver(), *cut(data, range(0, len(data), 37))) == whole


@each
def test_a_learnt_layout_tells_the_same(row: dict[str, Any]) -> None:
    data, receiver, plain = octets(row), P1Receiver(), P1Receiver(options={"learn": False})
    for _ in range(3):
        assert [*receiver.receive(data)] == [*plain.receive(data)]
    assert receiver.layouts.hits == 2 * receiver.layouts.learnt


@each
def test_the_frame_is_written_as_it_was(row: dict[str, Any]) -> None:
    sent = telegram(row).data
    frame = decode_frame(sent)
    again = frame.encode()
    assert decode_frame(again) == frame
    if len(sent.rpartition(b"!")[2]) != 5:  # !B9F is not how it is written
        assert again == sent


@each
def test_it_is_guessed_and_explained(row: dict[str, Any]) -> None:
    data = octets(row)
    assert guess(data) == (95 if data.rstrip().endswith(b"!") else 55 if b"!\r\n " in data else 100)
    spans = explain(data, {})
    top = [span for span in spans if span.level == 0]
    assert all(span.start >= 0 and span.start + span.length <= len(data) for span in spans)
    assert all(one.start + one.length <= other.start for one, other in pairwise(top))


CHECKED = [row for row in ROWS if row["expected"].get("crc")]


@given(st.integers(0, 1 << 30), st.integers(0, 7), st.sampled_from(CHECKED or [{}]))
def test_one_wrong_bit_gives_no_values(place: int, bit: int, row: Any) -> None:
    data = bytearray(telegram(row).data.rstrip())
    data[place % len(data)] ^= 1 << bit
    found = all_of(P1Receiver(), bytes(data) + b"\r\n", octets(row))
    good = [item for item in found if isinstance(item, Telegram)]
    wrong = [item for item in found if isinstance(item, Problem)]
    case = data.rpartition(b"!")[2].upper() == octets(row).rstrip().rpartition(b"!")[2].upper()
    if case and bytes(data).rpartition(b"!")[0] == octets(row).rpartition(b"!")[0]:
        return  # a small letter in the check sum is the same number
    assert [item.data for item in good] == [telegram(row).data]
    assert wrong


def test_what_each_country_says_differently() -> None:
    by_name = {row["name"].rpartition("/")[2]: telegram(row) for row in ROWS}

    def of(name: str, code: str, storage: int = 0) -> Reading:
        wanted = Obis.parse(code)
        return next(r for r in by_name[name].readings if (r.obis, r.register.storage) == (wanted, storage))

    belgian = "TELEGRAM_FLUVIUS_V171_ALT"
    assert of(belgian, "1-0:1.6.0", 1).notes == ("occurred 632525252525W",)
    assert (of(belgian, "0-1:24.2.3").register.quantity, of(belgian, "0-2:24.2.1").register.quantity) == (
        "gas",
        "water",
    )
    old = of("TELEGRAM_V3", "0-1:24.2.1")
    assert (old.value, old.unit, old.status) == (Decimal("1.001"), Unit.M3, 0)
    fresh = of("enexis_t210d", "0-1:24.2.1")
    assert (fresh.value, fresh.meter_time) == (Decimal("0.000"), None)
    text = of("TELEGRAM_V3", "0-0:96.1.1")
    assert (text.value, text.notes) == ("4B384547303034303436333935353037", ("K8EG004046395507",))
    assert of("TELEGRAM_V4_2", "0-0:96.13.0").value is None
    assert [of("TELEGRAM_V4_2", "0-0:96.7.19", n).value for n in (1, 2, 3)] == [237126, 2147583646, 2317482647]
    hungarian = [r for r in by_name["TELEGRAM_V5_EON_HU"].readings if r.obis == Obis.parse("0-0:98.1.0")]
    assert len({reading.register.key for reading in hungarian}) == len(hungarian) == 19
    assert by_name["TELEGRAM_SAGEMCOM_T210_D_R"].readings[2].unit is Unit.WH
