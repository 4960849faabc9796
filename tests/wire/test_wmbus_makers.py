"""Makers' own formats: telegrams of real meters, telegrams made here, and spoilt ones."""

import json
import os
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import DECODE_CODES, DecodeError
from metergate.model import Medium, Quality, Reading, Unit
from metergate.wire.base import Problem, Telegram
from metergate.wire.wmbus import PROTOCOLS, Address
from metergate.wire.wmbus.makers import MEDIA, PAYLOADS, RECORDS, TAILS, Block, payload
from telegrams import frame, heard, named, one

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "wmbus"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpora here")
DRIVERS = {
    "apator08",
    "apator162",
    "apator172",
    "apatoreitn",
    "apatorna1",
    "bfw240radio",
    "compact5",
    "ebzwmbe",
    "ei6500",
    "em24",
    "engelmann-faw",
    "evo868",
    "fhkvdataiii",
    "hydroclimav2",
    "hydrodigit",
    "izar",
    "izarv2",
    "mkradio3",
    "qcaloric",
    "qheat",
    "qheatv2",
    "qwater",
    "qwaterv2",
    "tsd2",
    "vario451",
    "zenner0b",
}
UNITS = {
    "m3": Unit.M3,
    "kwh": Unit.KWH,
    "kw": Unit.KW,
    "kvah": Unit.KVAH,
    "c": Unit.DEG_C,
    "hca": Unit.HCA,
    "h": Unit.H,
    "s": Unit.S,
    "y": Unit.Y,
    "v": Unit.V,
    "m3h": Unit.M3_PER_H,
}
VOLUME = bytes.fromhex("0c1363020400")
OTHERWISE = {"em24-01", "hydrodigit-04", "qheatv2-02", "qwaterv2-02"}
"""Rows that expect a number where the telegram says that there is none, or another than it says."""


def rows() -> list[dict[str, Any]]:
    path = CORPUS / "telegrams.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line, parse_float=Decimal) for line in lines]
    return [row for row in found if row["driver"] in DRIVERS and row.get("verified")]


ROWS = rows()
DATED = {"izar", "izarv2", "mkradio3", "fhkvdataiii", "apatoreitn", "apatorna1", "bfw240radio", "qwaterv2", "qcaloric"}
DATES = "_date", "_datetime"


def close(reading: Reading, want: Decimal, unit: Unit) -> bool:
    if not isinstance(reading.value, Decimal) or reading.unit is None:
        return False
    try:
        value = reading.value * reading.unit.into(unit)
    except ValueError:
        return False
    return abs(value - want) <= max(abs(want) * Decimal("1e-6"), Decimal("5.1e-7"))


# --- telegrams of real meters ----------------------------------------------------------------------------------------
@needs_corpus
@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["name"]))
def test_every_number_of_a_real_telegram_is_read(row: dict[str, Any]) -> None:
    found = one(bytes.fromhex(row["telegram"]), row["key"])
    missing = [
        name
        for name, value in row["expected"].items()
        if isinstance(value, int | Decimal)
        and (unit := UNITS.get(name.rsplit("_", 1)[-1]))
        and not any(close(reading, Decimal(value), unit) for reading in found.readings)
    ]
    assert not missing or row["name"] in OTHERWISE
    wanted = row["expected"]["media"]
    assert found.meter is not None
    assert found.meter.medium is not None or wanted == "unknown"
    assert found.meter.id.lower() == row["expected"]["id"].lower()


@needs_corpus
@pytest.mark.parametrize("row", [row for row in ROWS if row["driver"] in DATED], ids=lambda row: str(row["name"]))
def test_dates_of_a_real_telegram_are_read(row: dict[str, Any]) -> None:
    found = one(bytes.fromhex(row["telegram"]), row["key"])
    wanted = {str(value)[:10] for name, value in row["expected"].items() if name.endswith(DATES) and value}
    assert wanted <= {str(reading.value)[:10] for reading in found.readings}


def texts(found: list[Telegram | Problem]) -> set[str]:
    readings = [reading for each in found if isinstance(each, Telegram) for reading in each.readings]
    return {f"{reading.register.quantity} {reading.value!r}" for reading in readings if reading.value is not None}


@needs_corpus
@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["name"]))
def test_a_cut_telegram_gives_no_number_that_the_whole_one_does_not(row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["telegram"])
    whole = texts(heard(data, row["key"]))
    for size in range(11, len(data)):
        assert not texts(heard(data[:size], row["key"]))
        honest = bytes((size - 1,)) + data[1:size]
        cut = heard(honest, row["key"])
        sums = {text for text in texts(cut) if text.startswith("apparent_energy")}
        assert texts(cut) - sums <= whole


@needs_corpus
@given(st.data())
def test_a_spoilt_telegram_is_never_an_exception(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(ROWS))
    octets = bytearray.fromhex(row["telegram"])
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(2, len(octets) - 1))] = data.draw(st.integers(0, 255))
    (entry,) = PROTOCOLS
    for each in heard(bytes(octets), row["key"]):
        if isinstance(each, Telegram):
            assert not (each.problems and each.readings)
            assert {problem.code for problem in each.problems} <= set(DECODE_CODES)
            assert entry.explain(bytes(octets), {})


# --- the decoders by themselves --------------------------------------------------------------------------------------
DECODERS = [(own.decode, key) for key, own in PAYLOADS.items()]
DECODERS += [(decode, key) for key, decode in TAILS.items()]
DECODERS += [(decode, (maker, 0, 0)) for (maker, _), decode in RECORDS.items()]


@given(st.sampled_from(DECODERS), st.binary(max_size=80), st.sampled_from([0x7A, 0xA0, 0xA2, 0xB6]))
def test_a_decoder_gives_items_or_says_what_is_wrong(chosen: Any, data: bytes, ci: int) -> None:
    decode, (maker, version, device) = chosen
    who = Address.named("12345678", maker, version or 0, device or 7)
    with suppress(DecodeError):
        items = decode(Block(data, who, ci, frame(who, ci, data)))
        assert all(item.value is not None or item.reason for item in items)


@pytest.mark.parametrize("key", PAYLOADS, ids=str)
def test_a_payload_that_is_too_short_is_a_problem(key: tuple[str, int | None, int | None]) -> None:
    maker, version, device = key
    own = PAYLOADS[key]
    ci = next(iter(own.cis))
    who = Address.named("12345678", maker, version or 1, device or 7)
    found = one(frame(who, ci, b"\x2f", b"\x01" if ci == 0x7A else None))
    assert not found.readings
    assert {problem.code for problem in found.problems} <= {"truncated", "bad_value"}
    assert found.problems
    assert own.medium is None or (found.meter is not None and found.meter.medium is own.medium)


def test_what_no_table_has_stays_undecoded() -> None:
    who = Address.named("12345678", "TCH", 0x01, 0x43)
    assert payload(who, 0xA0) is None
    found = one(frame(who, 0xA0, bytes(40)))
    assert [problem.code for problem in found.problems] == ["unsupported"]
    assert found.meter is not None
    assert found.meter.medium is MEDIA["TCH", 0x43] is Medium.HEAT
    assert found.frame["manufacturer_data"] == bytes(40).hex()


# --- stray octets, calculated values, explanations -------------------------------------------------------------------
@pytest.mark.parametrize(("version", "readings", "codes"), [(0x18, 1, []), (0x19, 0, ["truncated"])])
def test_stray_octets_are_passed_over_for_the_models_that_send_them(
    version: int, readings: int, codes: list[str]
) -> None:
    found = one(frame(Address.named("12353648", "QDS", version, 0x06), 0x7A, VOLUME + b"\xfe\xd0", b"\x01"))
    assert len(found.readings) == readings
    assert [problem.code for problem in found.problems] == codes


def test_power_of_all_phases() -> None:
    phases = b"".join(b"\x04\xa9\xff" + bytes((n, n)) + b"\0\0\0" for n in (1, 2, 3))
    found = one(frame(Address.named("22992299", "EBZ", 1, 2), 0x7A, phases, b"\x01"))
    total = named(found.readings, "power", 0, "power:sum")
    assert (total.value, total.unit) == (Decimal("0.06"), Unit.W)
    assert total.notes == ("sum of the phases",)
    two = one(frame(Address.named("22992299", "EBZ", 1, 2), 0x7A, phases[:16], b"\x01"))
    assert len(two.readings) == 2


def test_a_calculated_apparent_energy_is_no_good_one() -> None:
    data = bytes.fromhex("0405") + (40).to_bytes(4, "little") + bytes.fromhex("04fb8275") + (30).to_bytes(4, "little")
    found = one(frame(Address.named("02020202", "GAV", 0, 2), 0x7A, data, b"\x01"))
    apparent = named(found.readings, "apparent_energy")
    assert (apparent.value, apparent.unit, apparent.quality) == (Decimal("5"), Unit.KVAH, Quality.ESTIMATED)
    assert apparent.notes


def short(number: str, maker: str, version: int, data: bytes) -> bytes:
    return frame(Address.named(number, maker, version, 7), 0x7A, data, b"\x01")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (frame(Address.named("41700001", "TCH", 0x45, 0x43), 0xA1, bytes(30)), "maker's own format: Techem compact V"),
        (short("00148686", "APA", 5, b"\x2f\x2f\x0f" + bytes(20)), "maker's own format: Apator 16-2"),
        (short("87654322", "BMT", 0x13, VOLUME + b"\x0f\x01\x0a"), "maker's own format"),
        (frame(Address.named("1", "XXX", 1, 7), 0xA0, bytes(9)), "maker's own format"),
    ],
)
def test_explain_names_the_block(data: bytes, name: str) -> None:
    (entry,) = PROTOCOLS
    spans = entry.explain(data, {})
    (span,) = [span for span in spans if span.name == name]
    assert span.start + span.length == len(data)
