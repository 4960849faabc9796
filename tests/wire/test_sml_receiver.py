"""The receiver against captures of real meters, and what it makes of everything else."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metergate.errors import DECODE_CODES, ConfigError
from metergate.model import Medium, MeterIdentity, Obis, Quality, Reading, TimeQuality, Unit
from metergate.model.unit import DLMS_UNITS
from metergate.wire import protocols
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.sml.codec import Message, encode_telegram
from metergate.wire.sml.messages import (
    GetListResponse,
    GetProfileListResponse,
    GetProfilePackResponse,
    ListEntry,
    PackHeader,
    PackPeriod,
    PackValue,
    ProfileValue,
)
from metergate.wire.sml.push import Style, sec_index
from metergate.wire.sml.readings import STATUS_SIGN, UNSIGNED16
from metergate.wire.sml.receiver import SmlReceiver
from metergate.wire.sml.tlv import Integer
from metergate.wire.sml.transport import KERMIT, wrap
from metergate.wire.sml.values import LOCAL, TIMESTAMP, Time
from smlkit import (
    AT,
    CORPORA,
    EMH,
    METER,
    SERVER,
    chunked,
    codes,
    expected,
    needs_corpora,
    reading,
    receive,
    sample,
    telegram,
    values,
)


def telegrams(found: list[Found]) -> list[Telegram]:
    return [item for item in found if isinstance(item, Telegram)]


def one(data: bytes, **options: Any) -> Telegram:
    (found,) = telegrams(receive(data, options=options))
    return found


def test_a_real_telegram() -> None:
    found = one(EMH)
    assert (found.protocol, found.offset, found.length, found.valid, found.data) == ("sml", 0, 332, True, EMH)
    assert found.meter == MeterIdentity("0901454d48000041f045", "EMH", Medium.ELECTRICITY)
    assert found.frame["crc_kind"] == "x25"
    assert found.frame["sec_index"] == 104804149
    told = {item.obis.full: item for item in found.readings if item.obis}
    assert list(told) == [
        "129-129:199.130.3*255",
        "1-0:0.0.9*255",
        "1-0:1.8.0*255",
        "1-0:1.8.1*255",
        "1-0:1.8.2*255",
        "1-0:16.7.0*255",
        "129-129:199.130.5*255",
    ]
    assert told["129-129:199.130.3*255"].value == b"EMH"
    energy = told["1-0:1.8.0*255"]
    assert (energy.raw, str(energy.value), energy.unit, energy.status) == (153385557, "15338555.7", Unit.WH, 386)
    assert (energy.meter_time, energy.time_quality, energy.received) == (None, TimeQuality.COUNTER, AT)
    assert str(told["1-0:1.8.2*255"].value) == "0.0"
    assert (told["1-0:16.7.0*255"].value, told["1-0:16.7.0*255"].status) == (Decimal("563.5"), None)


def same(found: Reading, wanted: dict[str, Any], differs: dict[str, Any]) -> bool:
    """Whether a reading is what an independent decoder found in the capture."""
    wanted = wanted | differs.get(wanted["obis"], {})
    octets = isinstance(found.value, bytes)
    value = found.value.hex() if isinstance(found.value, bytes) else found.value
    raw = value if octets else found.raw
    texts = {str(wanted["raw"]), str(wanted["raw"]).encode().hex()} if octets else set()
    number = wanted["value"] if octets or wanted["value"] is None else Decimal(wanted["value"])
    unit = DLMS_UNITS.get(wanted["unit"]) if wanted.get("unit") else None
    return (
        (raw == wanted.get("raw") or raw in texts)
        and (value == number or value in texts)
        and found.unit is unit
        and found.status == wanted.get("status")
        and found.register.scaler == (wanted.get("scaler") or 0)
        and (value is not None or found.reason == "null")
    )


@needs_corpora
def test_every_capture_gives_what_other_decoders_found() -> None:
    """139 telegrams: 134 with all their values, five corrupt ones with none, and the next good one is always found."""
    good = bad = entries = 0
    for row in expected():
        found = receive((CORPORA / row["file"]).read_bytes())
        at = {item.offset: item for item in telegrams(found)}
        if row["transport_crc"] == "bad":
            bad += 1
            assert row["offset"] not in at
            assert any(problem.offset == row["offset"] for problem in found if isinstance(problem, Problem))
            continue
        good += 1
        told = at[row["offset"]]
        assert (told.length, told.valid, told.frame["crc_kind"]) == (row["length"], True, row["transport_crc"])
        wanted = {item["obis"]: item for item in row["values"] or row.get("values_smllib", [])}
        if "bad" in row["message_crc"]:
            assert codes([told]) == ["bad_checksum"] * row["message_crc"].count("bad")
            assert told.readings == ()
            continue
        differs = {item["obis"]: item for item in row.get("differs", []) if "obis" in item}
        assert [item.obis.full for item in told.readings if item.obis] == list(wanted)
        for item in told.readings:
            assert item.obis is not None
            assert same(item, wanted[item.obis.full], differs), (row["file"], item)
        entries += len(told.readings)
    assert (good, bad) == (134, 5)
    assert entries == 950  # 953, without the 7 of a corrupt telegram, with 4 that only one of the decoders found


@needs_corpora
@pytest.mark.parametrize("size", [1, 7, 256])
def test_captures_in_any_chunking(size: int) -> None:
    for path in sorted(CORPORA.glob("*.bin")):
        data = path.read_bytes()
        assert chunked(data, [size]) == receive(data), path.name


def trusted(found: list[Found]) -> set[bytes]:
    return {item.data for item in telegrams(found)}


def mutate(chance: random.Random, data: bytes) -> bytes:
    """Flips, cuts and insertions."""
    octets = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(octets) or 1)
        kind = chance.randrange(4)
        if kind == 0 and octets:
            octets[at % len(octets)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del octets[at : at + chance.randint(1, 40)]
        elif kind == 2:
            octets[at:at] = chance.choice([b"\x1b" * 4, b"\x01" * 4, b"\x1a", b"\x00", bytes([chance.randrange(256)])])
        else:
            octets[at:at] = data[: chance.randrange(len(data))]
    return bytes(octets)


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=300)
def test_damaged_streams_never_give_a_changed_telegram(chance: random.Random, learn: bool) -> None:
    """A check sum of 16 bits lets one of 65,536 through, so damage of several telegrams must not look good here."""
    good = [EMH, telegram(1), telegram(2, style=Style(crc=KERMIT))]
    data = mutate(chance, b"".join(good))
    found = receive(data, options={"learn": learn})
    assert trusted(found) <= set(good)
    assert set(codes(found)) <= {*DECODE_CODES, "noise"}


@needs_corpora
@pytest.mark.slow
def test_a_hundred_thousand_damaged_captures() -> None:
    chance, count = random.Random(20260301), 0
    streams = [path.read_bytes() for path in sorted(CORPORA.glob("*.bin"))]
    while count < 100_000:
        data = streams[count % len(streams)]
        start = chance.randrange(max(len(data) - 1500, 1))
        part = data[start : start + 1500]
        found = receive(mutate(chance, part))
        assert set(codes(found)) <= {*DECODE_CODES, "noise"}
        count += 1


@given(st.binary(max_size=400))
def test_any_bytes_inside_a_frame(payload: bytes) -> None:
    found = receive(wrap(b"\x76" + payload) + EMH)
    assert values(found) == values(receive(EMH))
    assert set(codes(found)) <= {*DECODE_CODES, "noise"}


def test_wrong_transport_check_sum_gives_nothing_and_the_next_is_found() -> None:
    broken = EMH[:-1] + bytes((EMH[-1] ^ 1,))
    found = receive(broken + EMH)
    assert codes(found) == ["bad_checksum"]
    assert [item.offset for item in telegrams(found)] == [len(EMH)]


def test_lenient_keeps_messages_whose_own_check_sum_is_right() -> None:
    broken = EMH[:-1] + bytes((EMH[-1] ^ 1,))
    told, after = telegrams(receive(broken + EMH, options={"crc": "lenient"}))
    assert (told.valid, after.valid) == (False, True)
    assert [problem.code for problem in told.problems] == ["bad_checksum"]
    assert {item.quality for item in told.readings} == {Quality.SUSPECT}
    assert [item.value for item in told.readings] == [item.value for item in after.readings]


def test_lenient_does_not_trust_a_message_with_a_wrong_check_sum() -> None:
    broken = EMH.replace(bytes.fromhex("0009247a55"), bytes.fromhex("0009247a56"))
    told = receive(broken, options={"crc": "lenient"})
    assert values(told) == []
    assert codes(told) == ["bad_checksum", "bad_checksum"]


def test_kermit_can_be_switched_off() -> None:
    data = telegram(style=Style(crc=KERMIT))
    assert one(data).frame["crc_kind"] == "kermit"
    assert one(data).readings
    assert codes(receive(data, options={"kermit": False})) == ["bad_checksum"]


def test_an_entry_without_value_is_none_with_a_reason() -> None:
    found = one(telegram(found=[reading("1-0:96.50.2*6", None), reading("1-0:1.8.0", 7, Unit.WH)]))
    assert [(item.value, item.raw, item.reason) for item in found.readings] == [(None, None, "null"), (7, 7, None)]


def test_locked_meter_is_hinted_at() -> None:
    locked = one(telegram(found=sample()[:4]))
    assert "PIN" in str(locked.frame["hint"])
    assert locked.problems == ()
    assert "hint" not in one(telegram()).frame


@needs_corpora
def test_locked_captures() -> None:
    for path in sorted(CORPORA.glob("*without_PIN.bin")):
        assert all("hint" in item.frame for item in telegrams(receive(path.read_bytes())))


NOW = int(AT.timestamp())


@pytest.mark.parametrize(
    ("time", "instant", "quality"),
    [
        (None, None, TimeQuality.NONE),
        (sec_index(5), None, TimeQuality.COUNTER),
        (Time(TIMESTAMP, NOW), AT, TimeQuality.UNCHECKED),
        (Time(LOCAL, NOW, 60, 0), AT, TimeQuality.UNCHECKED),
        (Time(TIMESTAMP, NOW + 3600), AT + timedelta(hours=1), TimeQuality.DOUBTFUL),
        (Time(TIMESTAMP, 86400), datetime(1970, 1, 2, tzinfo=UTC), TimeQuality.DOUBTFUL),
    ],
)
def test_the_meters_time(time: Time | None, instant: datetime | None, quality: TimeQuality) -> None:
    for item in one(telegram(time=time)).readings:
        assert (item.meter_time, item.time_quality) == (instant, quality)


def listed(*entries: ListEntry) -> bytes:
    return encode_telegram([Message(GetListResponse(None, SERVER, None, sec_index(1), entries), b"1")])


NAME = bytes.fromhex("0100010800ff")


def test_a_time_as_value() -> None:
    told = one(listed(ListEntry(NAME, value=Time(TIMESTAMP, NOW)), ListEntry(NAME, value=sec_index(77))))
    shown: list[tuple[object, int | None]] = [(item.value, item.raw) for item in told.readings]
    assert shown == [("2026-03-01T12:00:00+00:00", None), (Decimal(77), 77)]


def test_flags_names_and_units_out_of_the_ordinary() -> None:
    told = one(
        listed(
            ListEntry(NAME, value=True),
            ListEntry(b"odd", value=Integer(3, 1)),
            ListEntry(NAME, unit=200, scaler=-128, value=Integer(1, 8, True)),
            ListEntry(None, value=b"\xff"),
        )
    )
    flag, odd, tiny, nameless = told.readings
    assert (flag.value, flag.raw) == (Decimal(1), 1)
    assert (odd.obis, odd.register.address) == (None, b"odd".hex())
    assert (tiny.value, tiny.unit) == (Decimal("1E-128"), None)
    assert nameless.value == b"\xff"


def test_the_largest_number_is_exact() -> None:
    (told,) = one(listed(ListEntry(NAME, unit=30, scaler=-1, value=Integer(2**64 - 1, 8)))).readings
    assert str(told.value) == "1844674407370955161.5"


def test_registers_are_shared() -> None:
    receiver = SmlReceiver()
    first, second = (telegrams([*receiver.receive(telegram(number), AT)])[0] for number in (1, 2))
    assert all(one.register is two.register for one, two in zip(first.readings, second.readings, strict=True))
    assert first.readings[2].register.key == f"{METER}/1-0:1.8.0*255"


def profile() -> list[Telegram]:
    moment = Time(TIMESTAMP, NOW - 900)
    row = (ProfileValue(NAME, 30, -1, Integer(500, 4)),)
    single = GetProfileListResponse(SERVER, None, 900, (NAME,), moment, Integer(4, 1), row)
    table = GetProfilePackResponse(
        SERVER,
        None,
        900,
        (NAME,),
        (PackHeader(NAME, 30, -1),),
        (PackPeriod(moment, Integer(4, 1), (PackValue(Integer(500, 4)),)),),
    )
    return [one(encode_telegram([Message(body, b"1")])) for body in (single, table)]


def test_profiles_are_readings_with_their_time() -> None:
    for told in profile():
        (item,) = told.readings
        assert (item.register.key, item.value == 50, item.status) == (f"{METER}/1-0:1.8.0*255", True, 4)
        assert item.meter_time == AT - timedelta(minutes=15)


DZG = bytes.fromhex("0a01445a47000282225e")


def test_dzg_power_is_read_plainly_unless_asked() -> None:
    data = telegram(
        found=[reading("1-0:16.7.0", 35624, Unit.W, -2)], style=Style(quirks=frozenset([UNSIGNED16])), server=DZG
    )
    (plain,) = one(data).readings
    assert (str(plain.value), plain.raw) == ("-299.12", -29912)
    assert "356.24" in plain.notes[0]
    (repaired,) = one(data, quirks=UNSIGNED16).readings
    assert (str(repaired.value), repaired.raw) == ("356.24", 35624)
    assert "-299.12" in repaired.notes[0]


@needs_corpora
def test_dzg_capture_repaired() -> None:
    data = (CORPORA / "DZG_DVS-7412.2_jmberg.bin").read_bytes()
    found = {item.obis: item for item in one(data, quirks=[UNSIGNED16]).readings}
    assert str(found[Obis.parse("1-0:16.7.0")].value) == "356.24"


@pytest.mark.parametrize(("power", "shown"), [(-120, "120"), (120, "120")])
def test_emh_sign_from_status(power: int, shown: str) -> None:
    made = [reading("1-0:1.8.0", 1, Unit.WH, status=0x182), reading("1-0:15.7.0", power, Unit.W)]
    data = telegram(found=made, style=Style(quirks=frozenset([STATUS_SIGN])))
    assert str(one(data).readings[1].value) == shown
    (_, told) = one(data, quirks=STATUS_SIGN).readings
    assert told.value == told.raw == power


@needs_corpora
@pytest.mark.parametrize(("name", "sign"), [("consumption", 1), ("delivery", -1)])
def test_emh_captures_have_a_sign(name: str, sign: int) -> None:
    data = (CORPORA / f"EMH-ED300L_{name}.bin").read_bytes()
    told = telegrams(receive(data, options={"quirks": [STATUS_SIGN]}))[0]
    (power,) = [item.value for item in told.readings if item.unit is Unit.W]
    assert isinstance(power, Decimal)
    assert power * sign > 0


@pytest.mark.parametrize(
    "options", [{"crc": "loose"}, {"quirks": "no-such"}, {"quirks": ["x"]}, {"limit": 3}, {"limit": "x"}]
)
def test_wrong_options_are_config_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SmlReceiver(options)


def test_it_is_in_the_registry() -> None:
    entry = protocols()["sml"]
    receiver = entry.receiver({}, {})
    found = [*receiver.receive(EMH), *receiver.silence()]
    assert receiver.position == len(EMH)
    assert isinstance(found[0], Telegram)
    assert entry.guess(EMH) == 100
    assert entry.guess(EMH[:50]) == 60
    assert entry.guess(b"/ABC5") == 0
