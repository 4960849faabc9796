"""Data records of M-Bus: vectors from EN 13757-3's coding rules, round trips, learnt layouts, rubbish."""

import decimal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from metergate.errors import BadValue, DecodeError, Truncated, Unsupported
from metergate.model import Function, Quality, Reading, Unit
from metergate.wire.mbus.dib import SIZES, Dib, dib
from metergate.wire.mbus.layout import Layouts
from metergate.wire.mbus.records import (
    RawRecord,
    decode_headers,
    decode_records,
    encode_records,
    record,
    split_records,
)
from metergate.wire.mbus.times import encode_moment
from metergate.wire.mbus.vif import Sense, sense
from metergate.wire.mbus.vif_tables import FB, FD, PRIMARY, Kind

VIFS = (
    [bytes((code,)) for code in sorted(PRIMARY)]
    + [bytes((0xFB, code)) for code in sorted(FB)]
    + [bytes((0xFD, code)) for code in sorted(FD)]
)
VIFES = ["", "3c", "28", "22", "70", "77", "7d", "79", "fc01", "fc81", "48", "4b", "5a", "6f", "15", "18", "7e", "ff0a"]


def extended(vif: bytes, vife: str) -> bytes:
    more = bytes.fromhex(vife)
    return vif[:-1] + bytes((vif[-1] | 0x80,)) + more if more and not more[-1] & 0x80 else vif


def only(data: str) -> Reading:
    (reading,) = decode_records(bytes.fromhex(data), "12345678").readings
    return reading


def shown(data: str) -> tuple[object, object, object, object]:
    reading = only(data)
    register = reading.register
    value = f"{reading.value:f}" if isinstance(reading.value, Decimal) else reading.value
    return register.quantity, value, register.unit.value if register.unit else None, register.address


@pytest.mark.parametrize(
    ("data", "quantity", "value", "unit", "address"),
    [
        ("0c0678563412", "energy", "12345678000", "Wh", None),
        ("04032a000000", "energy", "42", "Wh", None),
        ("0400ffffffff", "energy", "-0.001", "Wh", None),
        ("04fb0164000000", "energy", "100", "MWh", None),
        ("04fb0864000000", "energy", "10.0", "GJ", None),
        ("04fb0d01000000", "energy", "4.1868", "MJ", None),
        ("0c1478563412", "volume", "123456.78", "m3", None),
        ("04fb2301000000", "volume", "3.785411784", "l", None),
        ("01fd0801", "access_number", "1", None, None),
        ("02fd48fc08", "voltage", "230.0", "V", None),
        ("02fdc8fc01fc08", "voltage", "230.0", "V", "voltage:l1"),
        ("02fdc8fc02fc08", "voltage", "230.0", "V", "voltage:l2"),
        ("04fd5987000000", "current", "0.135", "A", None),
        ("02fb2ef401", "frequency", "50.0", "Hz", None),
        ("02fb1aae01", "relative_humidity", "43.0", "%", None),
        ("04fb17afffffff", "reactive_power", "-81", "kvar", None),
        ("04fb9772afffffff", "reactive_power", "-0.0081", "kvar", None),
        ("02fdba736403", "dimensionless", "0.868", None, None),
        ("04933c05000000", "volume", "0.005", "m3", "volume:negative"),
        ("0493280b000000", "volume", "0.011", "m3", "volume:per_input_pulse_0"),
        ("0496220b000000", "volume_flow", "11", "m3/h", None),
        ("0483220b000000", "power", "11", "W", None),
        ("04937d0b000000", "volume", "11", "m3", None),
        ("02da79e803", "flow_temperature", "100.01", "degC", None),
        ("04be5001000000", "volume_flow_lower_limit_first_duration", "1", "s", None),
        ("026c8d11", "time_point", "2012-01-13", None, None),
        ("046d040c8d11", "time_point", "2012-01-13T12:04:00", None, None),
        ("066d37090e223205", "time_point", "2025-02-02T14:09:55", None, None),
        ("036d3b1e17", "time_point", "23:30:59", None, None),
        ("04da6f32147a18", "time_point", "2011-08-26T20:50:00", None, "flow_temperature_last_end_time"),
        ("097410", "actuality_duration", "10", "s", None),
        ("02fd170400", "error_flags", "4", None, None),
        ("02fd17ffff", "error_flags", "65535", None, None),
        ("026e0500", "hca", "5", "hca", None),
        ("04ff0a01000000", None, "1", None, "vif:ff0a"),
        ("04fb5001000000", None, "1", None, "vif:fb50"),
        ("0dfd0f05342e302e31", "software_version", "1.0.4", None, None),
        ("0d13c4785634fa", "volume", None, "m3", None),
        ("0d13c478563402", "volume", "2345.678", "m3", None),
        ("0d13d478563402", "volume", "-2345.678", "m3", None),
        ("0d13e201ff", "volume", "-0.255", "m3", None),
        ("055b00007841", "flow_temperature", "15.5", "degC", None),
        ("22fc0348522574d411", "relative_humidity", "45.64", "%", None),
        ("02fc7403485225d411", "relative_humidity", "45.64", "%", None),
        ("047c0143f30d0000", None, "3571", None, "C"),
    ],
)
def test_values(data: str, quantity: object, value: object, unit: object, address: object) -> None:
    assert shown(data) == (quantity, value, unit, address)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("0a5aaa01", "no number: 01AA"),
        ("0c13eeeeeeee", "no number: EEEEEEEE"),
        ("055b0000c07f", "not a number"),
        ("055b000080ff", "not a number"),
        ("026c0000", "no such date: 0000"),
        ("026cffff", "no such date: ffff"),
        ("026cc2f2", "no such date: c2f2"),
        ("046dffffffff", "the meter marks its time as invalid: ffffffff"),
        ("046d0000e1f1", "no such date: 0000e1f1"),
        ("046d3c0c8d11", "no such date: 3c0c8d11"),
        ("04ed1500000000", None),
        ("04931500000000", "no data available"),
        ("0013", "no data"),
        ("0813", "no data"),
    ],
)
def test_absent_values_are_not_zero(data: str, reason: str | None) -> None:
    reading = only(data)
    assert reading.value is None
    assert reading.raw is None or reason is not None
    assert reading.quality < Quality.SUSPECT
    assert reading.reason == reason or reason is None


def test_signs_and_doubts() -> None:
    assert only("0b621500f0").value == Decimal("-1.5")
    assert only("0b621500f0").raw == -15
    assert only("0a5a23f1").value == Decimal("-12.3")
    in_error = only("341301000000")
    assert (in_error.register.function, in_error.quality) == (Function.ERROR, Quality.SUSPECT)
    flagged = only("02a6180500")
    assert (flagged.value, flagged.quality, flagged.notes) == (Decimal(5), Quality.SUSPECT, ("data error",))
    assert only("046d048c8d11").notes == ("summer time",)
    assert only("055b00007841").notes == ("inexact",)


def test_centuries() -> None:
    assert only("026c0101").value == "2000-01-01"
    assert only("026c01a1").value == "2080-01-01"
    assert only("026c21a1").value == "1981-01-01"
    assert only("046d00202101").value == "2001-01-01T00:00:00"
    assert only("046d00200101").value == "2000-01-01T00:00:00"
    assert only("046d00400101").value == "2100-01-01T00:00:00"


def test_storage_tariff_subunit() -> None:
    register = only("848f0f1301000000").register
    assert (register.storage, register.tariff, register.subunit) == (510, 0, 0)
    register = only("c4d0301301000000").register
    assert (register.storage, register.tariff, register.subunit) == (1, 13, 1)


def test_equal_registers_are_told_apart() -> None:
    found = decode_records(bytes.fromhex("01fd3a0101fd3a0201fd3a03"), "1").readings
    assert [reading.register.address for reading in found] == [None, "dimensionless#2", "dimensionless#3"]
    assert len({reading.register.key for reading in found}) == 3


def test_fillers_maker_data_and_more() -> None:
    found = decode_records(bytes.fromhex("2f2f01fd08012f1f0102ff"), "1", base=100)
    assert [(raw.dif, raw.vif, raw.data, raw.offset) for raw in found.raw] == [(b"\x01", b"\xfd\x08", b"\x01", 102)]
    assert (found.manufacturer_data, found.more) == (b"\x01\x02\xff", True)
    assert decode_records(b"\x0f", "1").more is False


@pytest.mark.parametrize(
    ("data", "kind", "offset"),
    [
        ("0413010000", Truncated, 12),
        ("04", Truncated, 11),
        ("84", Truncated, 11),
        ("0493", Truncated, 12),
        ("0d13", Truncated, 12),
        ("0d130541", Truncated, 13),
        ("047c05414243", Truncated, 12),
        ("84" + "80" * 10 + "0413" + "00" * 4, BadValue, 10),
        ("04" + "93" * 11 + "3c" + "00" * 4, BadValue, 11),
        ("01fd08013f13", BadValue, 14),
        ("0d13fb00", Unsupported, 12),
    ],
)
def test_broken_records(data: str, kind: type[DecodeError], offset: int) -> None:
    with pytest.raises(kind) as caught:
        decode_records(bytes.fromhex(data), "1", base=10)
    assert caught.value.offset == offset


@st.composite
def dibs(draw: st.DrawFn) -> Dib:
    coding, size = draw(st.sampled_from(list(SIZES.values())))
    return Dib(
        coding,
        size,
        draw(st.sampled_from(Function)),
        draw(st.integers(0, 2**41 - 1)),
        draw(st.integers(0, 2**20 - 1)),
        draw(st.integers(0, 2**10 - 1)),
    )


@given(dibs())
def test_data_information_blocks_come_back(block: Dib) -> None:
    assert dib(block.octets) == block


def a_value(block: Dib, meant: Sense) -> st.SearchStrategy[object]:
    """Values that this coding can hold."""
    if block.coding == "variable":
        return st.text(st.characters(max_codepoint=255), max_size=60)
    if block.coding == "none":
        return st.none()
    if meant.kind is Kind.TIME:
        if block.size not in (2, 3, 4, 6) or block.coding == "real":
            return st.nothing()
        return moments(block.size)
    if block.coding == "real":
        whole = st.integers(-(2**20), 2**20)
    elif block.coding == "bcd":
        whole = st.integers(1 - 10 ** (2 * block.size - 1), 10 ** (2 * block.size) - 1)
    else:
        low = 0 if meant.kind is Kind.BITS else -(2 ** (8 * block.size - 1))
        whole = st.integers(low, 2 ** (8 * block.size - 1) - 1)
    exact = decimal.Context(prec=60)
    return whole.map(lambda raw: exact.fma(Decimal(raw), meant.factor, meant.offset or Decimal(0)))


def moments(size: int) -> st.SearchStrategy[str]:
    days = st.dates(date(1981, 1, 1), date(2080, 12, 31))
    if size == 2:
        return days.map(str)
    clocks = st.times().map(lambda clock: clock.replace(microsecond=0, second=clock.second if size != 4 else 0))
    if size == 3:
        return clocks.map(lambda clock: clock.isoformat())
    return st.tuples(days, clocks).map(lambda both: f"{both[0]}T{both[1].isoformat()}")


@st.composite
def values_with_records(draw: st.DrawFn) -> tuple[object, RawRecord]:
    block = draw(dibs())
    vif = extended(draw(st.sampled_from(VIFS)), draw(st.sampled_from(VIFES)))
    values = a_value(block, sense(vif))
    assume(not values.is_empty)
    value = draw(values)
    return value, record(block, vif, value)  # type: ignore[arg-type]


records = values_with_records().map(lambda pair: pair[1])


@given(values_with_records())
def test_values_come_back(pair: tuple[object, RawRecord]) -> None:
    value, raw = pair
    found = decode_records(raw.octets, "1")
    (reading,) = found.readings
    block, meant = dib(raw.dif), sense(raw.vif)
    assert encode_records(found.raw) == raw.octets
    assert reading.value == (None if meant.absent else value)
    assert (reading.register.storage, reading.register.tariff) == (block.storage, block.tariff)


@given(st.lists(records, max_size=8), st.binary(max_size=10), st.booleans())
def test_telegrams_come_back(raw: list[RawRecord], maker: bytes, more: bool) -> None:
    data = encode_records(raw, maker, more)
    found = decode_records(data, "1")
    assert [one.octets for one in found.raw] == [one.octets for one in raw]
    assert (found.manufacturer_data, found.more) == (maker, more)
    assert encode_records(found.raw, found.manufacturer_data, found.more) == data


@given(st.lists(records, max_size=8))
def test_data_without_headers(raw: list[RawRecord]) -> None:
    lengths = [b"" if one.lvar is None else bytes((one.lvar,)) for one in raw]
    data = b"".join(length + one.data for length, one in zip(lengths, raw, strict=True))
    headers = [(one.dif, one.vif) for one in raw]
    whole = decode_records(encode_records(raw), "1", status=3)
    assert decode_headers(headers, data, "1", status=3).readings == whole.readings
    with pytest.raises(BadValue):
        decode_headers(headers, data + b"\0", "1")
    if data:
        with pytest.raises(Truncated):
            decode_headers(headers, data[:-1], "1")


def same(one: Reading, other: Reading) -> bool:
    """Equal bit for bit: Decimal("1.0") is not Decimal("1.00") here."""
    return one == other and repr(one) == repr(other)


@given(st.data())
def test_learnt_layouts_agree_with_the_general_decoder(data: st.DataObject) -> None:
    """The second telegram of the same layout, whatever bytes its values have."""
    raw = data.draw(st.lists(records, min_size=1, max_size=8))
    maker = data.draw(st.binary(max_size=4))
    layouts = Layouts()
    layouts.decode(encode_records(raw, maker), "1")
    for _ in range(3):
        other = [replace(one, data=data.draw(st.binary(min_size=len(one.data), max_size=len(one.data)))) for one in raw]
        telegram = encode_records(other, maker)
        general = decode_records(telegram, "1", status=7)
        learnt = layouts.decode(telegram, "1", status=7)
        assert all(map(same, learnt.readings, general.readings))
        assert len(learnt.readings) == len(general.readings)
        assert learnt.manufacturer_data == general.manufacturer_data
        fast = layouts.values(telegram, "1")
        assert fast is not None
        assert list(fast[0]) == [reading.register for reading in general.readings]
        assert repr(list(fast[1])) == repr([reading.value for reading in general.readings])
    assert layouts.learnt == 1


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_layouts_on_rubbish(telegrams: list[bytes]) -> None:
    """Whatever came before, the learnt way gives what the general one gives, errors included."""
    layouts = Layouts(most=2)
    for telegram in telegrams + telegrams:
        general = outcome(decode_records, telegram)
        learnt = outcome(layouts.decode, telegram)
        if isinstance(general, tuple) or isinstance(learnt, tuple):
            assert learnt == general
        else:
            assert len(learnt.readings) == len(general.readings)
            assert all(map(same, learnt.readings, general.readings))
            assert (learnt.manufacturer_data, learnt.more) == (general.manufacturer_data, general.more)


@dataclass(frozen=True)
class Learnt:
    readings: tuple[Reading, ...]
    manufacturer_data: bytes
    more: bool


def outcome(decoder: Callable[..., Any], data: bytes) -> Learnt | tuple[type, str, int]:
    """What a decoder makes of data, or the error that it raises; nothing but a DecodeError may leave it."""
    try:
        found = decoder(data, "1", base=3)
    except DecodeError as error:
        return type(error), error.reason, error.offset
    return Learnt(found.readings, found.manufacturer_data, found.more)


@given(st.binary(max_size=120))
def test_rubbish_gives_errors_only(data: bytes) -> None:
    found = outcome(decode_records, data)
    if isinstance(found, tuple):
        assert 3 <= found[2] <= len(data) + 3
    else:
        raw, _, _ = split_records(data)
        assert all(one.octets == data[one.offset : one.offset + len(one.octets)] for one in raw)


def test_values_do_not_depend_on_the_callers_arithmetic() -> None:
    """A context of three digits rounds every sum that uses it."""
    data = bytes.fromhex("0c13785634120e03987654321098055b00ff7841")
    plain = [reading.value for reading in decode_records(data, "1").readings]
    with decimal.localcontext(prec=3):
        layouts = Layouts()
        assert [reading.value for reading in layouts.decode(data, "1").readings] == plain
        assert [reading.value for reading in layouts.decode(data, "1").readings] == plain
    assert plain[0] == Decimal("12345.678")


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(BadValue):
        record(Dib("bcd", 2), b"\x5a", Decimal("12345.6"))
    with pytest.raises(BadValue):
        record(Dib("int", 2), b"\x5a", Decimal("0.01"))
    with pytest.raises(BadValue):
        record(Dib("int", 1), b"\x13", Decimal("0.300"))
    with pytest.raises(BadValue):
        encode_moment("2026-13-01", 4)
    with pytest.raises(BadValue):
        record(Dib("int", 4), b"\x13", None)
    assert decode_records(record(Dib("bcd", 4), b"\x13", None).octets, "1").readings[0].value is None


def test_units_are_the_telegrams_own() -> None:
    units = [
        only(f"04{vif:02x}00000000").register.unit for vif in (0x03, 0x0B, 0x13, 0x2B, 0x33, 0x3B, 0x43, 0x4B, 0x5B)
    ]
    wanted = [Unit.WH, Unit.J, Unit.M3, Unit.W, Unit.J_PER_H, Unit.M3_PER_H, Unit.M3_PER_MIN, Unit.M3_PER_S, Unit.DEG_C]
    assert units == wanted


def test_split_keeps_the_wire_order() -> None:
    raw, _, _ = split_records(bytes.fromhex("0dfd0f05342e302e3102fc0348522574d411"))
    assert [(one.dif.hex(), one.vif.hex(), one.data.hex()) for one in raw] == [
        ("0d", "fd0f", "342e302e31"),
        ("02", "fc0348522574", "d411"),
    ]
