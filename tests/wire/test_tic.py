"""TIC: captured frames, both modes, groups that are wrong, interruptions, any chunking, faulty lines."""

import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dialogues import all_of, cut, hit
from metergate.errors import BadChecksum, BadValue, ConfigError
from metergate.model import Obis, Quality, Reading, TimeQuality, Unit
from metergate.sim.household import Household
from metergate.sim.meters import Pusher
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Found, Telegram
from metergate.wire.tic import HISTORICAL, STANDARD, Frame, Group, TicReceiver, decode_frame, explain, guess
from metergate.wire.tic.frame import EOT, STX
from metergate.wire.tic.labels import moment, stamp, status_bits
from metergate.wire.tic.push import frame

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora"))
FILE = CORPORA / "linky/frames.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []
AT = datetime(2026, 11, 22, 12, 3, 4, tzinfo=UTC)
HOME = Household(11, pv_watts=4000, since=date(2026, 11, 1))
BANK = Bank((HOME,), (), installed=datetime(2026, 11, 1, tzinfo=UTC))
ID = "041876097115"


def pushed(kind: int) -> bytes:
    (octets,) = Pusher(MeterSpec("tic", ID, 0, kind), BANK).frames(AT)
    return octets


SENT = {HISTORICAL: pushed(0), STANDARD: pushed(1)}
modes = pytest.mark.parametrize("mode", [HISTORICAL, STANDARD])


def telegrams(found: list[Found]) -> list[Telegram]:
    return [item for item in found if isinstance(item, Telegram)]


def read(octets: bytes, **options: object) -> Telegram:
    (found,) = telegrams(all_of(TicReceiver(options), octets))
    return found


def of(telegram: Telegram, label: str) -> Reading:
    return next(reading for reading in telegram.readings if reading.register.address == label)


# --- captures --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_captured_frames(row: dict[str, Any]) -> None:
    octets = bytes.fromhex(row["frame"])
    found = read(octets)
    assert found.valid
    assert found.frame["mode"] == row["expected"]["mode"]
    groups = decode_frame(octets).groups
    assert {group.label: group.value for group in groups} == row["expected"]["groups"]
    assert len(found.readings) == len(groups)
    assert Frame(HISTORICAL, groups).encode().count(b"\n") == len(groups)
    assert guess(octets) == 100


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_check_sums_are_written_as_captured(row: dict[str, Any]) -> None:
    octets = bytes.fromhex(row["frame"])
    groups = decode_frame(octets).groups
    sent = {group.label: chr(group.encode(HISTORICAL)[-2]) for group in groups}
    assert sent == row["expected"]["checksums"]
    assert Frame(HISTORICAL, groups).encode() == octets


def test_a_value_that_ends_with_spaces_and_a_check_sum_that_is_one() -> None:
    found = read(SENT[HISTORICAL])
    assert b"PTEC HP..  \r" in SENT[HISTORICAL]
    assert of(found, "PTEC").value == "HP.."
    assert of(read(SENT[STANDARD]), "NGTF").value == "H PLEINE/CREUSE "
    spaced = Frame(HISTORICAL, (Group("PTEC", "HP  "),))
    assert decode_frame(spaced.encode()) == spaced


# --- both roles ------------------------------------------------------------------------------------------------------
labels = st.text("ABCDEFGHIJ-+0123456789", min_size=1, max_size=9)
texts = st.text("ABCXYZ 0123456789./-", min_size=1, max_size=20)
stamps = st.none() | st.datetimes(datetime(2000, 1, 2), datetime(2098, 1, 1)).map(
    lambda at: stamp(at.replace(tzinfo=UTC))
)
historical = st.builds(Group, labels, texts)
standard = st.builds(Group, labels, texts, stamps)
made = st.one_of(
    st.builds(Frame, st.just(HISTORICAL), st.lists(historical, min_size=1, max_size=12).map(tuple)),
    st.builds(Frame, st.just(STANDARD), st.lists(standard, min_size=1, max_size=12).map(tuple)),
)


@given(made)
def test_frames_come_back_as_they_were(one: Frame) -> None:
    assert decode_frame(one.encode()) == one
    assert decode_frame(one.encode()).encode() == one.encode()


@modes
@given(places=st.lists(st.integers(0, 3000)))
def test_any_chunking_gives_the_same(mode: str, places: list[int]) -> None:
    data = b"xx" + SENT[mode] + SENT[mode][:100] + SENT[HISTORICAL]
    assert all_of(TicReceiver(), *cut(data, places)) == all_of(TicReceiver(), data)


def test_what_the_standard_mode_says() -> None:
    found = read(SENT[STANDARD])
    assert found.meter is not None
    assert (found.meter.id, found.frame["mode"]) == (ID, STANDARD)
    tariffs = sum(of(found, f"EASF0{number}").value for number in (1, 2))  # type: ignore[misc]
    assert of(found, "EAST").value == tariffs
    assert (of(found, "EAST").obis, of(found, "EAST").unit) == (Obis.parse("1-0:1.8.0"), Unit.WH)
    assert of(found, "DATE").value == AT.isoformat()
    assert {reading.meter_time for reading in found.readings} == {AT}
    assert of(found, "STGE").status == 0x003A0001
    assert found.frame["status"]["TIC"] == "standard"  # type: ignore[index]


def test_what_the_historical_mode_says() -> None:
    found = read(SENT[HISTORICAL])
    codes = {label: str(of(found, label).obis) for label in ("HCHC", "HCHP", "PAPP", "IINST")}
    assert codes == {"HCHC": "1-0:1.8.1", "HCHP": "1-0:1.8.2", "PAPP": "1-0:9.7.0", "IINST": "1-0:31.7.0"}
    assert of(found, "HCHC").value == Decimal(of(found, "HCHC").raw or 0)
    assert {reading.meter_time for reading in found.readings} == {None}


def test_tempo_registers_in_their_order() -> None:
    names = ("BBRHCJB", "BBRHPJB", "BBRHCJW", "BBRHPJW", "BBRHCJR", "BBRHPJR")
    found = read(Frame(HISTORICAL, tuple(Group(name, "000000001") for name in names)).encode())
    assert [str(reading.obis) for reading in found.readings] == [f"1-0:1.8.{n}" for n in range(1, 7)]


def test_a_clock_that_is_not_trusted_says_so() -> None:
    found = read(frame(STANDARD, {"ADSC": ID, "EAST": 1}, AT, trusted=False).encode())
    assert {(r.meter_time, r.time_quality) for r in found.readings} == {(AT, TimeQuality.DOUBTFUL)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("E260701120000", ("2026-07-01T10:00:00+00:00", TimeQuality.UNCHECKED)),
        ("H260701120000", ("2026-07-01T11:00:00+00:00", TimeQuality.UNCHECKED)),
        ("h261122120000", ("2026-11-22T11:00:00+00:00", TimeQuality.DOUBTFUL)),
        (" 261122120000", (None, TimeQuality.NONE)),
        ("E260231120000", (None, TimeQuality.NONE)),
        ("E2602", (None, TimeQuality.NONE)),
    ],
)
def test_time_stamps(text: str, expected: tuple[str | None, TimeQuality]) -> None:
    found, quality = moment(text)
    assert (found.isoformat() if found else None, quality) == expected


def test_status_bits() -> None:
    assert status_bits("00000000")["breaker"] == "closed"
    assert status_bits(f"{1 << 16 | 2 << 1:08X}")["clock"] == "degraded"
    assert status_bits(f"{3 << 24:08X}")["Tempo today"] == "red"
    assert status_bits("no hexa!") == {}


# --- what goes wrong -------------------------------------------------------------------------------------------------
@modes
def test_a_wrong_group_is_dropped_and_the_frame_suspect(mode: str) -> None:
    octets = SENT[mode].replace(b"090" if mode == HISTORICAL else b"06000", b"080" if mode == HISTORICAL else b"07000")
    found = read(octets)
    assert not found.valid
    assert [problem.code for problem in found.problems] == ["bad_checksum"]
    assert len(found.readings) == len(read(SENT[mode]).readings) - 1
    assert {reading.quality for reading in found.readings} == {Quality.SUSPECT}
    assert not read(octets, groups="strict").readings
    with pytest.raises(BadChecksum):
        decode_frame(octets)


@modes
@given(place=st.integers(0, 5000), bit=st.integers(0, 7))
def test_one_wrong_bit_is_never_a_wrong_number(mode: str, place: int, bit: int) -> None:
    octets, right = bytearray(SENT[mode]), read(SENT[mode]).readings
    octets[place % len(octets)] ^= 1 << bit
    numbers = {(r.register, r.value) for r in right if isinstance(r.value, Decimal)}
    for telegram in telegrams(all_of(TicReceiver(), bytes(octets))):
        found = {(r.register.address, r.value) for r in telegram.readings if isinstance(r.value, Decimal)}
        assert found <= {(register.address, value) for register, value in numbers}


@modes
@given(place=st.integers(1, 5000))
def test_an_interrupted_frame_is_given_up(mode: str, place: int) -> None:
    octets = SENT[mode]
    cut_off = octets[: 1 + place % (len(octets) - 2)] + bytes((EOT,))
    found = all_of(TicReceiver(), cut_off + octets)
    assert [item.data for item in telegrams(found)] == [octets]
    assert not isinstance(found[0], Telegram)
    assert found[0].code == "truncated"


def test_a_frame_in_which_another_begins_is_given_up() -> None:
    found = all_of(TicReceiver(), SENT[HISTORICAL][:50] + SENT[STANDARD])
    assert [item.data for item in telegrams(found)] == [SENT[STANDARD]]


def test_endless_frames_are_noise() -> None:
    receiver = TicReceiver()
    assert [*receiver.receive(bytes((STX,)) + b"A" * 20000)]
    assert telegrams([*receiver.receive(SENT[STANDARD])])


def test_a_number_that_is_none_is_a_wrong_group() -> None:
    found = read(Frame(HISTORICAL, (Group("ADCO", ID), Group("HCHC", "09494p439"))).encode())
    assert [problem.code for problem in found.problems] == ["bad_value"]
    assert [reading.register.address for reading in found.readings] == ["ADCO"]


@given(st.integers(0, 1 << 30))
def test_a_bad_line_gives_only_values_that_were_sent(seed: int) -> None:
    fault = hit(seed)
    right = {r.register.address: r.value for octets in SENT.values() for r in read(octets).readings}
    receiver = TicReceiver()
    for piece in (piece for octets in [*SENT.values()] * 3 for piece in fault(octets)):
        for telegram in telegrams([*receiver.receive(piece)]):
            for reading in telegram.readings:
                if isinstance(reading.value, Decimal):
                    assert right[reading.register.address] == reading.value
    assert telegrams(all_of(receiver, SENT[STANDARD]))


@given(made, st.integers(0, 1000))
def test_what_explains_a_frame_covers_it(one: Frame, place: int) -> None:
    octets = bytearray(one.encode())
    octets[place % len(octets)] ^= 1
    assume(octets[0] == STX and octets[-1] == 3)
    top = [span for span in explain(bytes(octets), {}) if span.level == 0]
    assert sum(span.length for span in top) == len(octets)


def test_options_and_groups_that_are_wrong() -> None:
    with pytest.raises(ConfigError, match="groups"):
        TicReceiver({"groups": "all"})
    with pytest.raises(BadValue, match="characters"):
        Group("A\x03", "1").encode(HISTORICAL)
    assert guess(b"\x02\nADCO 1 x\r\x03") == 0
