"""IEC 62056-21: what is heard in any chunking, what it means, what is refused; learnt layouts."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import all_of, cut
from metergate.model import Medium, Quality, Reading, TimeQuality, Unit
from metergate.wire import protocol, protocols
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.contract import respond
from metergate.wire.iec62056 import Identification, Receiver, explain, frame, guess
from metergate.wire.iec62056.datasets import data_set, readout
from metergate.wire.iec62056.frame import Block, Command, Option, Request
from metergate.wire.iec62056.profile import Channel, Section, encode
from metergate.wire.iec62056.scanner import Scanner

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora"))
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SETS = (
    data_set("F.F", "00"),
    data_set("C.1.0", "0012345678"),
    data_set("1.8.0", "000285.4*kWh"),
    data_set("1.8.0*01", "000270.1*kWh"),
    data_set("16.7.0", "-00.512*kW"),
    data_set("0.9.1", "120000"),
)
WHO = Identification("MGT", "5", "M1 V2.0")
READOUT = WHO.encode() + Block(readout(SETS)).encode()
PUSHED = WHO.encode() + b"\r\n" + readout(SETS).encode()


def rows() -> list[dict[str, Any]]:
    path = CORPORA / "iec62056_21/readouts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def heard(data: bytes, **options: object) -> list[Found]:
    return all_of(Receiver(None, options), data)


def only(data: bytes, **options: object) -> Telegram:
    (found,) = heard(data, **options)
    assert isinstance(found, Telegram), found
    return found


def codes(found: Sequence[Found]) -> list[str]:
    return [item.code for item in found if isinstance(item, Problem)]


def values(telegram: Telegram) -> dict[str | None, Any]:
    return {reading.register.address: reading.value for reading in telegram.readings}


# --- on the line -----------------------------------------------------------------------------------------------------
def test_a_readout() -> None:
    telegram = only(READOUT)
    assert (telegram.offset, telegram.length, telegram.valid, telegram.data) == (0, len(READOUT), True, READOUT)
    assert telegram.meter
    assert (telegram.meter.id, telegram.meter.manufacturer) == ("0012345678", "MGT")
    assert (telegram.meter.medium, telegram.meter.model) == (Medium.ELECTRICITY, "M1 V2.0")
    assert values(telegram) == {
        "F.F": "00",
        "C.1.0": "0012345678",
        "1.8.0": Decimal("285.4"),
        "1.8.0*01": Decimal("270.1"),
        "16.7.0": Decimal("-0.512"),
        "0.9.1": "120000",
    }
    energy = telegram.readings[2]
    assert (str(energy.obis), energy.unit, energy.register.scaler) == ("1-0:1.8.0", Unit.KWH, -1)
    assert str(telegram.readings[3].obis) == "1-0:1.8.0*1"
    assert {reading.quality for reading in telegram.readings} == {Quality.GOOD}


MESSAGES = (
    READOUT,
    PUSHED,
    b"/?4711!\r\n",
    WHO.encode(),
    b"\x06050\r\n",
    b"\x06",
    b"\x15",
    Command("R1", "1.8.0()").encode(),
    Block("1.8.0(000285.4*kWh)").encode(),
    Block("(ER01)").encode(),
    readout(SETS).encode(),
    b"\x02" + readout(SETS).encode(),
    b"\0\0\0",
    bytes(octet | (octet.bit_count() % 2) << 7 for octet in PUSHED),
    READOUT[:60],
    READOUT[:-1] + b"\x00",
)


@given(
    st.lists(st.sampled_from(MESSAGES) | st.binary(max_size=12), max_size=6),
    st.lists(st.integers(0, 5000), max_size=12),
)
def test_chunks_make_no_difference(parts: list[bytes], places: list[int]) -> None:
    data = b"".join(parts)
    whole = all_of(Receiver(), data)
    assert all_of(Receiver(), *cut(data, places)) == whole
    assert all_of(Receiver(), *(bytes((octet,)) for octet in data)) == whole
    for item in whole:
        if isinstance(item, Telegram):
            assert data[item.offset : item.offset + item.length] == item.data


@given(
    st.lists(
        st.binary(max_size=40) | st.sampled_from((b"/", b"\x02", b"\x01", b"!\r\n", b"(", b")", b"\x03")), max_size=30
    )
)
def test_noise_gives_no_good_reading(parts: list[bytes]) -> None:
    for item in heard(b"".join(parts)):
        if isinstance(item, Telegram):
            assert not any(reading.quality is Quality.GOOD for reading in item.readings)


def test_bounded_memory() -> None:
    for endless in (b"\x02" + b"a" * 100, b"(" * 100, b"/" * 100, b"\x01" * 100, b"a" * 100):
        scanner = Scanner(limit=1000)
        for _ in range(200):
            for _ in scanner.feed(endless):
                pass
        assert len(scanner._raw) <= 1100


@pytest.mark.parametrize(
    "before", [b"\xff\x00abc", b"/MG", b"/MG\x02/", b"xyz\r\n", b"\x02garbage", b"1.8.0(00\r\n", b"\x01R1\x02"]
)
def test_garbage_in_front_does_not_hide_a_readout(before: bytes) -> None:
    *_, last = heard(before + READOUT)
    assert isinstance(last, Telegram)
    assert last.data == READOUT
    assert last.readings


def test_a_wrong_check_character_is_refused_unless_one_is_lenient() -> None:
    wrong = READOUT[:-1] + bytes((READOUT[-1] ^ 1,))
    assert codes(heard(wrong)) == ["bad_checksum"]
    found = only(wrong, bcc="lenient")
    assert not found.valid
    assert values(found) == values(only(READOUT))
    assert {reading.quality for reading in found.readings} == {Quality.SUSPECT}
    assert codes(heard(wrong + READOUT)) == ["bad_checksum"]
    assert any(isinstance(item, Telegram) and item.readings for item in heard(wrong + READOUT))


def test_a_pushed_readout_has_no_check_and_needs_none() -> None:
    found = only(PUSHED)
    assert values(found) == values(only(READOUT))
    assert {reading.quality for reading in found.readings} == {Quality.GOOD}


@pytest.mark.parametrize("data", [readout(SETS).encode(), b"\x02" + readout(SETS).encode()])
def test_what_came_without_its_beginning_or_end_is_suspect(data: bytes) -> None:
    found = only(data)
    assert {reading.quality for reading in found.readings} == {Quality.SUSPECT}
    assert values(found) == values(only(READOUT))


def test_a_readout_that_one_joins_in_the_middle_gives_nothing() -> None:
    for at in range(len(WHO.encode()) + 3, len(PUSHED) - 4):
        for item in heard(PUSHED[at:]):
            assert isinstance(item, Problem) or all(one.quality is not Quality.GOOD for one in item.readings)


def good(found: Sequence[Found]) -> int:
    """How many readings are told to be good."""
    readings = [reading for item in found if isinstance(item, Telegram) for reading in item.readings]
    return sum(reading.quality is Quality.GOOD for reading in readings)


@pytest.mark.parametrize("end", range(1, 40))
def test_a_readout_that_is_cut_off_gives_nothing(end: int) -> None:
    found = heard(READOUT[:-end])
    assert not good(found)
    if end != 2:  # then it is one without end and check, as some meters send it
        assert "truncated" in codes(found)
        assert not any(isinstance(item, Telegram) and item.readings for item in found)


def test_parity_bits_are_taken_off_only_if_all_are_right() -> None:
    with_parity = bytes(octet | (octet.bit_count() % 2) << 7 for octet in PUSHED)
    assert values(only(with_parity)) == values(only(PUSHED))
    for at in range(len(WHO.encode()) + 8, len(PUSHED) - 3, 7):
        bad = bytearray(with_parity)
        bad[at] ^= 0x04
        assert not good(heard(bytes(bad)))


def test_text_of_eight_bits_passes_under_a_right_check() -> None:
    found = only(WHO.encode() + Block("0.0(1)\r\n6.26(012.5*m\xb3)\r\n!\r\n").encode())
    assert (found.readings[1].value, found.readings[1].unit) == (Decimal("12.5"), Unit.M3)


def test_an_overheard_dialogue() -> None:
    talk = [Request("17").encode(), WHO.encode(), Option("0", "5", "1").encode(), Command("P0", "(77)").encode()]
    talk += [Command("P1", "(secret)").encode(), frame.ACK, Command("R1", "1.8.0()").encode()]
    talk += [Block("1.8.0(000285.4*kWh)").encode(), Command("R1", "9.9()").encode(), Block("(ER01)").encode()]
    talk += [frame.BREAK.encode(), readout(SETS).encode()]
    receiver = Receiver()
    found = [item for part in talk for item in (*receiver.receive(part), *receiver.silence())]
    assert all(isinstance(item, Telegram) for item in found)
    telegrams = [item for item in found if isinstance(item, Telegram)]
    kinds = ["request", "identification", "option", "command", "command", "ack", "command", "data", "command", "data"]
    assert [item.frame["kind"] for item in telegrams] == [*kinds, "command", "data"]
    assert "secret" not in str([item.frame for item in telegrams])
    assert telegrams[7].frame["manufacturer"] == "MGT"
    assert telegrams[7].readings[0].value == Decimal("285.4")
    assert codes(telegrams[9].problems) == ["application_error"]
    assert "manufacturer" not in telegrams[11].frame


def test_several_brackets_and_their_time() -> None:
    text = "1.6.0(00.123*kW)(2611021215)\r\n1.2.3(1*kWh)(2*kWh)\r\n1.4.0()\r\n1.5.0(----)\r\n!\r\n"
    found = only(WHO.encode() + Block(text).encode(), utc_offset=60).readings
    assert (found[0].value, found[0].meter_time) == (Decimal("0.123"), datetime(2026, 11, 2, 11, 15, tzinfo=UTC))
    assert (found[0].time_quality, found[0].notes) == (TimeQuality.UNCHECKED, ("time 2611021215",))
    assert [(one.value, one.register.subunit) for one in found[1:3]] == [(Decimal(1), 0), (Decimal(2), 1)]
    assert [(one.value, one.reason, one.quality) for one in found[3:]] == [(None, "empty", Quality.ABSENT)] * 2
    unknown = only(WHO.encode() + Block(text).encode()).readings[0]
    assert (unknown.meter_time, unknown.notes) == (None, ("time 2611021215",))


@pytest.mark.parametrize(
    ("sent", "when"),
    [
        ("0260701120000", datetime(2026, 7, 1, 11, tzinfo=UTC)),
        ("1260701120000", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("22607011200", datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("2613011200", None),
    ],
)
def test_the_season_in_front_of_a_time(sent: str, when: datetime | None) -> None:
    found = only(WHO.encode() + Block(f"1.6.0(1*kW)({sent})\r\n!\r\n").encode(), utc_offset=60)
    assert found.readings[0].meter_time == when


@pytest.mark.parametrize(
    ("address", "sent", "obis", "value", "unit"),
    [
        ("1.8.1", "000001.2963", "1-0:1.8.1*255", Decimal("1.2963"), Unit.KWH),
        ("3.8.0", "1", "1-0:3.8.0*255", Decimal(1), Unit.KVARH),
        ("1-0:41.7.0*255", "+00026*W", "1-0:41.7.0*255", Decimal(26), Unit.W),
        ("32.7.0", "230.5", "1-0:32.7.0*255", Decimal("230.5"), Unit.V),
        ("1-0:21.7.255*255", "-000073.69*W", "1-0:21.7.255*255", Decimal("-73.69"), Unit.W),
        ("81.7.6", "  80*Deg", "1-0:81.7.6*255", Decimal(80), Unit.DEG),
        ("6.8", "0029.055*MWh", "6-0:1.0.0*255", Decimal("29.055"), Unit.MWH),
        ("6.26*01", "01563.92*m3", "6-0:2.0.0*1", Decimal("1563.92"), Unit.M3),
        ("6.33", "001.476*m3ph", None, Decimal("1.476"), Unit.M3_PER_H),
        ("6.35", "60*m", None, Decimal(60), Unit.MIN),
        ("9.4", "088*C&082*C", None, "088*C&082", Unit.DEG_C),
        ("9.20", "64030874", None, "64030874", None),
        ("F.F", "00", "1-0:97.97.0*255", "00", None),
        ("C.1", "0007", "1-0:96.1.0*255", "0007", None),
        ("0-0:96.1.255*255", "1ESY1127000167", "0-0:96.1.255*255", "1ESY1127000167", None),
        ("1.8.0", "12x", "1-0:1.8.0*255", "12x", None),
        ("2:0300.0", "12*m3", None, Decimal(12), Unit.M3),
    ],
)
def test_what_addresses_mean(address: str, sent: str, obis: str | None, value: Any, unit: Unit | None) -> None:
    (reading,) = only(WHO.encode() + Block(f"{address}({sent})\r\n!\r\n").encode()).readings
    assert (reading.obis.full if reading.obis else None, reading.value, reading.unit) == (obis, value, unit)
    assert reading.register.address == address


def test_a_load_profile_in_a_block() -> None:
    part = Section("2611220000", "80", 15, (Channel("1.5.0", "kW"), Channel("2.5.0", "kW")), (("0.25", "1"), ("", "2")))
    found = only(WHO.encode() + Block(encode(part)).encode(), utc_offset=60).readings
    assert [(str(one.obis), one.value, one.status, one.meter_time and one.meter_time.minute) for one in found] == [
        ("1-0:1.5.0", Decimal("0.25"), 0x80, 0),
        ("1-0:2.5.0", Decimal(1), 0x80, 0),
        ("1-0:1.5.0", None, 0x80, 15),
        ("1-0:2.5.0", Decimal(2), 0x80, 15),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "P.01(2611220000)(00)(15)(2)(1.5.0)(kW)(2.5.0)(kW)(1)(2)(3)\r\n",
        "P.01(2611220000)(00)(99999999999999999999)(1)(1.5.0)(kW)(1)\r\n",
    ],
)
def test_a_load_profile_that_does_not_add_up_gives_nothing(text: str) -> None:
    found = only(WHO.encode() + Block(text).encode())
    assert found.readings == ()
    assert codes(found.problems) == ["bad_value"]


# --- learnt layouts --------------------------------------------------------------------------------------------------
def general(data: bytes) -> list[Found]:
    return heard(data, learn=False)


NUMBERS = st.lists(st.text("0123456789", min_size=6, max_size=6), min_size=4, max_size=4)


def numbered(parts: list[str], pushed: bool = False) -> bytes:
    one, two, three, four = parts
    sets = (
        data_set("C.1.0", "12345678"),
        data_set("F.F", four),
        data_set("1.8.0", f"{one}.{two[:2]}*kWh"),
        data_set("16.7.0", f"{'-' if three < '5' else '+'}{three}*W"),
        data_set("6.33", f"{two}*m3ph"),
        data_set("1.9", ""),
    )
    text = readout(sets)
    return WHO.encode() + (b"\r\n" + text.encode() if pushed else Block(text).encode())


@given(st.lists(NUMBERS, min_size=2, max_size=4), st.booleans())
def test_the_learnt_way_reads_what_the_general_one_reads(all_parts: list[list[str]], pushed: bool) -> None:
    receiver = Receiver()
    for parts in all_parts:
        data = numbered(parts, pushed)
        (mine,) = all_of(receiver, data)
        (theirs,) = general(data)
        assert isinstance(mine, Telegram)
        assert isinstance(theirs, Telegram)
        assert (mine.readings, mine.meter, mine.frame) == (theirs.readings, theirs.meter, theirs.frame)
        (layout,) = receiver.layouts
        assert layout.values(data) == tuple(reading.value for reading in mine.readings)


@given(NUMBERS, st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_a_spoilt_readout_is_read_by_neither_way_or_by_both_alike(
    parts: list[str], at: int, octet: int, pushed: bool
) -> None:
    data = bytearray(numbered(parts, pushed))
    receiver = Receiver()
    all_of(receiver, bytes(data))
    data[at % len(data)] = octet
    told = [item for item in all_of(receiver, bytes(data)) if isinstance(item, Telegram)]
    plain = [item for item in general(bytes(data)) if isinstance(item, Telegram)]
    assert [(item.readings, item.meter, item.frame) for item in told] == [
        (item.readings, item.meter, item.frame) for item in plain
    ]


def test_readings_know_when_they_came() -> None:
    receiver = Receiver()
    for _ in range(2):
        (found,) = receiver.receive(PUSHED, NOON)
        assert isinstance(found, Telegram)
        assert {reading.received for reading in found.readings} == {NOON}


# --- corpora, contract, people ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in rows()])
def test_captured_readouts(row: dict[str, Any]) -> None:
    data, want = row["text"].encode("latin-1"), row["expected"]
    found = [item for item in heard(data) if isinstance(item, Telegram)]
    if (want.get("bcc") or {}).get("valid") is False:
        assert not any(item.readings for item in found)
        found = [item for item in heard(data, bcc="lenient") if isinstance(item, Telegram)]
    readings: list[Reading] = [reading for item in found for reading in item.readings]
    for address, value, _ in want["data_sets"]:
        (reading,) = (one for one in readings if one.register.address == address)
        assert reading.value == (value or None) or reading.value == Decimal(value.strip() or "0")
    assert all_of(Receiver(), *(bytes((octet,)) for octet in data)) == heard(data)


def test_the_registry_and_the_contract() -> None:
    assert {"iec62056-21", "iec62056-d"} <= set(protocols())
    entry = protocol("iec62056-21")
    assert entry
    assert isinstance(entry.receiver({}, {}), Receiver)
    answer = respond({"id": "1", "protocol": "iec62056-21", "hex": READOUT.hex()})
    (telegram,) = answer["telegrams"]
    assert (telegram["frame"]["baud_id"], telegram["frame"]["identification"]) == ("5", "M1 V2.0")
    assert telegram["readings"][2]["value"] == "285.4"
    command = respond({"id": "2", "protocol": "iec62056-21", "hex": Command("W2", "C003(1)").encode().hex()})
    assert command["telegrams"][0]["frame"]["command"] == "W2"
    assert respond({"id": "3", "protocol": "iec62056-21", "hex": "000d0a"})["errors"]


@pytest.mark.parametrize(
    ("data", "least", "most"),
    [
        (READOUT, 100, 100),
        (PUSHED, 90, 90),
        (WHO.encode(), 40, 40),
        (b"\x06", 1, 10),
        (b"hello", 0, 0),
        (bytes(9), 0, 0),
    ],
)
def test_guess(data: bytes, least: int, most: int) -> None:
    assert least <= guess(data) <= most


def test_a_p1_telegram_is_left_to_others() -> None:
    telegram = b"/ISK5\\2M550T-1012\r\n\r\n1-0:1.8.1(000123.4*kWh)\r\n!9C1E\r\n"
    assert not any(isinstance(item, Telegram) and item.readings for item in heard(telegram))


def test_explain_names_what_it_sees_and_hides_passwords() -> None:
    data = Request("17").encode() + READOUT + Command("P1", "(secret)").encode() + frame.BREAK.encode()
    spans = explain(data)
    assert all(span.start >= 0 and span.start + span.length <= len(data) for span in spans)
    named = {(span.name, span.value) for span in spans}
    assert ("device address", "17") in named
    assert ("baud identification", "5: 9600 baud, mode C") in named
    assert ("1.8.0", "000285.4*kWh") in named
    assert "secret" not in str(spans)
    assert explain(b"\xff" * 9) == []
