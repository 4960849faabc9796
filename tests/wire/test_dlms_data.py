"""COSEM data: every type there and back, compact arrays, dates and times, and what is no data at all."""

import struct
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue, DecodeError, Truncated
from metergate.wire.dlms import data as cosem
from metergate.wire.dlms.data import Data, DateTime, Tag
from metergate.wire.dlms.times import SUMMER, UNSPECIFIED

RANGES = {
    Tag.INT8: (-(2**7), 2**7 - 1),
    Tag.UINT8: (0, 2**8 - 1),
    Tag.ENUM: (0, 2**8 - 1),
    Tag.BCD: (0, 99),
    Tag.INT16: (-(2**15), 2**15 - 1),
    Tag.UINT16: (0, 2**16 - 1),
    Tag.INT32: (-(2**31), 2**31 - 1),
    Tag.UINT32: (0, 2**32 - 1),
    Tag.INT64: (-(2**63), 2**63 - 1),
    Tag.UINT64: (0, 2**64 - 1),
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def numbers() -> st.SearchStrategy[Data]:
    return st.one_of(*(st.builds(Data, st.just(tag), st.integers(*span)) for tag, span in RANGES.items()))


def floats(tag: Tag, width: int) -> st.SearchStrategy[Data]:
    exact = st.floats(allow_nan=False, allow_infinity=False, width=32 if width == 32 else 64)
    form = struct.Struct(">f" if width == 32 else ">d")
    return exact.map(lambda value: cosem.decode(bytes((tag,)) + form.pack(value))[0])


def scalars() -> st.SearchStrategy[Data]:
    return st.one_of(
        numbers(),
        st.just(cosem.NULL),
        st.builds(cosem.boolean, st.booleans()),
        st.builds(cosem.octets, st.binary(max_size=300)),
        st.builds(cosem.visible, TEXT),
        st.builds(lambda text: Data(Tag.UTF8_STRING, text), TEXT),
        st.builds(cosem.bits, st.text("01", max_size=70)),
        st.builds(lambda octets: Data(Tag.DATE_TIME, octets), st.binary(min_size=12, max_size=12)),
        st.builds(lambda octets: Data(Tag.DATE, octets), st.binary(min_size=5, max_size=5)),
        st.builds(lambda octets: Data(Tag.TIME, octets), st.binary(min_size=4, max_size=4)),
        floats(Tag.FLOAT32, 32),
        floats(Tag.FLOAT64, 64),
    )


def trees() -> st.SearchStrategy[Data]:
    return st.recursive(
        scalars(),
        lambda inner: st.builds(
            lambda tag, items: Data(tag, tuple(items)),
            st.sampled_from((Tag.ARRAY, Tag.STRUCTURE)),
            st.lists(inner, max_size=6),
        ),
        max_leaves=30,
    )


@given(trees())
def test_there_and_back(value: Data) -> None:
    octets = cosem.encode(value)
    assert cosem.decode(octets) == (value, len(octets))
    assert cosem.decode(b"\xff" + octets + b"\xff", 1) == (value, len(octets) + 1)


@given(trees(), st.data())
def test_what_is_cut_off_is_truncated(value: Data, draw: st.DataObject) -> None:
    octets = cosem.encode(value)
    cut = draw.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(Truncated) as caught:
        cosem.decode(octets[:cut])
    assert caught.value.offset <= cut


@given(st.binary(max_size=200))
def test_any_octets_are_data_or_an_error(octets: bytes) -> None:
    found = attempt(octets)
    if isinstance(found, DecodeError):
        assert 0 <= found.offset <= len(octets)
        return
    again = cosem.encode(found)
    assert cosem.encode(cosem.decode(again)[0]) == again


def attempt(octets: bytes) -> Data | DecodeError:
    """The value, or why it is none."""
    try:
        return cosem.decode(octets)[0]
    except DecodeError as error:
        return error


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(-(2**31), 2**31 - 1), st.binary(max_size=5)), max_size=20))
def test_compact_arrays(rows: list[tuple[int, int, bytes]]) -> None:
    elements = tuple(
        cosem.structure(cosem.u8(one), cosem.array(cosem.i32(two), cosem.i32(-1)), cosem.octets(three))
        for one, two, three in rows
    )
    value = Data(Tag.COMPACT_ARRAY, elements)
    octets = cosem.encode(value)
    assert cosem.decode(octets) == (value, len(octets))
    if len(rows) > 10:
        assert len(octets) < len(cosem.encode(cosem.array(*elements)))


@pytest.mark.parametrize(
    "octets",
    [
        "13 02 01 00 02 11 22",  # null elements have no content: how many are there?
        "13 01 ffff 01 ffff 00 01 00",  # four billion nulls in one octet
        "13 13 00 00",
        "0d 1a",
        "04",
        "85",
        "ff",
        "09 80",
        "09 85 00 00 00 00 01",
    ],
)
def test_what_is_no_data(octets: str) -> None:
    with pytest.raises((BadValue, Truncated)):
        cosem.decode(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["09 84 ffffffff 00", "01 84 7fffffff 00", "04 84 ffffffff 00", "13 11 84 ffffffff"])
def test_a_length_is_not_believed(octets: str) -> None:
    with pytest.raises(Truncated):
        cosem.decode(bytes.fromhex(octets))


def test_nesting_has_an_end() -> None:
    assert cosem.decode(b"\x02\x01" * 16 + b"\x00")[1] == 33
    for deep in (b"\x02\x01" * 17 + b"\x00", b"\x01\x01" * 5000 + b"\x00", b"\x13" + b"\x02\x01" * 50 + b"\x11\x00"):
        with pytest.raises(BadValue, match="deeper"):
            cosem.decode(deep)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("17 41200000", "10"),
        ("17 3dcccccd", "0.1"),
        ("17 c2c80000", "-100"),
        ("18 3fb999999999999a", "0.1"),
        ("17 7f7fffff", "3.4028235e38"),
    ],
)
def test_floats_are_the_shortest_number(octets: str, value: str) -> None:
    found, _ = cosem.decode(bytes.fromhex(octets))
    assert found.value == Decimal(value)
    assert cosem.encode(found) == bytes.fromhex(octets)


def test_floats_that_are_none() -> None:
    assert str(cosem.decode(bytes.fromhex("177fc00000"))[0].value) == "NaN"
    assert cosem.decode(bytes.fromhex("17ff800000"))[0].value == Decimal("-Infinity")


def test_values_that_do_not_fit() -> None:
    wrong: list[Data] = [
        cosem.u8(256),
        cosem.i16(-(2**15) - 1),
        Data(Tag.DATE, b"1234"),
        Data(Tag.COMPACT_ARRAY, (cosem.u8(1), cosem.u16(1))),
        Data(Tag.COMPACT_ARRAY, (cosem.NULL,)),
        Data(Tag.COMPACT_ARRAY, (cosem.array(cosem.u8(1), cosem.u16(1)),)),
    ]
    for value in wrong:
        with pytest.raises((OverflowError, ValueError)):
            cosem.encode(value)


def test_asking_a_value_for_what_it_is_not() -> None:
    assert cosem.structure(cosem.u8(7))[0].number == 7
    assert cosem.visible("ab").octets == b"ab"
    for asked in (lambda: cosem.visible("7").number, lambda: cosem.u8(7).octets, lambda: cosem.bits("1").octets):
        with pytest.raises(BadValue):
            asked()
    with pytest.raises(TypeError):
        cosem.u8(7)[0]
    with pytest.raises(BadValue, match="after"):
        cosem.decode_all(b"\x00\x00")


# ---- dates and times -------------------------------------------------------------------------------------------------
OSLO = timezone(timedelta(hours=1))


@given(st.binary(min_size=12, max_size=12))
def test_any_twelve_octets_are_a_date_time(octets: bytes) -> None:
    found = DateTime.parse(octets)
    assert found.octets == octets
    instant = found.instant(OSLO)
    assert instant is None or (instant.tzinfo is UTC and found.exact)
    assert str(found)


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)).map(lambda at: at.replace(microsecond=0)),
    st.integers(-720, 720),
    st.booleans(),
)
def test_an_instant_there_and_back(local: datetime, minutes: int, inverted: bool) -> None:
    at = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    found = DateTime.of(at, inverted=inverted)
    assert DateTime.parse(found.octets).instant(inverted=inverted) == at
    assert found.weekday == at.isoweekday()
    assert found.deviation == (minutes if inverted else -minutes)


def test_a_captured_time() -> None:
    # pwitab/dlms-cosem tests/test_a_xdr (MIT): an hour before local time in winter.
    found = DateTime.parse(bytes.fromhex("07e30c100108000000ffc400"))
    assert found.instant() == datetime(2019, 12, 16, 7, tzinfo=UTC)
    assert found.instant(inverted=True) == datetime(2019, 12, 16, 9, tzinfo=UTC)
    assert str(found) == "2019-12-16 08:00:00 (-60 min)"


def test_an_unspecified_deviation_needs_a_zone() -> None:
    found = DateTime(2024, 7, 1, 1, 12, 0, 0)
    assert (found.deviation, found.instant()) == (UNSPECIFIED, None)
    assert found.instant(OSLO) == datetime(2024, 7, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "pattern",
    [DateTime(), DateTime(2024, 2, 30, 0xFF, 1, 1, 1), DateTime(2024, 2, 1, 0xFF, 24, 0, 0), DateTime(2024, 0xFE, 1)],
)
def test_patterns_are_no_instants(pattern: DateTime) -> None:
    assert pattern.instant(UTC) is None


@pytest.mark.parametrize(
    ("pattern", "day", "fits"),
    [
        (DateTime(), date(2024, 5, 6), True),
        (DateTime(month=5, day=0xFE), date(2024, 5, 31), True),
        (DateTime(month=2, day=0xFD), date(2024, 2, 28), True),
        (DateTime(weekday=1), date(2024, 5, 6), True),
        (DateTime(weekday=2), date(2024, 5, 6), False),
        (DateTime(2023), date(2024, 5, 6), False),
    ],
)
def test_patterns_name_days(pattern: DateTime, day: date, fits: bool) -> None:
    assert pattern.matches(day) is fits


def test_parts_of_a_date_time() -> None:
    found = DateTime.parse(bytes.fromhex("07e8 0506 01"))
    assert (found.year, found.month, found.day, found.weekday, found.hour) == (2024, 5, 6, 1, 0xFF)
    assert DateTime.parse(b"\x01\x02\x03\x04").time == b"\x01\x02\x03\x04"
    assert found.date == bytes.fromhex("07e8050601")
    with pytest.raises(BadValue):
        DateTime.parse(b"123")
    with pytest.raises(ValueError, match="zone"):
        DateTime.of(datetime(2024, 1, 1))


def test_summer_time_is_told() -> None:
    found = DateTime.of(datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")))
    assert (found.deviation, found.status) == (-120, SUMMER)
