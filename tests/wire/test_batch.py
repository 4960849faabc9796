"""The record lane: what goes in comes out, and nothing else than our errors leaves the decoder."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metergate.errors import BadChecksum, BadValue, DecodeError, Truncated, Unsupported
from metergate.model import Event, Function, Obis, Quality, Reading, Register, Severity, TimeQuality, Unit
from metergate.profiles.arrays import Registers, to_columns, to_readings
from metergate.wire.batch import (
    MAX_READINGS,
    NO_COLUMNS,
    Ack,
    Batch,
    Columns,
    decode,
    decode_ack,
    encode,
    encode_ack,
    register_from_dict,
    register_to_dict,
)
from metergate.wire.batch.message import pack_columns, unpack_columns

EPOCH = "00112233445566778899aabbccddeeff"
BASE = datetime(2025, 3, 30, tzinfo=UTC)

registers = st.builds(
    Register,
    meter=st.text("0123456789ABCDEFü", min_size=1, max_size=12),
    obis=st.none() | st.builds(Obis, *[st.integers(0, 255)] * 6),
    quantity=st.none() | st.text(max_size=8),
    unit=st.none() | st.sampled_from(Unit),
    scaler=st.integers(-9, 9),
    storage=st.integers(0, 1 << 40),
    tariff=st.integers(0, 100),
    subunit=st.integers(0, 100),
    function=st.sampled_from(Function),
    address=st.none() | st.text(max_size=8),
)
instants = st.integers(0, 10**12).map(lambda ms: BASE + timedelta(milliseconds=ms))
raws = st.integers(-(1 << 63), (1 << 63) - 1)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    register = draw(registers)
    raw = draw(raws)
    scaled = Decimal(raw).scaleb(register.scaler)
    kinds: list[object] = [scaled, scaled, scaled, "text", b"\x01\xff", None, Decimal("1.5").scaleb(register.scaler)]
    value = draw(st.sampled_from(kinds))
    return Reading(
        register,
        value,  # type: ignore[arg-type]
        raw if value == scaled and draw(st.booleans()) else None,
        draw(st.none() | instants),
        draw(st.none() | instants),
        draw(st.none() | st.integers(0, 1 << 70)),
        draw(st.sampled_from(Quality)),
        draw(st.sampled_from(TimeQuality)),
        draw(st.none() | st.just("error state")),
        draw(st.just(()) | st.just(("rollover",))),
    )


scalars = st.none() | st.booleans() | raws | st.text(max_size=4)
events = st.builds(
    Event,
    time=instants,
    code=st.sampled_from(["METER_SILENT", "CLOCK_SET"]),
    source=st.text(max_size=8),
    severity=st.sampled_from(Severity),
    args=st.dictionaries(st.text(max_size=4), scalars | st.lists(scalars, max_size=3), max_size=3),
    received=st.none() | instants,
)


def batch_of(content: list[Reading], happened: list[Event] | None = None) -> Batch:
    known = Registers()
    columns, texts = to_columns(content, known)
    for text in texts:
        known.number(text.register)
    return Batch(EPOCH, 3, 9, known.by_number, columns, tuple(texts), tuple(happened or ()), 2)


def by_register(content: list[Reading]) -> dict[Register, list[Reading]]:
    found: dict[Register, list[Reading]] = {}
    for reading in content:
        found.setdefault(reading.register, []).append(reading)
    return found


@settings(deadline=None)
@given(st.lists(readings(), max_size=20), st.lists(events, max_size=3))
def test_a_batch_comes_out_as_it_went_in(content: list[Reading], happened: list[Event]) -> None:
    batch = batch_of(content + content[:3], happened)
    found = decode(encode(batch))
    assert (found.epoch, found.start, found.end, found.acknowledged) == (EPOCH, 3, 9, 2)
    assert dict(found.registers) == dict(batch.registers)
    assert found.texts == batch.texts
    assert found.events == batch.events
    expected = to_readings(batch.columns, batch.registers)
    assert by_register(to_readings(found.columns, found.registers)) == by_register(expected)


@given(st.lists(readings(), max_size=20))
def test_readings_are_the_same_whichever_lane_they_take(content: list[Reading]) -> None:
    batch = batch_of(content)
    assert len(batch.columns) + len(batch.texts) == len(content)
    fast = iter(to_readings(batch.columns, batch.registers))
    slow = iter(batch.texts)
    assert all(reading == next(slow if any(reading is text for text in batch.texts) else fast) for reading in content)


@given(registers)
def test_a_register_description_is_exact(register: Register) -> None:
    assert register_from_dict(register_to_dict(register)) == register


@given(st.lists(st.tuples(st.integers(0, 5), raws, raws), max_size=50))
def test_columns_keep_the_extremes_of_64_bits(rows: list[tuple[int, int, int]]) -> None:
    rows.sort(key=lambda row: row[0])
    register, value, status = np.array(rows, np.int64).reshape(-1, 3).T
    columns = replace(Columns.of(register, np.zeros(len(rows), np.int64), value), status=status)
    found = unpack_columns(pack_columns(columns))
    assert [(*row,) for row in zip(found.register, found.value, found.status, strict=True)] == rows


def test_a_thousand_readings_take_a_few_octets_each() -> None:
    meters = [Register(f"1ESY{number:010}", Obis.parse("1-0:1.8.0"), unit=Unit.WH, scaler=-1) for number in range(20)]
    content = [
        Reading(meter, Decimal(number * 137 + step * 11).scaleb(-1), number * 137 + step * 11, received=at)
        for step in range(50)
        for at in [BASE + timedelta(minutes=15 * step)]
        for number, meter in enumerate(meters)
    ]
    assert len(encode(batch_of(content))) < 2 * len(content)


def test_the_acknowledgement_has_its_layout() -> None:
    content = bytes.fromhex(EPOCH) + struct.pack("<Q", 258)
    assert encode_ack(Ack(EPOCH, 258)) == b"MGA1" + struct.pack("<I", zlib.crc32(content)) + content
    assert decode_ack(encode_ack(Ack(EPOCH, 258))) == Ack(EPOCH, 258)


MESSAGE = encode(batch_of([Reading(Register("m", scaler=-3), Decimal("1.234"), 1234, BASE, BASE)] * 3))


def framed(content: bytes, magic: bytes = b"MGB1") -> bytes:
    return magic + struct.pack("<I", zlib.crc32(content)) + content


@given(st.integers(0, len(MESSAGE) * 8 - 1))
def test_one_wrong_bit_is_seen(bit: int) -> None:
    wrong = bytearray(MESSAGE)
    wrong[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unsupported if bit < 32 else BadChecksum):
        decode(bytes(wrong))


@given(st.integers(0, len(MESSAGE) - 1))
def test_a_message_cut_short_is_refused(length: int) -> None:
    with pytest.raises((Truncated, BadChecksum)):
        decode(MESSAGE[:length])


@settings(max_examples=300)
@given(st.data())
def test_only_our_errors_leave_the_decoder(data: st.DataObject) -> None:
    """With the check sum made right again, the body is at the mercy of whoever sent it."""
    head, body = MESSAGE[8:52], bytearray(zlib.decompress(MESSAGE[52:]))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode(framed(head + zlib.compress(bytes(body))))
    except DecodeError:
        return
    assert len(found.columns) <= MAX_READINGS


@given(st.binary(max_size=200))
def test_garbage_is_no_message(garbage: bytes) -> None:
    for message in (garbage, framed(garbage), framed(garbage, b"MGA1")):
        for decoder in (decode, decode_ack):
            try:
                decoder(message)
            except DecodeError:
                continue
            assert message == framed(garbage, b"MGA1")
            assert len(garbage) == 24


def test_a_body_larger_than_it_says_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    for size in (100, 1 << 30):
        with pytest.raises(BadValue):
            decode(framed(bytes.fromhex(EPOCH) + struct.pack("<QQQI", 0, 1, 0, size) + bomb))


def test_a_register_that_is_not_described_is_refused() -> None:
    batch = batch_of([Reading(Register("m"), Decimal(1), 1, BASE, BASE)])
    with pytest.raises(BadValue, match="register number 0"):
        decode(encode(replace(batch, registers={})))


def test_a_claim_of_endless_readings_allocates_nothing() -> None:
    with pytest.raises(BadValue):
        unpack_columns((1 << 31).to_bytes(4, "little") + bytes(7 * 9))


def test_too_large_a_batch_is_not_encoded() -> None:
    many = np.zeros(MAX_READINGS + 1, np.int64)
    with pytest.raises(ValueError, match="at most"):
        encode(Batch(EPOCH, 0, 1, {0: Register("m")}, Columns.of(many, many, many)))


def test_an_empty_batch_is_possible() -> None:
    found = decode(encode(Batch(EPOCH, 0, 0, {}, NO_COLUMNS)))
    assert len(found.columns) == 0
    assert (found.texts, found.events) == ((), ())


def test_doubtful_clocks_are_placed_by_ours() -> None:
    def at(quality: TimeQuality) -> int:
        reading = Reading(Register("m"), Decimal(1), 1, BASE, BASE + timedelta(hours=1), time_quality=quality)
        return int(batch_of([reading]).columns.instants[0])

    meter = int(BASE.timestamp() * 1000)
    assert at(TimeQuality.SYNCHRONISED) == at(TimeQuality.UNCHECKED) == meter
    assert at(TimeQuality.DOUBTFUL) == at(TimeQuality.COUNTER) == meter + 3_600_000
