"""Makers' own formats in telegrams that are made here, one family after the other."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import all_of
from metergate.crypto.aes import Aes
from metergate.model import Medium, Quality, Unit
from metergate.wire.base import Telegram
from metergate.wire.wmbus import Address, Decoder, Receiver, receiver
from metergate.wire.wmbus.makers.apator import WIDTHS
from metergate.wire.wmbus.makers.diehl import CHECK, KEYS, stream
from telegrams import frame, named, one


# --- Techem ----------------------------------------------------------------------------------------------------------
def date_word(year: int, month: int, number: int) -> bytes:
    return (number | month << 5 | year - 2000 << 9).to_bytes(2, "little")


@given(st.integers(0, 0xFFFFFF), st.integers(0, 0xFFFFFF))
def test_techem_heat_adds_last_and_running_period(last: int, running: int) -> None:
    data = b"\0" + date_word(2025, 12, 31) + last.to_bytes(3, "little") + b"\x60" + running.to_bytes(3, "little")
    for version, device, unit in ((0x45, 0x43, Unit.KWH), (0x27, 0xC3, Unit.MJ)):
        found = one(frame(Address.named("41700001", "TCH", version, device), 0xA1, data + bytes(20)))
        assert found.meter is not None
        assert found.meter.medium is Medium.HEAT
        assert {reading.unit for reading in found.readings if reading.register.quantity == "energy"} == {unit}
        assert named(found.readings, "energy", address="energy:period").value == running
        assert named(found.readings, "energy", 1).value == last
        assert named(found.readings, "energy", address="energy:total").value == last + running
        assert named(found.readings, "time_point", 1).value == "2025-12-31"


@pytest.mark.parametrize(("month", "number", "day"), [(4, 27, "2026-04-27"), (12, 31, "2026-12-31")])
def test_techem_water_dates_the_running_period_after_the_last(month: int, number: int, day: str) -> None:
    now = (number << 4 | month << 9).to_bytes(2, "little")
    data = b"\6" + date_word(2025, 12, 31) + (89).to_bytes(2, "little") + now + (49).to_bytes(2, "little")
    found = one(frame(Address.named("34333231", "TCH", 0x74, 0x62), 0xA2, data))
    assert named(found.readings, "volume", address="volume:total").value == Decimal("13.8")
    assert named(found.readings, "time_point").value == day


def test_techem_with_an_impossible_date_is_refused() -> None:
    data = b"\0" + date_word(2025, 13, 31) + bytes(20)
    found = one(frame(Address.named("41700001", "TCH", 0x45, 0x43), 0xA1, data))
    assert not found.readings
    assert [problem.code for problem in found.problems] == ["bad_value"]


def test_techem_smoke() -> None:
    who = Address.named("91633569", "TCH", 0x76, 0xF0)
    for state, notes in ((0x01, ("smoke",)), (0x00, ())):
        found = one(frame(who, 0xA0, bytes((state,)) + date_word(2025, 12, 31)))
        assert named(found.readings, "error_flags").notes == notes


# --- Diehl PRIOS -----------------------------------------------------------------------------------------------------
def prios(
    who: Address, total: int, month: int, key: int, end: bytes = b"\x3e\x34", clear: bytes = b"\x21\x17\0"
) -> bytes:
    plain = bytes((CHECK,)) + total.to_bytes(4, "little") + month.to_bytes(4, "little") + end
    open_ = frame(who, 0xA1, clear + b"\x13" + bytes(len(plain)))
    hidden = stream(open_, key)
    return open_[: -len(plain)] + bytes(a ^ b for a, b in zip(plain, hidden, strict=True))


@given(st.integers(0, 99_999_999), st.integers(0, 99_999_999), st.sampled_from(KEYS), st.binary(min_size=4, max_size=4))
def test_prios_both_ways(first: int, second: int, key: int, number: bytes) -> None:
    total, month = max(first, second), min(first, second)
    who = Address(Address.named("0", "SAP", 0, 0).maker, number, 0x15, 0x04)
    found = one(prios(who, total, month, key))
    if found.problems:  # the other key's stream gives the check byte as well, one time in 256
        assert not found.readings
        return
    assert found.meter is not None
    assert found.meter.medium is Medium.WATER
    if named(found.readings, "volume").raw == total:
        assert named(found.readings, "volume").value == Decimal(total).scaleb(-3)
        assert named(found.readings, "volume", 1).raw == month
        assert named(found.readings, "time_point", 1).value == "2025-04-30"
        assert named(found.readings, "remaining_battery").value == Decimal("11.5")
        assert named(found.readings, "transmission_interval").value == 8


WHO = Address.named("20481979", "SAP", 0x15, 0x04)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (prios(WHO, 5, 4, 0x12345678), "wrong_key"),
        (prios(WHO, 4, 5, KEYS[0]), "bad_value"),
        (prios(WHO, 5, 4, KEYS[0], end=b"\x3f\x34"), "bad_value"),
    ],
)
def test_prios_that_cannot_be_is_refused(data: bytes, code: str) -> None:
    found = one(data)
    assert not found.readings
    assert [problem.code for problem in found.problems] == [code]


def test_prios_names_its_alarms() -> None:
    found = one(prios(WHO, 4, 5, KEYS[1], clear=b"\x21\x97\x80"))
    assert named(found.readings, "error_flags").notes == ("leakage", "back flow")
    assert named(found.readings, "volume", 1).raw == 5


# --- Apator ----------------------------------------------------------------------------------------------------------
A162 = Address.named("00148686", "APA", 5, 7)


def registers(*parts: bytes) -> bytes:
    body = b"\x2f\x2f\x0f" + bytes(7) + b"".join(parts)
    return body + b"\xff" * (-(len(body) + 2) % 16) + b"\x12\x34"


@given(
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.sampled_from(sorted(set(WIDTHS) - {0x10, 0x43})), max_size=4),
    st.lists(st.sampled_from(sorted(set(WIDTHS) - {0x10, 0x43})), max_size=4),
    st.data(),
)
def test_apator_16_2_finds_its_total_among_any_registers(
    total: int, before: list[int], after: list[int], data: st.DataObject
) -> None:
    def filled(code: int) -> bytes:
        return bytes((code,)) + data.draw(st.binary(min_size=WIDTHS[code], max_size=WIDTHS[code]))

    parts = [*map(filled, before), b"\x10" + total.to_bytes(4, "little"), *map(filled, after)]
    found = one(frame(A162, 0x7A, registers(*parts), b"\x01"))
    assert named(found.readings, "volume").value == Decimal(total).scaleb(-3)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (registers(b"\x10\x01\0\0\0", b"\x0a\0"), "unsupported"),
        (registers(b"\x43\x01\0"), "unsupported"),
        (b"\x2f\x2f\x0f" + bytes(7) + b"\x10\x01\0\0\0\x7b\x01\x02\x12\x34", "bad_value"),
        (b"\x30\x2f" + registers(b"\x10\x01\0\0\0")[2:], "bad_value"),
    ],
)
def test_apator_16_2_of_unknown_shape_is_refused(data: bytes, code: str) -> None:
    found = one(frame(A162, 0x7A, data, b"\x01"))
    assert not found.readings
    assert [problem.code for problem in found.problems] == [code]


NA1 = Address.named("04913581", "APA", 0x14, 0x07)
KEY = bytes(range(16))


def na1(key: bytes) -> bytes:
    plain = b"\x2f\x10\x0a\0\0" + (800_000_000).to_bytes(4, "little") + b"\x02\x04\x01\0\0\0\0"
    hidden = Aes(key).cbc_encrypt(NA1.octets + b"\x55" * 8, plain)
    return frame(NA1, 0xA0, b"\x55\x01" + hidden)


@pytest.mark.parametrize("key", [b"", KEY])
def test_apator_na1_with_its_own_key_and_with_that_of_the_factory(key: bytes) -> None:
    found = one(na1(key or bytes(16)), key.hex())
    assert named(found.readings, "volume").value == Decimal("1.600")
    assert named(found.readings, "volume", 1).value == Decimal("1.560")
    assert named(found.readings, "time_point").value == "2025-05-08T06:13:20"
    assert named(found.readings, "age", 1).value == 258


def test_apator_na1_with_a_wrong_and_a_missing_key() -> None:
    for key, code in (("", "key_missing"), ("ab" * 16, "wrong_key")):
        found = one(na1(KEY), key)
        assert not found.readings
        assert [problem.code for problem in found.problems] == [code]


def test_apator_counts_of_a_third_are_rounded_and_say_so() -> None:
    data = (10).to_bytes(4, "little") + bytes(8) + b"\xff\x05" + (9).to_bytes(4, "little")
    found = one(frame(Address.named("00149c06", "APT", 0x0F, 0x0F), 0xA0, data))
    assert named(found.readings, "volume").value == Decimal("0.003333")
    assert "rounded to six decimals" in named(found.readings, "volume").notes


# --- B Meters, BFW, Zenner, Qundis -----------------------------------------------------------------------------------
HYDRODIGIT = Address.named("87654322", "BMT", 0x13, 0x07)
VOLUME = bytes.fromhex("0c1363020400")


def test_a_month_without_a_value_is_not_zero() -> None:
    months = b"".join(n.to_bytes(3, "little") for n in [*range(11), 0xFFFFFF])
    found = one(frame(HYDRODIGIT, 0x7A, VOLUME + b"\x0f\x95\x0a\x24\x04\x25\x07\0\0\0" + months, b"\x01"))
    assert named(found.readings, "volume", address=None).value == Decimal("40.263")
    assert named(found.readings, "volume", 1).value == 0
    assert named(found.readings, "volume", 11).value == Decimal("0.10")
    december = named(found.readings, "volume", 12)
    assert (december.value, december.quality) == (None, Quality.ABSENT)
    assert named(found.readings, "volume", 0, "volume:backward").value == Decimal("0.007")
    assert named(found.readings, "voltage").value == Decimal("3.05")
    assert named(found.readings, "time_point", 0, "time_point:leak").value == "2024-04-25"


def test_a_block_that_lacks_what_it_announces_spoils_the_telegram() -> None:
    data = frame(HYDRODIGIT, 0x7A, VOLUME + b"\x0f\x15\x0a\0\0\0\0\x01", b"\x01")
    found = one(data)
    assert not found.readings
    assert [(problem.code, problem.offset) for problem in found.problems] == [("truncated", len(data) - 1)]


def test_the_same_meter_with_and_without_its_block() -> None:
    ears = receiver({}, {})
    with_block = frame(HYDRODIGIT, 0x7A, VOLUME + b"\x0f\x01\x0a", b"\x01")
    without = frame(HYDRODIGIT, 0x7A, VOLUME + b"\x2f\x2f\x2f", b"\x02")
    for data, count in ((without, 1), (with_block, 2), (without, 1), (with_block, 2)):
        (found,) = all_of(ears, data)
        assert isinstance(found, Telegram)
        assert len(found.readings) == count


@given(st.lists(st.integers(0, 0xFFF), min_size=18, max_size=18), st.integers(0, 65535), st.integers(0, 65535))
def test_bfw_240_radio_both_ways(months: list[int], last: int, running: int) -> None:
    row = b""
    for even, odd in zip(months[::2], months[1::2], strict=True):
        row = bytes((odd & 0xFF, odd >> 8 << 4 | even >> 8, even & 0xFF)) + row
    data = b"\x2f\x2f\x6f\x1f" + last.to_bytes(2) + running.to_bytes(2) + b"\x14\x70" + row + b"\x26\x02\x21"
    found = one(frame(Address.named("00707447", "BFW", 2, 8), 0x7A, data, b"\x01"))
    assert named(found.readings, "hca").value == running
    assert named(found.readings, "hca", 1).value == last
    assert [named(found.readings, "hca", n + 2).value for n in range(18)] == months
    assert named(found.readings, "time_point").value == "2021-02-26"


def test_zenner_counts_parts_of_a_litre_exactly() -> None:
    data = b"\x0f" + bytes(4) + (256 * 7103 + 128).to_bytes(4, "little") + (256 * 17062).to_bytes(4, "little") + b"\0"
    found = one(frame(Address.named("50087367", "ZRI", 0x0B, 0x16), 0x7A, data, b"\x01"))
    assert named(found.readings, "volume").value == Decimal("17.062")
    assert named(found.readings, "volume", 1).value == Decimal("7.1035")


def walk_by(coding: str, differences: list[int]) -> bytes:
    head = bytes.fromhex("0082da0000600107") + bytes.fromhex(coding) + b"\xff\xff"
    values = bytes.fromhex("48200000bf2c91170000df2120200000")
    return head + values + b"".join(n.to_bytes(2, "little", signed=True) for n in differences) + b"\x2f"


QUNDIS = Address.named("12353648", "QDS", 0x16, 0x06)


def test_qundis_walk_by() -> None:
    block = walk_by("c113", [-32768, 1, -2, *range(9)])
    found = one(frame(QUNDIS, 0x78, b"\x0d\xff\x5f\x35" + block))
    assert [named(found.readings, "volume", n).value for n in (1, 17)] == [Decimal("1.791"), Decimal("2.020")]
    assert [named(found.readings, "time_point", n).value for n in (1, 17)] == ["2021-12-31", "2022-01-31"]
    by_place = {reading.register.address: reading for reading in found.readings}
    assert by_place[None].unit is Unit.M3
    assert by_place["volume:difference#1"].value is None
    assert by_place["volume:difference#1"].quality is Quality.ABSENT
    assert by_place["volume:difference#3"].value == Decimal("-0.002")


def test_a_qundis_block_of_another_make_stays_as_it_is() -> None:
    block = walk_by("e113", [0] * 12)
    (reading,) = one(frame(QUNDIS, 0x78, b"\x0d\xff\x5f\x35" + block)).readings
    assert reading.register.address == "vif:ff5f"


def test_the_meter_behind_an_adapter_that_names_it() -> None:
    adapter = Address.named("78563411", "QDS", 0x23, 0x37)
    meter = Address.named("31547698", "QDS", 0x23, 0x04)
    found = one(frame(adapter, 0x78, b"\x07\x79" + meter.long_octets + b"\x04\x05\x01\0\0\0"))
    assert found.meter is not None
    assert (found.meter.id, found.meter.medium) == ("31547698", Medium.HEAT)
    assert {reading.meter for reading in found.readings} == {"31547698"}
    same = one(frame(adapter, 0x78, b"\x07\x79" + adapter.long_octets + b"\x04\x05\x01\0\0\0"))
    assert same.meter is not None
    assert (same.meter.id, same.meter.medium) == ("78563411", Medium.RADIO_CONVERTER)


def test_what_a_maker_means_otherwise_is_read_the_short_way_too() -> None:
    who = Address.named("61917653", "DME", 0x40, 0x04)
    decoder = Decoder()
    ears = Receiver(decoder.decode)
    for number in (56, 57, 58):
        data = b"\x0a\x62" + bytes.fromhex(f"{number:04d}")[::-1] + b"\x0b\x3b\x29\x02\x00"
        (found,) = all_of(ears, frame(who, 0x7A, data, bytes((number,))))
        assert isinstance(found, Telegram)
        difference = named(found.readings, "temperature_difference")
        assert (difference.value, difference.unit) == (Decimal(number) / 10, Unit.DEG_C)
        assert named(found.readings, "volume_flow").unit is Unit.M3_PER_H
