"""Zigbee attributes in a Glow cloud message: the sample's numbers, invalid values, both ways, and anything at all."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue
from metergate.model import Function, Obis, Reading, TimeQuality, Unit
from metergate.wire.zigbee import ATTRIBUTES, METERS, Shown, decode, encode

SAMPLE = (
    '{"elecMtr":{"0702":{"03":{"01":"00000001","04":"00","02":"000003E8","07":"1023497978063","03":"2B","08":"","00":"00",'
    '"06":"00"},"00":{"07":"00000000","01":"000000000000","00":"0000004D64CC","14":"02","02":"000000000000"},'
    '"04":{"01":"001F23","40":"011C3C","30":"004A12","00":"000009F3"},"02":{"00":"00"}},'
    '"0705":{"00":{"01":"00000000","00":"0C94"}},"0708":{"01":{"01":"NPOWER NORTHERN"}}},'
    '"gasMtr":{"0702":{"03":{"01":"00000001","12":"00","02":"000003E8","07":"7443608110","03":"2B","08":"","00":"01",'
    '"06":"80"},"00":{"00":"00000022D37B","14":"02"},"0C":{"01":"009A1C","40":"0440B4","30":"015DF5"},"02":{"00":"00"}},'
    '"0705":{"00":{"01":"00000000","00":"0C94"}},"0708":{"01":{"01":""}}},'
    '"ts":"2020-10-06 20:53:16","hversion":"GLOW-IHD-01-1v4-SMETS2","time":"5F7CD93C","gmtime":1602017596,'
    '"pan":{"rssi":"BF","lqi":"8C"},"smetsVer":"SMETS2","gid":"0123456789ABCDEF"}'
)
ELECTRICITY, GAS = "1023497978063", "7443608110"


def by_name(readings: tuple[Reading, ...]) -> dict[tuple[str, str | None], Reading]:
    return {(reading.meter, reading.register.quantity): reading for reading in readings}


def changed(path: str, value: Any) -> str:
    """The sample with one attribute changed; None takes it away."""
    message = json.loads(SAMPLE)
    *way, last = path.split(".")
    place = message
    for name in way:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(message)


def test_the_numbers_of_the_sample() -> None:
    found = by_name(decode(SAMPLE))
    told = {(meter, name): reading.value for (meter, name), reading in found.items()}
    assert told == {
        (ELECTRICITY, "import"): Decimal("5072.076"),
        (ELECTRICITY, "export"): Decimal("0.000"),
        (ELECTRICITY, "maximum_demand"): Decimal("0.000"),
        (ELECTRICITY, "demand"): Decimal("2.547"),
        (ELECTRICITY, "import_day"): Decimal("7.971"),
        (ELECTRICITY, "import_week"): Decimal("18.962"),
        (ELECTRICITY, "import_month"): Decimal("72.764"),
        (ELECTRICITY, "supply"): "on",
        (ELECTRICITY, "status"): "00",
        (ELECTRICITY, "credit"): Decimal(0),
        (ELECTRICITY, "supplier"): "NPOWER NORTHERN",
        (GAS, "import"): Decimal("2282.363"),
        (GAS, "energy_day"): Decimal("39.452"),
        (GAS, "energy_week"): Decimal("89.589"),
        (GAS, "energy_month"): Decimal("278.708"),
        (GAS, "supply"): "on",
        (GAS, "status"): "00",
        (GAS, "credit"): Decimal(0),
    }
    assert {reading.meter_time for reading in found.values()} == {datetime(2020, 10, 6, 20, 53, 16, tzinfo=UTC)}


def test_codes_and_units() -> None:
    found = by_name(decode(SAMPLE))
    shown = {name: (str(r.obis), r.unit) for name, r in found.items() if r.obis}
    assert shown == {
        (ELECTRICITY, "import"): ("1-0:1.8.0", Unit.KWH),
        (ELECTRICITY, "export"): ("1-0:2.8.0", Unit.KWH),
        (ELECTRICITY, "maximum_demand"): ("1-0:1.6.0", Unit.KW),
        (ELECTRICITY, "demand"): ("1-0:16.7.0", Unit.KW),
        (GAS, "import"): ("7-0:3.0.0", Unit.M3),
    }
    assert found[GAS, "energy_day"].unit is Unit.KWH
    assert found[ELECTRICITY, "maximum_demand"].register.function is Function.MAXIMUM
    assert found[ELECTRICITY, "import"].obis == Obis.parse("1-0:1.8.0")


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("FFFFF60D", "-2.547"),
        ("FFF60D", "-2.547"),
        ("7FFFFF", "8388.607"),
        ("800000", None),
        ("80000000", None),
        ("FFFFFFFF", "-0.001"),
        ("not hex!", None),
    ],
)
def test_demand_is_signed(digits: str, expected: str | None) -> None:
    found = by_name(decode(changed("elecMtr.0702.04.00", digits)))[ELECTRICITY, "demand"]
    assert found.value == (Decimal(expected) if expected else None)
    assert (found.reason is None) is (expected is not None)


@pytest.mark.parametrize("path", ["elecMtr.0702.00.00", "elecMtr.0702.04.01", "gasMtr.0702.0C.30"])
def test_all_bits_set_is_no_value(path: str) -> None:
    digits = {"00.00": 12}.get(path[-5:], 6)
    before, after = by_name(decode(SAMPLE)), by_name(decode(changed(path, "F" * digits)))
    gone = [name for name in before if before[name].value != after[name].value]
    assert [after[name].value for name in gone] == [None]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("elecMtr.0702.03", None),
        ("elecMtr.0702.03.02", "00000000"),
        ("elecMtr.0702.03.02", None),
        ("elecMtr.0702.03.00", "07"),
        ("elecMtr.0702", 5),
    ],
)
def test_a_meter_that_cannot_be_scaled_is_absent(path: str, value: Any) -> None:
    assert {reading.meter for reading in decode(changed(path, value))} == {GAS}


def test_multiplier_and_divisor_are_exact() -> None:
    third = by_name(decode(changed("elecMtr.0702.03.02", "00000003")))
    assert third[ELECTRICITY, "import"].value == Decimal(5072076) / 3
    assert third[ELECTRICITY, "import_day"].value == Decimal(7971) / 3
    seventh = by_name(decode(changed("elecMtr.0702.03.02", "00000007")))[ELECTRICITY, "import"]
    assert (seventh.value, seventh.reason) == (None, "no exact decimal")
    eighth = by_name(decode(changed("elecMtr.0702.03.02", "00000008")))[ELECTRICITY, "import_day"]
    assert eighth.value == Decimal("996.375")
    fold = by_name(decode(changed("elecMtr.0702.03.01", "0000000A")))[ELECTRICITY, "import"]
    assert fold.value == Decimal("50720.76")


def test_the_epoch_is_a_setting() -> None:
    found = decode(SAMPLE, epoch="zigbee", at=datetime(2026, 1, 1, tzinfo=UTC))
    assert {(r.meter_time, r.time_quality) for r in found} == {
        (datetime(2050, 10, 6, 20, 53, 16, tzinfo=UTC), TimeQuality.DOUBTFUL)
    }
    with pytest.raises(BadValue, match="epoch"):
        decode(SAMPLE, epoch="2001")


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b"\xff\xff", b'{"elecMtr":1}', b"[" * 5000, b"{" + b" " * 20000]
)
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(BadValue):
        decode(payload)


values = st.decimals(0, Decimal("16777.214"), places=3)
demands = st.decimals(Decimal("-2000000"), Decimal("2000000"), places=3)


@st.composite
def shown(draw: st.DrawFn, gas: bool) -> Shown:
    wanted = [one for one in ATTRIBUTES if (one.group == "0C") <= gas and (one.kind != "demand" or not gas)]
    drawn = {one.quantity: draw(st.none() | (demands if one.quantity == "demand" else values)) for one in wanted}
    return Shown(GAS if gas else ELECTRICITY, drawn, Unit.M3 if gas else Unit.KWH)


@given(shown(gas=False), shown(gas=True), st.sampled_from(["unix", "zigbee"]))
def test_messages_come_back(electricity: Shown, gas: Shown, epoch: str) -> None:
    time = datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)
    found = by_name(decode(encode({"elecMtr": electricity, "gasMtr": gas}, time, epoch=epoch), epoch))
    for meter in (electricity, gas):
        for name, value in meter.values.items():
            assert found[meter.number, name].value == value
    assert {reading.meter_time for reading in found.values()} == {time}


@pytest.mark.parametrize("value", ["0.0005", "-1", "99999999999999"])
def test_what_has_no_hex_form_is_refused(value: str) -> None:
    with pytest.raises(BadValue, match="import"):
        encode({"elecMtr": Shown(ELECTRICITY, {"import": Decimal(value)})}, datetime(2026, 1, 1, tzinfo=UTC))


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("0FfE1x ", max_size=14),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["0702", "0705", "0708", "00", "01", "02", "03", "04", "14", *METERS]), inner)
    ),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from([*METERS, "time", "ts"]), trees))
def test_no_tree_makes_it_raise_anything_else(tree: dict[str, Any]) -> None:
    try:
        found = decode(json.dumps(tree))
    except BadValue:
        return
    assert all(isinstance(reading, Reading) for reading in found)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise_anything_else(payload: bytes) -> None:
    with pytest.raises(BadValue):
        decode(payload)
