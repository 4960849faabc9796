"""Captured M-Bus frames: every record equal, every broken frame refused, in any chunking, also half rotten."""

import json
import random
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import all_of, cut
from mbusbus import CORPORA
from metergate.bits import sum8
from metergate.model import Reading
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.mbus import Receiver, explain, guess
from metergate.wire.mbus.frame import parse
from metergate.wire.mbus.layout import Layouts
from metergate.wire.mbus.records import decode_records, encode_records, split_records
from metergate.wire.mbus.telegram import LongHeader

FOLDER = CORPORA / "mbus"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no captured telegrams here")
Row = dict[str, Any]


def rows(group: str = "") -> list[Row]:
    path = FOLDER / "manifest.jsonl"
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    return [row for row in found if row["group"].startswith(group)]


def octets(row: Row) -> bytes:
    return bytes.fromhex(Path(FOLDER / row["file"]).read_text("ascii"))


NORMAL = [row for row in rows("test-frames") if "id" in row["expected"]]
by_name = {"ids": lambda row: row["name"]}
ALL = [octets(row) for row in rows()]
FUNCTIONS = {"Maximum value": "maximum", "Minimum value": "minimum", "Value during error state": "error"}
NO_RECORD = ("Manufacturer specific", "More records follow")
TIMES = "Time point"


def telegram(data: bytes) -> Telegram:
    (found,) = all_of(Receiver(), data)
    assert isinstance(found, Telegram)
    return found


@pytest.mark.parametrize("row", NORMAL, **by_name)  # type: ignore[arg-type]
def test_header(row: Row) -> None:
    want, found = row["expected"], telegram(octets(row))
    assert found.valid
    assert found.problems == ()
    assert found.meter is not None
    assert found.meter.id.lstrip("0") == want["id"].lstrip("0").upper()
    assert found.frame["access_number"] == int(want["accessnumber"])
    assert found.frame["status"] == int(want["status"], 16)
    if "manufacturer" in want:
        assert found.meter.manufacturer == want["manufacturer"]
        assert found.meter.version == int(want["version"])
        assert str(found.frame["signature"]).upper() == want["signature"]


def close(got: Decimal, want: Decimal) -> bool:
    """The expectation has six decimals, and floats behind it."""
    return abs(got - want) <= max(abs(want) * Decimal("1e-6"), Decimal("5.1e-7"))


def raw_agrees(reading: Reading, record: Row) -> bool:
    want = str(record["raw_value"])
    if reading.raw is not None:
        return str(reading.raw) == want or close(Decimal(reading.raw), Decimal(want))
    if isinstance(reading.value, Decimal):
        return close(reading.value.scaleb(-reading.register.scaler), Decimal(want))
    if isinstance(reading.value, bytes):
        return reading.value.hex() == want.replace(" ", "").lower()
    return True


def times_agree(reading: Reading, record: Row) -> bool:
    """The expectation wraps years past 2099 and makes up dates from impossible ones."""
    if reading.value is None:
        return True
    return datetime.fromisoformat(str(reading.value)) == datetime.fromisoformat(record["raw_value"])


@pytest.mark.parametrize("row", NORMAL, **by_name)  # type: ignore[arg-type]
def test_records(row: Row) -> None:
    """Function, storage, tariff, subunit and the value as sent, of every record in its order."""
    found = telegram(octets(row)).readings
    want = [record for record in row["records"] if record["function"] not in NO_RECORD]
    assert len(found) == len(want)
    for reading, record in zip(found, want, strict=True):
        register = reading.register
        where = [int(record.get(name) or 0) for name in ("storage", "tariff", "subunit")]
        assert [register.storage, register.tariff, register.subunit] == where
        assert register.function.value == FUNCTIONS.get(record["function"], "instantaneous")
        if record["quantity"].startswith(TIMES):
            assert times_agree(reading, record)
        elif register.quantity != "time_point":
            assert raw_agrees(reading, record), (reading, record)


SCALED_DIFFERENTLY = {
    # The origin's decoder does not know these codes (humidity, reactive and apparent power) or corrections.
    "pymeterbus/WEP-indoor",
    "m-bus-parser/test_other_meters_01",
    "wmbusmeters/piigth-01",
    "wmbusmeters/piigth-02",
    # It takes durations and times of limits for the quantities themselves.
    "test-frames/SEN_Pollustat",
    "test-frames/landis+gyr_ultraheat_t230",
}
BASES = {"Wh": "kWh 1e3 MWh 1e6 J 1 GJ 1e9 MJ 1e6 kJ 1e3", "J": "kJ 1e3 MJ 1e6 GJ 1e9", "s": "min 60 h 3600 d 86400"}


def in_base(reading: Reading, unit: str) -> Decimal:
    words = BASES.get(unit, "").split()
    factors = dict(zip(words[::2], words[1::2], strict=True))
    own = reading.register.unit.value if reading.register.unit else ""
    assert isinstance(reading.value, Decimal)
    return reading.value * Decimal(factors.get(own, "1"))


@pytest.mark.parametrize("row", [row for row in NORMAL if row["name"] not in SCALED_DIFFERENTLY], **by_name)  # type: ignore[arg-type]
def test_scaled_values(row: Row) -> None:
    want = [record for record in row["records"] if record["function"] not in NO_RECORD]
    for reading, record in zip(telegram(octets(row)).readings, want, strict=True):
        if isinstance(reading.value, Decimal) and record["unit"] not in ("Reserved", "kWh", "l"):
            assert close(in_base(reading, record["unit"]), Decimal(record["value"])), (reading, record)


@pytest.mark.parametrize("name", sorted(SCALED_DIFFERENTLY & {"wmbusmeters/piigth-01", "wmbusmeters/piigth-02"}))
def test_humidity_as_the_other_expectation_has_it(name: str) -> None:
    (row,) = (row for row in NORMAL if row["name"] == name)
    want = row["wmbusmeters"][0]["expected"]["relative_humidity_rh"]
    got = [
        reading.value for reading in telegram(octets(row)).readings if reading.register.quantity == "relative_humidity"
    ]
    assert got[0] == Decimal(str(want))


@pytest.mark.parametrize("row", rows("error-frames"), **by_name)  # type: ignore[arg-type]
def test_error_frames(row: Row) -> None:
    found = telegram(octets(row))
    assert found.readings == ()
    codes = {problem.code for problem in found.problems}
    if "error" in row["expected"]:
        assert codes == {"application_error"}
        said, want = found.problems[0].message, row["expected"]["error"]
        assert said.lower().replace("s", "") == want.lower().replace("´", "").replace("s", "")
    else:
        assert codes <= {"truncated", "bad_value"}
        assert codes


def test_unsupported_frames() -> None:
    found = {row["name"]: all_of(Receiver(), octets(row)) for row in rows("unsupported-frames")}
    assert [item.code for item in found["unsupported-frames/manual_frame1"] if isinstance(item, Problem)] == ["noise"]
    (maker_only,) = found["unsupported-frames/svm_f22_telegram2"]
    assert isinstance(maker_only, Telegram)
    assert (maker_only.readings, len(maker_only.frame["manufacturer_data"])) == ((), 206)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", NORMAL, **by_name)  # type: ignore[arg-type]
def test_frames_and_records_come_back(row: Row) -> None:
    data = octets(row)
    frame = parse(data)
    assert frame.octets == data
    if frame.ci == 0x72:
        assert LongHeader.parse(frame.data).octets[4:] == frame.data[4:12] or frame.data[5] & 0x80
        raw, maker, more = split_records(frame.data[12:])
        rest = encode_records(raw, maker, more)
        assert decode_records(rest, "1").readings == decode_records(frame.data[12:], "1").readings


def summary(found: list[Found]) -> list[object]:
    return [(item.data, item.readings, item.problems) if isinstance(item, Telegram) else item for item in found]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 1 << 20), max_size=40), st.integers(0, 1 << 30))
def test_any_chunking(places: list[int], seed: int) -> None:
    dice = random.Random(seed)
    stream = b"".join(dice.randbytes(dice.randrange(4)) + data for data in dice.sample(ALL, 8))
    assert summary(all_of(Receiver(), *cut(stream, places))) == summary(all_of(Receiver(), stream))


def test_byte_by_byte() -> None:
    stream = b"".join(ALL)
    assert summary(all_of(Receiver(), *(stream[at : at + 1] for at in range(len(stream))))) == summary(
        all_of(Receiver(), stream)
    )


def mutations(count: int) -> Iterator[bytes]:
    dice = random.Random(1)
    for _ in range(count):
        data = bytearray(dice.choice(ALL))
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(data))
            match dice.randrange(4):
                case 0:
                    data[at] = dice.randrange(256)
                case 1:
                    data[at] ^= 1 << dice.randrange(8)
                case 2:
                    del data[at : at + dice.randrange(1, 9)]
                case _:
                    data[at:at] = dice.randbytes(dice.randrange(1, 9))
            data = data or bytearray(1)
        yield bytes(data)


def test_mutated_frames() -> None:
    """Nothing but telegrams and problems; readings only out of bytes whose check sum is right."""
    receiver = Receiver()
    for data in mutations(3000):
        for found in [*receiver.receive(data), *receiver.silence()]:
            if isinstance(found, Telegram) and found.readings:
                assert parse(found.data).octets == found.data
        explain(data)
        assert 0 <= guess(data) <= 100


def test_mutated_contents() -> None:
    """With the check sum made right again: whatever the application layer says, one answer."""
    receiver = Receiver()
    dice = random.Random(2)
    frames = [data for data in ALL if data[:1] == b"\x68" and len(data) > 30]
    for _ in range(3000):
        body = bytearray(dice.choice(frames)[4:-2])
        for _ in range(dice.randrange(1, 4)):
            body[dice.randrange(2, len(body))] = dice.randrange(256)
        data = bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum8(body), 0x16))
        (found,) = receiver.receive(data)
        assert isinstance(found, Telegram)
        assert not (found.readings and found.problems)
        spans = explain(data)
        assert all(span.start >= 0 and span.start + span.length <= len(data) for span in spans)


@pytest.mark.parametrize("row", NORMAL, **by_name)  # type: ignore[arg-type]
def test_learnt_layouts_on_captures(row: Row) -> None:
    """The same telegram again with other values: by the learnt layout and by the general decoder."""
    frame = parse(octets(row))
    if frame.ci != 0x72:
        pytest.skip("fixed data structure: no records")
    dice, layouts, data = random.Random(3), Layouts(), frame.data[12:]
    layouts.decode(data, "1")
    raw = split_records(data)[0]
    for _ in range(20):
        other = bytearray(data)
        for record in raw:
            end = record.offset + len(record.octets)
            other[end - len(record.data) : end] = dice.randbytes(len(record.data))
        assert repr(layouts.decode(bytes(other), "1").readings) == repr(decode_records(bytes(other), "1").readings)
    assert layouts.learnt == 1


@pytest.mark.parametrize("row", NORMAL, **by_name)  # type: ignore[arg-type]
def test_explained_to_the_last_byte(row: Row) -> None:
    data = octets(row)
    spans = explain(data)
    assert all(span.name != "broken" for span in spans)
    said = {place for span in spans if span.level == 1 for place in range(span.start, span.start + span.length)}
    assert said == set(range(len(data)))
    assert guess(data) == 100
