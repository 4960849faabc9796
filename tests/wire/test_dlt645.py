"""DL/T 645: the corpus, the identifiers' rules, chunking, noise, learned layouts against the general decoder."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import all_of, cut
from metergate.errors import DecodeError
from metergate.model import Obis, Unit
from metergate.wire.base import Problem, Telegram
from metergate.wire.dlt645 import PROTOCOLS, Frame, Receiver, explain, guess
from metergate.wire.dlt645.frame import address_octets, matches
from metergate.wire.dlt645.items import item, members
from metergate.wire.dlt645.values import Format

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "dlt645"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpora here")
# From rulego/rulego-components-iot (Apache-2.0), a test of its DL/T 645 codec.
ENERGY = bytes.fromhex("6801000000000068910833333433ab8967451716")
VOLTAGE_REQUEST = bytes.fromhex("68129078563412681104333434356b16")


def rows(name: str) -> list[dict[str, Any]]:
    path = CORPUS / name
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line, parse_float=Decimal) for line in lines]


def telegrams(*chunks: bytes) -> list[Telegram]:
    return [found for found in all_of(Receiver(), *chunks) if isinstance(found, Telegram)]


def reply(di: int, payload: bytes, address: str = "000000000001", control: int = 0x91) -> bytes:
    return Frame(address, control, di.to_bytes(4 if control & 0x10 else 2, "little") + payload).encode()


@needs_corpus
@pytest.mark.parametrize("row", rows("frames_2007.jsonl") + rows("frames_1997.jsonl"), ids=lambda row: row["name"])
def test_corpus_frames(row: dict[str, Any]) -> None:
    want = row["expected"]
    found = all_of(Receiver(), bytes.fromhex(row["frame"]))
    valid = [telegram for telegram in found if isinstance(telegram, Telegram)]
    if want.get("checksum_valid") is False:
        assert not valid
        assert {problem.code for problem in found if isinstance(problem, Problem)} >= {"bad_checksum"}
        return
    assert len(valid) == 1
    frame = valid[0].frame
    for name in ("address", "control", "error", "n1", "n2", "operator", "valid_until"):
        assert frame.get(name) == want.get(name), name
    if "di" in want:
        assert frame["di"] == want["di"]
    if "data_minus_33" in want:
        assert frame["data"] == want["data_minus_33"]
    values = [reading.value for reading in valid[0].readings]
    if "value" in want:
        assert values == [Decimal(want["value"])]
    if "values" in want:
        assert values == [Decimal(value) for value in want["values"]]
    for name in ("date", "time"):
        if name in want:
            texts = [str(text) for text in (*values, frame.get("time"))]
            assert any(text.startswith(want[name]) for text in texts)
    if want.get("unit") and values:
        assert {reading.unit for reading in valid[0].readings} == {Unit(want["unit"])}


@needs_corpus
@pytest.mark.parametrize("row", rows("values_2007.jsonl"), ids=lambda row: row["name"])
def test_corpus_values(row: dict[str, Any]) -> None:
    (telegram,) = telegrams(reply(int(row["di"], 16), bytes.fromhex(row["data_after_minus_33"])))
    (reading,) = telegram.readings
    assert (reading.value, reading.unit) == (row["expected"]["value"], Unit(row["expected"]["unit"]))


@needs_corpus
@pytest.mark.parametrize("row", rows("exchanges_2007.jsonl"), ids=lambda row: row["name"])
def test_corpus_exchanges(row: dict[str, Any]) -> None:
    want = row["expected"]
    found = telegrams(*(bytes.fromhex(frame) for _, frame in row["frames"]))
    assert [(t.frame["control"], t.frame["address"], t.frame["data"]) for t in found] == [
        (frame["control"], frame["address"], frame["data_minus_33"]) for frame in want["frames"]
    ]
    shown = want.get("client_value")
    if isinstance(shown, Decimal) and want.get("di"):
        assert [reading.value for reading in found[-1].readings] == [shown]


@needs_corpus
def test_rules_cover_every_identifier_of_the_reference_table() -> None:
    table = json.loads((CORPUS / "di_2007.json").read_text())["items"]
    assert len(table) == 734
    known = {"kWh", "kvarh", "kVAh", "kvar", "kVA", "Hz"}
    for di, _, form, unit, *parts in table:
        fields = item(int(di, 16))
        assert fields, di
        first, size = form.split(",")[0], sum(field.layout.size for field in fields)
        if not parts and not di.startswith("01"):
            assert size == len(form.replace(".", "").replace(",", "")) // 2, di
        assert fields[0].layout.decimals == len(first.partition(".")[2]), di
        if unit.strip() in known:
            assert fields[0].unit is Unit(unit.strip()), di


@pytest.mark.parametrize(
    ("di", "obis", "storage"),
    [
        (0x00010000, "1-0:1.8.0", 0),
        (0x00010301, "1-0:1.8.3*1", 1),
        (0x0002000C, "1-0:2.8.0*12", 12),
        (0x00060000, "1-0:6.8.0", 0),
        (0x00150000, "1-0:21.8.0", 0),
        (0x01010200, "1-0:1.6.2", 0),
        (0x02010300, "1-0:72.7.0", 0),
        (0x02020100, "1-0:31.7.0", 0),
        (0x02030000, "1-0:16.7.0", 0),
        (0x02030200, "1-0:56.7.0", 0),
        (0x02060000, "1-0:13.7.0", 0),
        (0x02800002, "1-0:14.7.0", 0),
    ],
)
def test_obis_of_identifiers(di: int, obis: str, storage: int) -> None:
    fields = item(di)
    assert fields is not None
    assert (fields[0].obis, fields[0].storage) == (Obis.parse(obis), storage)


def test_blocks_name_their_members() -> None:
    assert [code for code, _ in members(0x0201FF00)] == [0x02010100, 0x02010200, 0x02010300]
    assert [code for code, _ in members(0x0203FF00)] == [0x02030000, 0x02030100, 0x02030200, 0x02030300]
    assert [code for code, _ in members(0x000100FF)] == [0x00010000 + ss for ss in range(13)]


def test_absent_phase_is_null_and_not_zero() -> None:
    (telegram,) = telegrams(reply(0x0201FF00, bytes.fromhex("0023ffffffff")))
    assert [(r.value, r.reason) for r in telegram.readings] == [
        (Decimal("230.0"), None),
        (None, "null"),
        (None, "null"),
    ]


def test_digits_that_are_none_give_no_value() -> None:
    (telegram,) = telegrams(reply(0x00010000, bytes.fromhex("7856340a")))
    assert [(r.value, r.reason) for r in telegram.readings] == [(None, "not a number")]


def test_demand_carries_the_time_of_its_maximum() -> None:
    octets = reply(0x01010000, bytes.fromhex("7080013009151123"))
    (telegram,) = [t for t in all_of(Receiver(options={"utc_offset": 480}), octets) if isinstance(t, Telegram)]
    value, time = telegram.readings
    assert (value.value, str(value.meter_time)) == (Decimal("1.8070"), "2023-11-15 01:30:00+00:00")
    assert time.value == "2023-11-15T09:30"


@pytest.mark.parametrize(
    ("di", "payload", "code"),
    [
        (0x00010000, "785634", "truncated"),
        (0x00010000, "7856341200", "bad_value"),
        (0x0001FF00, "78563412aabb", "truncated"),
        (0xEE000000, "00", "unsupported"),
    ],
)
def test_replies_that_do_not_fit_their_item_give_no_readings(di: int, payload: str, code: str) -> None:
    (telegram,) = telegrams(reply(di, bytes.fromhex(payload)))
    assert not telegram.readings
    assert [problem.code for problem in telegram.problems] == [code]


def test_status_octet_of_1997_is_kept_apart() -> None:
    (telegram,) = telegrams(reply(0x9010, bytes.fromhex("5404000001"), control=0x81))
    (reading,) = telegram.readings
    assert (reading.value, reading.status, reading.obis) == (Decimal("4.54"), 1, Obis.parse("1-0:1.8.0"))


@pytest.mark.parametrize(
    ("di", "payload", "obis", "values"),
    [
        (0x9012, "00000100", "1-0:1.8.2", ["100.00"]),
        (0x9420, "00000100", "1-0:2.8.0*1", ["100.00"]),
        (0x9811, "00000100", "1-0:1.8.1*2", ["100.00"]),
        (0x901F, "0000030000000100000002000000", "1-0:1.8.0", None),
        (0xB611, "3002", "1-0:32.7.0", ["230"]),
        (0xB630, "341200", "1-0:16.7.0", ["0.1234"]),
    ],
)
def test_identifiers_of_1997(di: int, payload: str, obis: str, values: list[str] | None) -> None:
    octets = bytes.fromhex(payload)[:12]
    (telegram,) = telegrams(reply(di, octets, control=0x81))
    assert telegram.readings[0].obis == Obis.parse(obis)
    assert [r.value for r in telegram.readings] == [Decimal(v) for v in values or ("300.00", "100.00", "200.00")]


def test_follow_up_frames_are_joined_and_a_missing_one_gives_no_readings() -> None:
    octets = bytes.fromhex("0100000002000000030000000400000005000000")
    di = b"\x00\xff\x01\x00"
    first = Frame("000000000001", 0xB1, di + octets[:6]).encode()
    second = Frame("000000000001", 0xB2, di + octets[6:13] + b"\x01").encode()
    last = Frame("000000000001", 0x92, di + octets[13:] + b"\x02").encode()
    whole = telegrams(first, second, last)
    assert [len(telegram.readings) for telegram in whole] == [0, 0, 5]
    assert [reading.raw for reading in whole[2].readings] == [1, 2, 3, 4, 5]
    torn = telegrams(first, last)
    assert [len(telegram.readings) for telegram in torn] == [0, 0]
    assert torn[1].problems[0].code == "truncated"


stream = st.lists(
    st.one_of(
        st.sampled_from(
            [ENERGY, VOLTAGE_REQUEST, b"\xfe" * 4, ENERGY[:9], b"\x68", b"\x68" * 12, ENERGY[:-2] + b"\0\x16"]
        ),
        st.binary(max_size=20),
    ),
    max_size=8,
).map(b"".join)


@given(stream, st.lists(st.integers(0, 4000), max_size=12))
def test_result_does_not_depend_on_chunks(data: bytes, places: list[int]) -> None:
    assert all_of(Receiver(), *cut(data, places)) == all_of(Receiver(), data)


@given(stream, st.binary(max_size=30).filter(lambda noise: b"\x68" not in noise))
def test_a_good_frame_is_found_whatever_came_before(before: bytes, noise: bytes) -> None:
    found = all_of(Receiver(), before + noise + b"\xfe\xfe" + ENERGY)
    whole = [t for t in found if isinstance(t, Telegram) and t.offset == len(before + noise) + 2]
    swallowed = any(isinstance(t, Telegram) and t.offset + t.length > len(before + noise) + 2 for t in found)
    assert swallowed or [reading.value for reading in whole[0].readings] == [Decimal("123456.78")]


def test_noise_is_counted_and_told() -> None:
    receiver = Receiver()
    found = all_of(receiver, b"\0" * 3000 + ENERGY)
    assert receiver.noise == 3000
    told = [f for f in found if isinstance(f, Problem)]
    assert sum(int(problem.message.split()[0]) for problem in told) == 3000
    assert {problem.code for problem in told} == {"noise"}


@settings(max_examples=300)
@given(st.integers(0, 8 * len(ENERGY) - 1))
def test_no_flipped_bit_yields_a_reading(bit: int) -> None:
    bad = bytearray(ENERGY)
    bad[bit // 8] ^= 1 << bit % 8
    found = all_of(Receiver(), bytes(bad))
    assert not [t for t in found if isinstance(t, Telegram) and t.readings]
    assert any(isinstance(problem, Problem) for problem in found)


@given(st.binary(max_size=80), st.integers(0, 255), st.integers(0, 2**48 - 1))
def test_any_data_in_a_right_frame_is_survived(data: bytes, control: int, address: int) -> None:
    octets = Frame(f"{address:012x}", control, data).encode()
    (telegram,) = telegrams(octets)
    assert (telegram.valid, telegram.frame["data"]) == (True, data.hex())
    assert explain(octets)[0].length == len(octets)


@given(st.integers(0, 10**12 - 1), st.integers(0, 255), st.binary(max_size=200), st.integers(0, 4))
def test_frames_round_trip(address: int, control: int, data: bytes, wake: int) -> None:
    frame = Frame(f"{address:012d}", control, data)
    octets = frame.encode(wake)
    assert octets.count(0xFE, 0, wake) == wake
    assert Frame.decode(octets[wake:]) == frame


formats = ["XXXXXX.XX", "-XXXXXX.XX", "XXX.X", "-XXX.XXX", "-XX.XXXX", "-X.XXX", "XX", "XXXXXXXX"]


@given(st.sampled_from(formats), st.data())
def test_numbers_round_trip(form: str, data: st.DataObject) -> None:
    layout = Format.parse(form)
    digits = 10 ** (2 * layout.size)
    raw = data.draw(
        st.integers(1 - digits * 8 // 10, digits * 8 // 10 - 1) if layout.signed else st.integers(0, digits - 1)
    )
    value = Decimal(raw).scaleb(-layout.decimals)
    assert layout.decode(layout.encode(value)) == (value, raw, None)
    with pytest.raises(DecodeError):
        layout.encode(Decimal(digits * 8 // 10 if layout.signed else digits).scaleb(-layout.decimals))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("YYMMDDhhmmss", "2024-02-29T23:59:58"),
        ("YYMMDDhhmm", "2024-02-29T23:59"),
        ("YYMMDD", "2099-12-31"),
        ("hhmmss", "00:00:01"),
        ("N" * 12, "000000001234"),
        ("A*6", "220V"),
        ("H*4", "00ab10ff"),
    ],
)
def test_texts_round_trip(form: str, text: str) -> None:
    layout = Format.parse(form)
    assert layout.decode(layout.encode(text)) == (text, None, None)


def test_impossible_dates_are_no_dates() -> None:
    layout = Format.parse("YYMMDDhhmm")
    assert layout.decode(bytes.fromhex("0000300224"))[2] == "not a date"
    assert layout.decode(bytes(5))[2] == "null"


def test_passwords_are_never_shown() -> None:
    (telegram,) = telegrams(reply(0x04000C01, bytes.fromhex("78563412")))
    assert [(r.value, r.reason) for r in telegram.readings] == [(None, "secret")]


numbers = st.sampled_from(
    [0x00000000, 0x00010000, 0x0001FF00, 0x02010100, 0x0201FF00, 0x0202FF00, 0x02030000, 0x02060000]
)


@given(st.lists(st.tuples(numbers, st.binary(min_size=1, max_size=24)), min_size=1, max_size=6))
def test_learned_layouts_equal_the_general_decoder(replies: list[tuple[int, bytes]]) -> None:
    learning, general = Receiver(), Receiver()
    for di, payload in replies:
        digits = bytes(octet if octet > 0xF0 else int(f"{octet % 100:02d}", 16) for octet in payload)
        octets = reply(di, digits)
        want = general.decode(0, octets, None)
        for _ in range(2):
            (found,) = learning.receive(octets)
            assert isinstance(found, Telegram)
            assert (found.readings, found.frame, found.meter) == (want.readings, want.frame, want.meter)
            assert [p.code for p in found.problems] == [p.code for p in want.problems]


def test_registry_and_guess() -> None:
    assert [entry.name for entry in PROTOCOLS] == ["dlt645", "dlt645-1997"]
    assert guess(b"\xfe\xfe" + ENERGY) == 100
    assert guess(ENERGY[:-2] + b"\0\x16") == 30
    assert guess(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01") == 0
    assert PROTOCOLS[1].guess(reply(0x9010, bytes(4), control=0x81)) == 100


def test_explain_names_every_octet() -> None:
    spans = explain(ENERGY)
    octets = sorted(at for span in spans if span.level == 1 for at in range(span.start, span.start + span.length))
    assert octets == list(range(len(ENERGY)))
    assert any(span.value == "123456.78 kWh" for span in spans)


def test_addresses() -> None:
    assert address_octets("123456789012") == bytes.fromhex("129078563412")
    assert matches("aaaa56789012", "123456789012")
    assert not matches("aaaa56789013", "123456789012")
    with pytest.raises(DecodeError):
        address_octets("1234567890123")


def test_parts_of_1997_that_were_only_overheard_give_no_readings() -> None:
    first = Frame("000000000001", 0xA1, bytes.fromhex("1f9001000000")).encode()
    last = Frame("000000000001", 0x82, bytes.fromhex("1f9002000000")).encode()
    found = telegrams(first, last)
    assert [telegram.readings for telegram in found] == [(), ()]
    assert {problem.code for telegram in found for problem in telegram.problems} == {"unsupported"}
