"""Wireless M-Bus against telegrams of real meters: layers, decryption, MAC, compact frames, CRCs, values."""

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dialogues import all_of
from metergate.errors import BadValue
from metergate.model import Medium, Reading, Unit
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.wmbus import PROTOCOLS, Context, Decoder, Format, Formats, Keyring, Receiver, receiver

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "wmbus"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpora here")
UNITS = {
    "m3": "m3",
    "kwh": "kWh",
    "kw": "kW",
    "c": "degC",
    "hca": "hca",
    "l": "l",
    "m3h": "m3/h",
    "lh": "l/h",
    "v": "V",
    "a": "A",
    "rh": "%",
    "bar": "bar",
    "kvarh": "kvarh",
    "h": "h",
    "m3c": "m3*degC",
}
"""Unit by the last word of a name in the corpus."""
CUT_OFF = "lvogt-10"
"""A row whose last encrypted block lacks a byte."""
OTHERWISE = {
    "em24-01": "its driver passes over a factor of ten that the record names, and adds up what the meter does not send",
    "hydrodigit-04": "zero where the meter says that it has no value",
    "qheatv2-02": "numbers where the meter says that it has no value",
    "qwaterv2-02": "a number where the meter says that it has no value",
}
"""Rows that expect what the telegram does not say, and why."""
OWN_FORMAT = {"bfw240radio", "itronheat", "apator162"}
"""Meters whose payload is split into records by the origin, and is none."""
# Test cases of lvogt/wireless-mbus-parser (MIT), from the examples of the OMS.
OMS_KEY = bytes(range(16))
PROFILE_A = bytes.fromhex(
    "2e44931578563412330333637a2a0020255923c95aaa26d1b2e7493bc2ad013ec4a6f6d3529b520edff0ea6defc955b29d6d69ebf3ec8a"
)
PROFILE_A_KEY = bytes.fromhex("0102030405060708090a0b0c0d0e0f11")
PROFILE_B = bytes.fromhex(
    "434493157856341233037ac98c2075900f002c25b30a000021924d4fba372fb66e017a75002007109058475f4bc9d1281df878b80a1b0f98"
    "b629024aac7279429398bfc549233c0140829b93baa1"
)
ADAPTER = bytes.fromhex(
    "53082448443322110337d0468e80753a63665544330a31900f002c25e00ab30a0000af5d74df73a600d972785634c0271293153303750020"
    "07109058475f4bc955cf1df878b80a1b0f98b629024aac7279429398bfc549233c0140829b93baa1"
)
FORMAT_B = bytes.fromhex("1444ae0c7856341201078c2027780b134365877ac5")
# From tobiasrask/wmbus-client (MIT).
KAMSTRUP = bytes.fromhex("23442d2c454571631b168d206a31fb7c2039a379604b90bdfcbe8dd8cb18ce77dc41ce8c")
KAMSTRUP_KEY = bytes.fromhex("b97a6d4ec274a46d870e3127d9a0af63")


def rows(name: str) -> list[dict[str, Any]]:
    path = CORPUS / name
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line, parse_float=Decimal) for line in lines]


TELEGRAMS = rows("telegrams.jsonl")


def named(row: dict[str, Any]) -> str:
    return str(row["name"])


def decoded(row: dict[str, Any], key: str | None = None) -> list[Found]:
    text = row["key"] if key is None else key
    ears = receiver({"key": bytes.fromhex(text)} if text else {}, {})
    for prior in row.get("prior", []):
        all_of(ears, bytes.fromhex(prior))
    found: list[Found] = all_of(ears, bytes.fromhex(row["telegram"]))
    return found


def telegram(data: bytes, key: bytes | None = None, **options: object) -> Telegram:
    (found,) = all_of(receiver({"key": key} if key else {}, options), data)
    assert isinstance(found, Telegram)
    return found


def records(found: Telegram) -> list[tuple[str, str, str]]:
    shown = found.frame.get("records", [])
    assert isinstance(shown, list)
    return [(one["dif"], one["vif"], one["data"]) for one in shown]


def values(found: Telegram) -> list[object]:
    return [reading.value for reading in found.readings]


def close(reading: Reading, want: Decimal, unit: str) -> bool:
    """The corpus holds rounded numbers."""
    if not isinstance(reading.value, Decimal) or reading.unit is None:
        return False
    try:
        value = reading.value * reading.unit.into(Unit(unit))
    except ValueError:
        return False
    return abs(value - want) <= max(abs(want) * Decimal("1e-6"), Decimal("5.1e-7"))


def test_oms_security_profile_a() -> None:
    found = telegram(PROFILE_A, PROFILE_A_KEY)
    assert found.valid
    assert not found.problems
    assert (found.offset, found.length) == (0, len(PROFILE_A))
    assert found.meter is not None
    assert (found.meter.id, found.meter.manufacturer, found.meter.version) == ("12345678", "ELS", 51)
    assert found.meter.medium is Medium.GAS
    assert values(found) == [Decimal("28504.27"), "2008-05-31T23:50:00", Decimal(0)]
    assert (found.frame["security_mode"], found.frame["protected"], found.frame["link_crc"]) == (5, True, "A")


def test_oms_security_profile_b_with_its_mac() -> None:
    found = telegram(PROFILE_B, OMS_KEY, accept_clear=False)
    assert values(found) == [Decimal("28504.27"), "2008-05-31T23:50:00", Decimal(0)]
    assert (found.frame["message_counter"], found.frame["access_number"]) == (2739, 117)


def test_the_meter_is_not_its_radio_adapter() -> None:
    found = telegram(ADAPTER, OMS_KEY)
    assert found.meter is not None
    assert (found.meter.id, found.meter.manufacturer, found.meter.medium) == ("12345678", "ELS", Medium.GAS)
    assert found.frame["sender"] == "2448443322110337"
    assert values(found)[0] == Decimal("28504.27")


def test_aes_ctr_of_a_compact_frame_with_status_bytes_of_the_stick_behind_it() -> None:
    found = telegram(KAMSTRUP, KAMSTRUP_KEY)
    assert (found.frame["ci"], found.frame["session"], found.frame["protected"]) == ("79", 0x207CFB31, True)
    assert [(one.code, one.message[:34]) for one in found.problems] == [
        ("unsupported", "compact frame of layout 2168: wait")
    ]


@pytest.mark.parametrize(
    ("data", "key", "code"),
    [
        (PROFILE_A, None, "key_missing"),
        (PROFILE_B, None, "key_missing"),
        (KAMSTRUP, None, "key_missing"),
        (PROFILE_A, bytes(16), "wrong_key"),
        (PROFILE_B, bytes(16), "wrong_key"),
        (KAMSTRUP, bytes(16), "wrong_key"),
        (PROFILE_A, bytes(8), "wrong_key"),
    ],
)
def test_wrong_and_missing_keys_are_told_apart_and_valid(data: bytes, key: bytes | None, code: str) -> None:
    found = telegram(data, key)
    assert found.valid
    assert not found.readings
    assert [problem.code for problem in found.problems] == [code]
    assert found.meter is not None


@pytest.mark.parametrize(("data", "size"), [(PROFILE_A, 55), (FORMAT_B, 21)])
def test_wrong_crc_and_cut_off_are_told_apart(data: bytes, size: int) -> None:
    assert len(data) == size
    form = "A" if data is PROFILE_A else "B"
    for at in (2, 11, size - 1):
        bad = bytearray(data)
        bad[at] ^= 1
        assert codes(all_of(receiver({}, {"link_crc": form}), bytes(bad))) == ["bad_checksum"]
    assert codes(all_of(receiver({}, {"link_crc": form}), data[:-1])) == ["truncated"]


def codes(found: list[Found]) -> list[str]:
    assert not any(isinstance(one, Telegram) for one in found)
    return [one.code for one in found if isinstance(one, Problem)]


def test_keys_of_single_meters_by_id() -> None:
    heard = receiver({"12345678": PROFILE_A_KEY, "RAD 87654321": bytes(16), "encryption": b"not ours"}, {})
    (found,) = all_of(heard, PROFILE_A)
    assert isinstance(found, Telegram)
    assert values(found)[0] == Decimal("28504.27")


def test_problems_point_into_the_frame_with_its_crcs() -> None:
    (problem,) = telegram(PROFILE_A).problems
    assert problem.offset == 17
    assert telegram(PROFILE_A).data[12:17].hex() == "7a2a002025"


def test_options_are_checked() -> None:
    with pytest.raises(BadValue):
        receiver({}, {"link_crc": "C"})
    with pytest.raises(BadValue):
        receiver({"key": b"short"}, {})


@needs_corpus
@pytest.mark.parametrize("row", rows("dll_crc.jsonl"), ids=named)
def test_link_layer_cases(row: dict[str, Any]) -> None:
    if row["case"].startswith("Wired"):
        pytest.skip("not wireless")
    told = (
        row["case"].rpartition("Frame Type ")[2].partition(" with") if "specified: Frame Type" in row["case"] else None
    )
    link_crc = ("none" if "without CRC" in row["case"] else told[0]) if told else None
    found = all_of(receiver({}, {"link_crc": link_crc}), bytes.fromhex(row["telegram"]))
    good = [one for one in found if isinstance(one, Telegram)]
    if row["expected"] is None:
        assert not any(one.readings for one in good)
        assert {one.code for one in found if isinstance(one, Problem)} & {"bad_checksum", "truncated"}
    else:
        (one,) = good
        assert one.valid
        assert one.frame["telegram"] == row["expected"]


@needs_corpus
@pytest.mark.parametrize(
    "row", [row for row in TELEGRAMS if row.get("decrypt_check") == "ok" and row["name"] != CUT_OFF], ids=named
)
def test_every_key_of_the_corpus_decrypts(row: dict[str, Any]) -> None:
    (found,) = decoded(row)
    assert isinstance(found, Telegram)
    assert found.frame["protected"] is True
    assert not {problem.code for problem in found.problems} & {"wrong_key", "key_missing"}
    (other,) = decoded(row, "ab" * (len(row["key"]) // 2))
    assert isinstance(other, Telegram)
    assert [problem.code for problem in other.problems] == ["wrong_key"]
    assert other.valid


@needs_corpus
@pytest.mark.parametrize(
    "row",
    [
        row
        for row in TELEGRAMS
        if row["header"]["security"] in ("mode5", "mode7", "ell-aes-ctr")
        and not row["header"].get("ell_plain")
        and row["name"] != CUT_OFF
    ],
    ids=named,
)
def test_without_its_key_a_telegram_is_whole_but_silent(row: dict[str, Any]) -> None:
    (found,) = decoded(row, "")
    assert isinstance(found, Telegram)
    assert (found.valid, found.readings, [one.code for one in found.problems]) == (True, (), ["key_missing"])


@needs_corpus
@pytest.mark.parametrize("row", [row for row in TELEGRAMS if row.get("dv")], ids=named)
def test_records_are_split_as_the_origin_splits_them(row: dict[str, Any]) -> None:
    found = next(one for one in decoded(row) if isinstance(one, Telegram))
    want = [(one["dif"].lower(), one["vif"].lower(), one["data"].lower()) for one in row["dv"]]
    if found.problems:
        assert not found.readings
        return
    if row["header"]["l_ok"] and row["driver"] not in OWN_FORMAT:
        assert records(found) == want


@needs_corpus
def test_nearly_all_splits_of_the_corpus_were_compared() -> None:
    found = [
        (row, next(one for one in decoded(row) if isinstance(one, Telegram))) for row in TELEGRAMS if row.get("dv")
    ]
    refused = {row["name"] for row, one in found if one.problems}
    assert len(found) == 180
    assert refused == {CUT_OFF}


def expectations(row: dict[str, Any]) -> Iterator[tuple[str, Decimal, str]]:
    for name, value in row["expected"].items():
        unit = UNITS.get(name.rsplit("_", 1)[-1])
        counted = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if unit and counted and "rssi" not in name:
            yield name, Decimal(value), unit


@needs_corpus
@pytest.mark.parametrize("row", [row for row in TELEGRAMS if row.get("verified")], ids=named)
def test_values_of_meters_that_speak_the_standard(row: dict[str, Any]) -> None:
    found = next(one for one in decoded(row) if isinstance(one, Telegram))
    assert found.valid
    if found.problems:
        assert not found.readings
        return
    if row["name"] in OTHERWISE:
        return
    assert found.meter is not None
    assert found.meter.id.lstrip("0") == row["expected"]["id"].lstrip("0").upper()
    missing = [
        (name, value, unit)
        for name, value, unit in expectations(row)
        if not any(close(reading, value, unit) for reading in found.readings)
    ]
    assert not missing


@needs_corpus
@pytest.mark.parametrize("row", [row for row in TELEGRAMS if row["header"].get("compact")], ids=named)
def test_compact_frames(row: dict[str, Any]) -> None:
    (found,) = decoded(row)
    assert isinstance(found, Telegram)
    if row["header"].get("mfct") == "KAM" and row.get("verified"):
        assert found.readings
        assert not found.problems
    else:
        assert {one.code for one in found.problems} <= {"unsupported", "key_missing"}


@needs_corpus
def test_a_layout_is_learnt_from_a_full_frame_kept_and_used_by_another_reader() -> None:
    (row,) = [row for row in TELEGRAMS if row["name"] == "kamheat-02"]
    (prior,) = row["prior"]
    ears = Decoder(formats=Formats())
    all_of(Receiver(ears.decode), bytes.fromhex(prior))
    saved = ears.formats.saved()
    assert saved == {"F1E7": "0306 4306 0314 426C 022D 01FF21"}
    other = Receiver(Decoder(formats=Formats(saved)).decode)
    (found,) = all_of(other, bytes.fromhex(row["telegram"]))
    assert isinstance(found, Telegram)
    assert any(close(reading, Decimal("0.99"), "m3") for reading in found.readings)


@needs_corpus
@pytest.mark.parametrize("row", TELEGRAMS, ids=named)
def test_the_learnt_way_gives_the_same_telegram(row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["telegram"])
    keys = Keyring(common=bytes.fromhex(row["key"]) if row["key"] else None)
    long, short = (Receiver(Decoder(Context(keys), learn=learn).decode) for learn in (False, True))
    for prior in row.get("prior", []):
        all_of(long, bytes.fromhex(prior))
        all_of(short, bytes.fromhex(prior))
    for _ in range(3):
        one, other = all_of(long, data), all_of(short, data)
        assert one == other
        assert [dict(each.frame) for each in one if isinstance(each, Telegram)] == [
            dict(each.frame) for each in other if isinstance(each, Telegram)
        ]


@needs_corpus
def test_guess_and_explain_know_every_telegram() -> None:
    (entry,) = PROTOCOLS
    for row in TELEGRAMS:
        data = bytes.fromhex(row["telegram"])
        assert entry.guess(data) >= (60 if row["header"]["l_ok"] else 30), row["name"]
        spans = entry.explain(data, {"key": bytes.fromhex(row["key"])} if row["key"] else {})
        assert all(0 <= span.start <= span.start + span.length <= len(data) for span in spans)
        assert {"L", "C", "manufacturer", "id"} <= {span.name for span in spans}


def test_guess_is_sure_where_crcs_are_right() -> None:
    (entry,) = PROTOCOLS
    assert entry.guess(PROFILE_A) == entry.guess(FORMAT_B) == 100
    assert entry.guess(KAMSTRUP) == 60
    assert entry.guess(b"") == entry.guess(bytes(40)) == entry.guess(b"/ISK5\r\n1.8.0(1)") == 0


def test_explain_shows_plaintext_only_with_the_key() -> None:
    (entry,) = PROTOCOLS
    with_key = {span.name: span.value for span in entry.explain(PROFILE_A, {"key": PROFILE_A_KEY})}
    without = {span.name: span.value for span in entry.explain(PROFILE_A, {})}
    assert with_key["volume"] == "28504.27 m3"
    assert "volume" not in without
    assert without["payload"].startswith("key_missing")
    assert PROFILE_A_KEY.hex() not in str(without)
    assert entry.explain(b"\x00", {})[0].name == "no telegram"


def test_formats_of_frames_are_found_by_themselves() -> None:
    assert telegram(FORMAT_B).frame["link_crc"] == Format.B.value
    assert telegram(FORMAT_B[:-2].replace(b"\x14\x44", b"\x12\x44", 1)).frame["link_crc"] == Format.NONE.value
    assert values(telegram(FORMAT_B)) == [Decimal("876.543")]
